"""Ids are a pure function of the payload; what is written can be read back as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.channels.codecs.constant_time import same, unix_time
from functions.common import keys
from functions.common.clock import from_iso, from_ms, to_iso, to_ms
from functions.common.errors import MalformedEnvelope
from functions.common.judgement import Firing, Judged, Judgement, Routing, Span
from functions.common.message import Attachment, Contact, ContactId, Location, Message, ReplyWindow, Verification
from functions.common.table import from_item, to_item
from functions.common.wire import Inbound, ReplyTask, dumps, judged_from, plain, read_inbound, read_reply_task

NOW = datetime(2026, 11, 24, 2, 0, 0, 123000, tzinfo=UTC)
MESSAGE = Message(
    message_id=keys.message_id("generic", "demo", "u1", NOW, "m1"),
    channel="generic",
    account="demo",
    contact=Contact(primary="u1", ids=(ContactId(kind="uid", value="u1", scope="demo"),), name="李"),
    kind="mixed",
    text="你好",
    attachments=(Attachment(kind="image", url="https://example.com/a.png", size=3),),
    location=Location(lat=31.23, lon=-121.47),
    received_at=NOW,
    sent_at=NOW,
    reply=ReplyWindow(mode="window", expires_at=NOW, max_replies=5),
    verification=Verification(scheme="s", body_signed=True, timestamped=False),
)
JUDGED = Judged(
    message=MESSAGE,
    judgement=Judgement(
        risk=("money",), scores={"risk.money": 0.5}, firings=(Firing(rule="r", version="1", spans=(Span(start=0, end=2),)),)
    ),
    routing=Routing(team="finance", priority=3, due_at=NOW, hold=("money",), points={"risk": 3}),
    bundle="abc",
    seq=1,
)

texts = st.text(st.characters(codec=None), max_size=20)


def test_a_message_survives_the_queue() -> None:
    assert read_inbound(dumps(Inbound(message=MESSAGE))).message == MESSAGE


def test_a_judged_message_survives_the_reply_queue_and_the_table() -> None:
    assert read_reply_task(dumps(ReplyTask(judged=JUDGED, first_contact=True))).judged == JUDGED
    assert judged_from(from_item(to_item(plain(JUDGED)))) == JUDGED


@pytest.mark.parametrize("body", ["", "{}", "[]", "nonsense", '{"version":1}'])
def test_what_is_no_envelope_is_refused_by_name(body: str) -> None:
    with pytest.raises(MalformedEnvelope):
        read_inbound(body)


def test_an_unknown_version_is_refused_and_a_new_field_is_not() -> None:
    raw = json.loads(dumps(Inbound(message=MESSAGE)))
    with pytest.raises(MalformedEnvelope, match="version"):
        read_inbound(json.dumps(raw | {"version": 2}))
    raw["message"]["from_the_future"] = True
    assert read_inbound(json.dumps(raw)).message == MESSAGE


def test_a_fault_in_an_envelope_never_quotes_the_message() -> None:
    raw = json.loads(dumps(Inbound(message=MESSAGE)))
    raw["message"]["text"] = {"secret": "13800138000"}
    with pytest.raises(MalformedEnvelope) as caught:
        read_inbound(json.dumps(raw))
    assert "13800138000" not in str(caught.value) and "text" in str(caught.value)


@given(texts, texts, texts, texts)
def test_ids_are_pure_and_decodable(channel: str, account: str, contact: str, native: str) -> None:
    first = keys.message_id(channel, account, contact, NOW, native)
    assert first == keys.message_id(channel, account, contact, NOW, native)
    key = keys.split(first)
    assert key.conv == keys.conversation_key(channel, account, contact) and int(key.ts13) == to_ms(NOW)


@given(st.lists(texts, min_size=2, max_size=3), st.lists(texts, min_size=2, max_size=3))
def test_parts_of_a_hash_do_not_run_together(one: list[str], other: list[str]) -> None:
    assert (keys.short_hash(*one, size=10) == keys.short_hash(*other, size=10)) == (one == other)


@pytest.mark.parametrize("text", ["", "x", "C#a", "a" * 16 + ".1." + "b" * 10, "A" * 16 + "." + "0" * 13 + "." + "b" * 10])
def test_what_is_no_message_id_is_refused(text: str) -> None:
    with pytest.raises(keys.NotAMessageId):
        keys.split(text)


def test_a_platform_without_a_time_and_one_with_an_absurd_time_get_usable_keys() -> None:
    assert keys.split(keys.message_id("twilio", "a", "b", None, "c")).ts13 == "0" * 13
    for year in (1, 9999):
        moment = datetime(year, 1, 1, tzinfo=UTC)
        assert keys.split(keys.message_id("generic", "a", "b", moment, "c")).ts13.isdigit()


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_survive_writing_to_the_millisecond_and_sort_as_text(moment: datetime) -> None:
    rounded = replace_microseconds(moment)
    assert from_iso(to_iso(moment)) == rounded
    assert from_ms(to_ms(moment)) == rounded


def replace_microseconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@given(texts, texts)
def test_secrets_of_any_text_can_be_compared(ours: str, theirs: str) -> None:
    assert same(ours, theirs) == (ours == theirs)


@pytest.mark.parametrize("text", ["", "abc", "١٢٣", "-1", "1e9", " 1", "9" * 14, None, "1_0"])
def test_what_is_no_timestamp_is_none(text: str | None) -> None:
    assert unix_time(text) is None


def test_a_default_is_not_written() -> None:
    assert "is_bot" not in dumps(Inbound(message=replace(MESSAGE, attachments=())))
    assert "attachments" not in dumps(Inbound(message=replace(MESSAGE, attachments=())))
