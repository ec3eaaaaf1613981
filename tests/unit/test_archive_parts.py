"""Parts and the policy they follow: bytes in, bytes out."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from functions.archive.batch import Batch
from functions.archive.bucket import manifest_object_key, part_key
from functions.archive.due import Reading, Remainder
from functions.archive.parts import ArchiveUnproven, Filed, Part, PartWriter, Proof, examine, line, read_part
from functions.archive.retention import Retention, read_retention
from functions.common import keys
from functions.common.dynamo_store import RECORDS_KEPT, DynamoStore
from functions.common.errors import BundleInvalid
from functions.common.judgement import Judged, Judgement, Routing
from functions.common.message import Contact, Message, ReplyWindow, Verification
from functions.common.store import Conversation, Reply
from functions.common.table import Table
from tests.fakes.template import table_definition

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
POLICY = {"archive": {"zone": "Asia/Shanghai", "quiet_hours": 24, "at_latest_days": 7, "hot_days": 30}}


def filed(n: int, text: str = "您好 [phone]", *, reply: bool = False, at: datetime = NOW, channel: str = "generic") -> Filed:
    message_id = keys.message_id(channel, "demo", "anna", at, str(n))
    message = Message(
        message_id=message_id,
        channel=channel,
        account="demo",
        contact=Contact(primary="anna"),
        kind="text",
        text=text,
        sent_at=at,
        received_at=at,
        verification=Verification(scheme="standard", body_signed=True, timestamped=True),
    )
    judged = Judged(
        message=message,
        judgement=Judgement(content=("invoice",), scores={"business.enquiry": 0.75}),
        routing=Routing(team="finance", priority=3, due_at=at),
        bundle=f"bundle{n % 2}",
        seq=n,
        masked={"phone": 1},
    )
    answer = Reply(message_id=message_id, state="sent", reason="keyword", at=at, text="好的", attempts=1)
    return Filed(judged=judged, reply=answer if reply else None)


def part(*messages: Filed) -> Part:
    writer = PartWriter("2026-11-22", "generic")
    for message in messages:
        writer.add(message)
    return writer.close()


def test_same_messages_give_the_same_bytes() -> None:
    messages = [filed(n, reply=n % 2 == 0) for n in range(5)]
    assert part(*messages).body == part(*messages).body


def test_a_part_reads_back_as_it_was_written() -> None:
    messages = [filed(n, reply=n % 2 == 0) for n in range(5)]
    assert list(read_part(BytesIO(part(*messages).body))) == messages


@given(st.text())
def test_any_text_survives_the_round_trip(text: str) -> None:
    (found,) = read_part(BytesIO(part(filed(1, text)).body))
    assert found.judged.message.text == text.encode("utf-8", "replace").decode()


def test_a_part_describes_itself() -> None:
    made = part(filed(1, at=NOW), filed(2, at=NOW - timedelta(hours=2)), filed(3, at=NOW + timedelta(hours=1)))
    assert (made.first, made.last) == (NOW - timedelta(hours=2), NOW + timedelta(hours=1))
    assert made.bundles == ("bundle0", "bundle1")
    assert made.proof == examine(BytesIO(made.body))
    assert made.proof.count == 3
    assert made.proof.bytes == len(made.body)


def test_a_line_is_json_with_labels_routing_bundle_seq_and_reply() -> None:
    said = json.loads(line(filed(7, reply=True)))
    assert said["version"] == 1
    assert said["message"]["text"] == "您好 [phone]"
    assert said["judgement"]["content"] == ["invoice"]
    assert said["routing"]["team"] == "finance"
    assert (said["bundle"], said["seq"]) == ("bundle1", 7)
    assert said["reply"]["text"] == "好的"
    assert json.loads(line(filed(7)))["reply"] is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: body[:-1],
        lambda body: body[: len(body) // 2],
        lambda body: b"",
        lambda body: b"not gzip at all",
        lambda body: body + b"x",
        lambda body: body + gzip.compress(b"{}\n"),
    ],
)
def test_a_damaged_part_is_unproven(damage: Any) -> None:
    with pytest.raises(ArchiveUnproven):
        examine(BytesIO(damage(part(filed(1), filed(2)).body)))


@given(st.data())
def test_no_changed_byte_escapes_the_proof(data: st.DataObject) -> None:
    made = part(filed(1), filed(2, reply=True))
    place = data.draw(st.integers(0, len(made.body) - 1))
    changed = bytearray(made.body)
    changed[place] ^= data.draw(st.integers(1, 255))
    try:
        found: Proof | None = examine(BytesIO(bytes(changed)))
    except ArchiveUnproven:
        found = None
    assert found != made.proof


@pytest.mark.parametrize("text", ["[]", "{}", '{"version": 2}', "nonsense", '{"version": 1, "reply": {}, "seq": 1}'])
def test_a_line_that_is_none_of_ours_is_unproven(text: str) -> None:
    with pytest.raises(ArchiveUnproven):
        list(read_part(BytesIO(gzip.compress(text.encode() + b"\n"))))


def test_layout_is_hive_partitions_with_manifests_beside() -> None:
    key = part_key("2026-11-22", "wechat_oa", "20261123T030000-1a2b3c4d-1")
    assert key == "dt=2026-11-22/channel=wechat_oa/part-20261123T030000-1a2b3c4d-1.jsonl.gz"
    assert manifest_object_key(key) == "_manifests/dt=2026-11-22/channel=wechat_oa/part-20261123T030000-1a2b3c4d-1.json"


def retention(**batch: int) -> Retention:
    return read_retention({"archive": POLICY["archive"] | {"batch": batch}})


def test_the_day_of_a_message_is_the_local_one() -> None:
    assert retention().day(datetime(2026, 11, 22, 15, 59, 59, tzinfo=UTC)) == "2026-11-22"
    assert retention().day(datetime(2026, 11, 22, 16, 0, tzinfo=UTC)) == "2026-11-23"
    assert retention().day(datetime(2028, 2, 28, 16, 0, tzinfo=UTC)) == "2028-02-29"


def test_a_message_expires_hot_days_after_receipt_but_never_within_a_day() -> None:
    assert retention().expiry(NOW - timedelta(days=2), NOW) == int((NOW + timedelta(days=28)).timestamp())
    assert retention().expiry(NOW - timedelta(days=90), NOW) == int((NOW + timedelta(days=1)).timestamp())


def test_the_shipped_policy_is_valid() -> None:
    shipped = yaml.safe_load(Path("config/retention.yaml").read_text(encoding="utf-8"))
    assert read_retention(shipped).quiet == timedelta(hours=24)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"zone": "Asia/Nowhere"}, "retention.archive.zone"),
        ({"zone": "../etc/passwd"}, "retention.archive.zone"),
        ({"quiet_hours": 0}, "retention.archive.quiet_hours"),
        ({"hot_days": 14}, "retention.archive.hot_days"),
        ({"at_latest_days": 16, "hot_days": 15}, "retention.archive"),
        ({"at_latest_days": 28}, "retention.archive.at_latest_days"),  # a hold would come too late for originals
        ({"quiet_hour": 3}, "retention.archive.quiet_hour"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused_by_name(change: dict[str, Any], named: str) -> None:
    with pytest.raises(BundleInvalid, match=named):
        read_retention({"archive": POLICY["archive"] | change})


@pytest.mark.parametrize("raw", [None, [], {}, {"archive": None}])
def test_a_missing_policy_is_refused(raw: Any) -> None:
    with pytest.raises(BundleInvalid):
        read_retention(raw)


def test_a_batch_parts_messages_by_local_day_and_channel() -> None:
    batch = Batch(retention())
    late = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)
    for message in (filed(1, at=late), filed(2), filed(3, channel="twilio"), filed(4)):
        batch.take(message)
    found = [(p.day, p.channel, p.proof.count) for p in batch.parts()]
    assert found == [("2026-11-22", "generic", 2), ("2026-11-22", "twilio", 1), ("2026-11-23", "generic", 1)]


def test_a_batch_is_full_by_messages_by_bytes_and_by_conversations() -> None:
    by_messages, by_bytes, by_conversations = (Batch(retention(messages=2, megabytes=1)) for _ in range(3))
    by_messages.take(filed(1))
    assert not by_messages.full
    by_messages.take(filed(2))
    assert by_messages.full
    by_bytes.take(filed(1, "字" * 2**20))
    assert by_bytes.full
    for name in "ab":
        conversation = Conversation(conv=name, channel="generic", account="demo", contact=name)
        assert not by_conversations.full
        for whole in (False, True):  # what is noted on the way is no conversation more
            by_conversations.take(Reading(conversation=conversation, remaining=Remainder(), whole=whole))
    assert by_conversations.full


def test_a_batch_of_many_days_is_full_before_its_open_parts_take_much_memory() -> None:
    batch, days = Batch(retention(messages=1000, megabytes=48)), 0
    while not batch.full:
        days += 1
        batch.take(filed(days, at=NOW - timedelta(days=days)))
    assert days == 64
    assert len(list(batch.parts())) == 64


def test_the_conversation_stands_beside_a_message_and_is_read_back() -> None:
    conversation = Conversation(conv="a", channel="generic", account="demo", contact="anna", opted_out=True, last_at=NOW)
    writer = PartWriter("2026-11-20", "generic")
    for message in (replace(filed(1), conversation=conversation), filed(2)):
        writer.add(message)
    first, second = read_part(BytesIO(writer.close().body))
    assert (first.conversation, second.conversation) == (conversation, None)
    assert (first.items, second.items) == (2, 1)


def test_what_a_reply_was_addressed_with_is_not_filed() -> None:
    known = filed(1)
    window = ReplyWindow(mode="token", token="https://session.example/robot?session=secret")
    tokened = replace(known, judged=replace(known.judged, message=replace(known.judged.message, reply=window)))
    assert b"secret" not in line(tokened) and json.loads(line(tokened))["message"]["reply"] == {"mode": "token"}


def test_a_record_that_changes_after_it_was_archived_is_to_be_archived_again_and_does_not_go_before() -> None:
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(**table_definition())
        table = Table(client, table_definition()["TableName"])
        store = DynamoStore(table, shards=3)
        reply = Reply(
            message_id=keys.message_id("generic", "demo", "anna", NOW, "1"), state="reserved", reason="keyword", at=NOW
        )
        store.add_reply(reply)
        key = keys.split(reply.message_id)
        where = keys.conversation_pk(key.conv), keys.reply_sk(key)
        table.update(*where, "SET #archived = :part, #exp = :exp", values={":part": "part-1", ":exp": 1_900_000_000})
        store.record_reply(replace(reply, state="sent", attempts=1), was="reserved", attempts=0)
        item = table.get(*where)
    assert item is not None
    assert (item["state"], "archived" in item) == ("sent", False)
    assert item["exp"] == int((NOW + RECORDS_KEPT).timestamp())
