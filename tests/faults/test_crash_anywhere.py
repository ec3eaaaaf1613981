"""Invariant 4: for every call that a handler makes, the process dies just before and just after it, everything is delivered again, and the
final state is that of an undisturbed run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from functions.archive.month_end import cut, due
from functions.common.bundle import read_bundle
from functions.common.calendar import read_calendars
from tests.fakes.deaths import Death, Watch, When
from tests.fakes.house import BUNDLE, House, open_house

VOLATILE = {
    "received_at", "at", "first_at", "last_at", "due_at",
    "waiting_since", "work_sk", "archive_sk", "unarchived_since", "exp", "sealed", "rev",
    "attempts", "outcome", "provider_id", "expires_at", "native_event_id", "archived", "stored_at",
    "escalated_for", "person_at",
}  # fmt: skip
READS = {"Query", "GetItem", "GetObject", "ListObjectsV2", "ListObjectVersions", "DescribeTable", "DescribeTimeToLive"}
# One time for all runs, so that they have the same keys.
AT = datetime.now(UTC).replace(microsecond=0)
LATER = "2027-03-01T19:00:00Z"
PRIVATE = "我的手机号是13912345678,发票开好了寄到哪?"

Story = list[Callable[[House], Any]]


def hear(channel: str, make: Callable[[Any], Any]) -> Callable[[House], Any]:
    """A step: one webhook, the same bytes however often the platform has to send it."""
    sent: list[Any] = []

    def step(house: House) -> None:
        if not sent or house is not sent[0]:
            sent[:] = [house, make(house.simulators[channel])]
        assert house.receive(channel, sent[1])["statusCode"] < 300

    return step


def pump(house: House) -> None:
    house.pump()


def tell(house: House, story: Story, watch: Watch | None = None, *, unwatched: int = 0) -> None:
    """Live through a story, dying where the watch says and carrying on from there as Lambda and the platforms would.

    The first `unwatched` steps go undisturbed: another story dies in them.
    """
    for place, step in enumerate(story):
        house.watch = watch if place >= unwatched else None
        try:
            step(house)
        except Death:
            house.restart()
            step(house)


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key not in VOLATILE}
    return [plain(item) for item in value] if isinstance(value, list) else value


def state(house: House) -> dict[str, Any]:
    kept = [plain(item) for item in house.items() if item["pk"].startswith(("C#", "P#"))]
    for item in kept:
        if item["sk"].startswith("R#"):
            # A reply may name the time of day; the template that it came from does not change.
            item.pop("text", None)
        # What is known again of a text begins with the minute of its receipt.
        item["said"] = [entry.partition(" ")[2] for entry in item.get("said", ())]
        item["heard"] = len(item.get("heard", "").split())
        # Which message was answered, and whether the reply left; not when.
        item["replied"] = [f"{packed[:8]} {packed[17]}" for packed in item.get("replied", ())]
    senders = sorted((item["sk"], sorted(item["senders"])) for item in house.items() if item["pk"].startswith("F#"))
    # Events are told at least once: which, not how often.
    told = sorted({(kind, detail.get("message_id", detail.get("conversation", ""))) for kind, detail in house.told})
    return {
        "items": kept,
        "senders": senders,
        "said": [reply[:2] for reply in house.said()],
        "queues": house.depths(),
        "told": told,
    }


def deaths(
    tmp_path: Path,
    when: When,
    story: Story,
    channel: str,
    check: Callable[[House, dict[str, Any], str], None],
    *,
    unwatched: int = 0,
) -> None:
    with open_house(tmp_path, only=(channel,)) as house:
        whole = Watch()
        tell(house, story, whole, unwatched=unwatched)
        undisturbed = state(house)
    assert len(whole.calls) > 3
    for at, name in enumerate(whole.calls):
        if name in READS and at and whole.calls[at - 1] in READS:
            continue  # between two reads nothing has changed: dying there is dying before the first
        with open_house(tmp_path, only=(channel,)) as house:
            tell(house, story, Watch(at=at, when=when), unwatched=unwatched)
            check(house, undisturbed, f"{when} call {at}, {name}")


def same_as_undisturbed(house: House, undisturbed: dict[str, Any], where: str) -> None:
    assert state(house) == undisturbed, where


@pytest.mark.timeout(280)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_conversation_of_a_platform_with_idempotency_keys(tmp_path: Path, when: When) -> None:
    story = [
        hear("generic", lambda s: s.text("u1", "你好,请问几点开门?", native_id="m1", at=AT, signed_at=AT)),
        pump,
        hear(
            "generic",
            lambda s: s.batch(
                [
                    s.item("u1", text=PRIVATE, native_id="m2", at=AT),
                    s.item("u2", text="把钱转账到我卡上", native_id="m3", at=AT),
                ]
            ),
        ),
        pump,
    ]
    deaths(tmp_path, when, story, "generic", same_as_undisturbed)


@pytest.mark.timeout(280)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_threat_is_told_and_told_again_when_it_is_overdue(tmp_path: Path, when: When) -> None:
    story = [
        hear("generic", lambda s: s.text("u1", "再不退款我就去法院起诉你们", native_id="m1", at=AT, signed_at=AT)),
        pump,
        lambda house: house.invoke("escalate", {"now": (AT + timedelta(hours=3)).isoformat()}),
        lambda house: house.invoke("escalate", {"now": (AT + timedelta(hours=3)).isoformat()}),
    ]

    def told(house: House, undisturbed: dict[str, Any], where: str) -> None:
        same_as_undisturbed(house, undisturbed, where)
        assert {kind for kind, _ in house.told} == {"MessageEscalated", "ConversationOverdue"}, where

    deaths(tmp_path, when, story, "generic", told)


@pytest.mark.timeout(280)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_contact_whom_a_platform_vouches_for(tmp_path: Path, when: When) -> None:
    def known(house: House, undisturbed: dict[str, Any], where: str) -> None:
        at_most_once_and_never_forgotten(house, undisturbed, where)
        (member,) = (item for item in house.items() if item["pk"].startswith("P#"))
        (conversation,) = house.of_kind("@")
        assert (member["sk"], [f"P#{mark}" for mark in conversation["vouched"]]) == (conversation["pk"], [member["pk"]]), where

    story = [hear("slack", lambda s: s.text("U2CERLKJA", "好的", native_id="1726000000.000100", at=AT)), pump]
    deaths(tmp_path, when, story, "slack", known)


@pytest.mark.timeout(280)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_text_message_by_twilio(tmp_path: Path, when: When) -> None:
    story = [
        hear("twilio", lambda s: s.text("+14155550100", "Hi, what time do you open on Saturday?", native_id="SM" + "1" * 32)),
        pump,
    ]
    deaths(tmp_path, when, story, "twilio", at_most_once_and_never_forgotten)


def at_most_once_and_never_forgotten(house: House, undisturbed: dict[str, Any], where: str) -> None:
    """WeChat takes no idempotency key: a reply of unknown fate is not sent again, and a person is told."""
    said = house.said()
    assert len(said) <= 1, where
    (reply,) = house.of_kind("R#")
    (conversation,) = house.of_kind("@")
    if reply["state"] == "unknown":
        assert conversation["status"] == "waiting" and conversation["problems"] == ["reply_unknown"], where
    else:
        assert reply["state"] == "sent" and len(said) == 1, where
        assert house.of_kind("M#")[0]["seq"] == conversation["count"] == 1, where
    assert len(house.of_kind("M#")) == 1 and not any(house.depths().values()), where


@pytest.mark.timeout(280)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_reply_to_a_platform_without_idempotency_keys(tmp_path: Path, when: When) -> None:
    story = [hear("wechat_oa", lambda s: s.text("openid1", "请问几点开门?", native_id="7001")), pump]
    deaths(tmp_path, when, story, "wechat_oa", at_most_once_and_never_forgotten)


def filed_once(house: House, undisturbed: dict[str, Any], where: str) -> None:
    import gzip
    import json

    same_as_undisturbed(house, undisturbed, where)
    manifests = [i for i in house.items() if i["pk"].startswith("A#") and i.get("state") == "done"]
    objects = house.archived()
    lines = [json.loads(line) for m in manifests for line in gzip.decompress(objects[m["key"]]).splitlines()]
    ids = sorted(line["message"]["message_id"] for line in lines)
    assert ids == sorted(item["message"]["message_id"] for item in house.of_kind("M#")), where
    assert all(item["archived"] and item["exp"] for item in house.of_kind("M#")), where


@pytest.mark.timeout(280)
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_archive(tmp_path: Path, when: When) -> None:
    story = [
        hear("generic", lambda s: s.batch([s.item(f"u{n % 2}", text=f"谢谢 {n}", native_id=f"m{n}", at=AT) for n in range(2)])),
        pump,
        lambda house: house.invoke("archive", {"now": LATER}),
    ]
    deaths(tmp_path, when, story, "generic", filed_once, unwatched=2)


def packed_whole(house: House, undisturbed: dict[str, Any], where: str) -> None:
    """The pack is there and opens; before that there is none."""
    import io
    import os

    import pyzipper

    from functions.common import aws

    same_as_undisturbed(house, undisturbed, where)
    s3, bucket = aws.client("s3"), os.environ["EXPORT_BUCKET"]
    (found,) = s3.list_objects_v2(Bucket=bucket)["Contents"]
    body = s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
    secret = aws.client("secretsmanager").get_secret_value(SecretId=os.environ["EXPORT_PASSWORD"])["SecretString"]
    with pyzipper.AESZipFile(io.BytesIO(body)) as archive:
        archive.setpassword(secret.encode())
        rows = sum(archive.read(name).count(b"\r\n") - 1 for name in archive.namelist())
    assert rows == len(house.of_kind("M#")) == 2, where


def evening_of_the_pack() -> datetime:
    """The first evening on which a pack is due that holds today's messages."""
    calendar = read_calendars(read_bundle(BUNDLE).sections["calendar"]).house
    evenings = (AT + timedelta(days=ahead) for ahead in range(1, 60))
    return next(evening for evening in evenings if cut(calendar, calendar.zone, due(calendar, calendar.zone, evening)) > AT)


@pytest.mark.timeout(280)
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_pack_of_a_month(tmp_path: Path, when: When) -> None:
    month_end = {"action": "month_end", "now": evening_of_the_pack().isoformat()}
    story = [
        hear("generic", lambda s: s.batch([s.item("u1", text=f"谢谢 {n}", native_id=f"m{n}", at=AT) for n in range(2)])),
        pump,
        lambda house: house.invoke("archive", month_end),
        lambda house: house.invoke("archive", month_end),
    ]
    deaths(tmp_path, when, story, "generic", packed_whole, unwatched=2)


ERRANDS = ("watch", "drill", "backup")


@pytest.mark.timeout(280)
@pytest.mark.parametrize("errand", ERRANDS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_archives_other_errands(tmp_path: Path, when: When, errand: str) -> None:
    near = (datetime.fromisoformat(LATER) - timedelta(days=2)).isoformat()
    story = [
        hear("generic", lambda s: s.text("u1", "谢谢", native_id="m1", at=AT, signed_at=AT)),
        pump,
        lambda house: house.invoke("archive", {"now": (AT + timedelta(days=3)).isoformat()}),
        lambda house: house.invoke("archive", {"action": errand, "now": near}),
    ]

    def nothing_left(house: House, undisturbed: dict[str, Any], where: str) -> None:
        filed_once(house, undisturbed, where)
        assert house.of_kind("@")[0].get("exp"), where
        assert not [item for item in house.items() if item["pk"] in ("A#pending", "A#expiry")], where

    deaths(tmp_path, when, story, "generic", nothing_left, unwatched=3)


def with_a_second_copy(house: House) -> None:
    """From here on parts are copied to another bucket."""
    import os

    from functions.common import aws
    from tests.fakes.house import forget_processes

    aws.client("s3").create_bucket(Bucket="copy")
    os.environ["COPY_BUCKET"] = "copy"  # the house puts the environment back
    forget_processes()


def lines_of(bucket: str) -> dict[str, list[str]]:
    """The messages in each part of a bucket."""
    import gzip
    import json

    from functions.common import aws

    s3 = aws.client("s3")
    found = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, Prefix="dt=").get("Contents", [])]
    bodies = {key: gzip.decompress(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in found}
    return {key: [json.loads(line)["message"]["message_id"] for line in body.splitlines()] for key, body in bodies.items()}


NOTES = ("A#pending", "A#removals", "A#copies", "A#lost", "A#expiry")


@pytest.mark.timeout(280)
def test_a_night_that_cleans_and_copies(tmp_path: Path) -> None:
    """Of a part, the spam goes when it is old enough, and what is left of it is copied. Dying after a call is dying before the next: the
    unit tests of cleaning and copying do both.
    """
    night = (AT + timedelta(days=200)).isoformat()
    story = [
        hear("generic", lambda s: s.batch([
            s.item("u1", text="啊啊啊啊啊啊啊啊啊啊啊", native_id="m1", at=AT), s.item("u2", text="谢谢", native_id="m2", at=AT),
        ])),
        pump,
        lambda house: house.invoke("archive", {"now": (AT + timedelta(days=3)).isoformat()}),
        with_a_second_copy,
        lambda house: house.invoke("archive", {"now": night}),
    ]  # fmt: skip

    def whole(house: House, undisturbed: dict[str, Any], where: str) -> None:
        # What a dead process may still have been writing is looked for once more when it can no longer be.
        house.invoke("archive", {"now": (AT + timedelta(days=201)).isoformat()})
        same_as_undisturbed(house, undisturbed, where)
        archived = lines_of(house.bucket)
        kept = {m["message"]["message_id"] for m in house.of_kind("M#") if m["judgement"].get("spam") is None}
        assert len(kept) == 1 and sorted(i for ids in archived.values() for i in ids) == sorted(kept), where
        assert lines_of("copy") == archived, where
        manifests = [item["key"] for item in house.items() if item["pk"].startswith("A#2")]
        assert sorted(manifests) == sorted(archived), where
        assert not [item for item in house.items() if item["pk"] in NOTES], where

    deaths(tmp_path, "after", story, "generic", whole, unwatched=4)


@pytest.mark.timeout(280)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_watch_that_finds_a_part_lost_halts_expiry_and_goes_on_when_it_is_back(tmp_path: Path, when: When) -> None:
    from functions.archive.bucket import ArchiveBucket
    from functions.common import aws

    near = {"action": "watch", "now": (AT + timedelta(days=29)).isoformat()}
    kept: dict[str, bytes] = {}

    def expiry(house: House) -> str:
        about = aws.client("dynamodb").describe_time_to_live(TableName=house.table)["TimeToLiveDescription"]
        return str(about["TimeToLiveStatus"])

    def lose(house: House) -> None:
        kept.clear()
        kept.update((key, body) for key, body in house.archived().items() if key.startswith("dt="))
        for key in kept:
            ArchiveBucket(aws.client("s3"), house.bucket).remove_for_good(key)

    def bring_back(house: House) -> None:
        assert expiry(house) == "DISABLED" and [i for i in house.items() if i["pk"] == "A#expiry"]
        for key, body in kept.items():
            aws.client("s3").put_object(Bucket=house.bucket, Key=key, Body=body)

    story = [
        hear("generic", lambda s: s.text("u1", "谢谢", native_id="m1", at=AT, signed_at=AT)),
        pump,
        lambda house: house.invoke("archive", {"now": (AT + timedelta(days=3)).isoformat()}),
        lose,
        lambda house: house.invoke("archive", near),
        bring_back,
        lambda house: house.invoke("archive", near),
    ]

    def on_again(house: House, undisturbed: dict[str, Any], where: str) -> None:
        filed_once(house, undisturbed, where)
        assert expiry(house) == "ENABLED", where
        assert not [item for item in house.items() if item["pk"] in NOTES], where

    deaths(tmp_path, when, story, "generic", on_again, unwatched=4)
