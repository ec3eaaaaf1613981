"""Messages in a platform's own JSON, found by paths; the console's call and the answer, by configuration."""

from __future__ import annotations

import contextlib
import hmac
import json
from collections.abc import Mapping
from datetime import timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.channels.contract import ParseResult, Payload, RawRequest, Verified
from functions.channels.generic import ADAPTER, GenericCredentials
from functions.common.errors import MalformedPayload
from functions.common.identity import vouched_ids
from functions.common.message import Attachment, ContactId, Message, ReplyTo
from functions.common.wire import Inbound, dumps, read_inbound
from infra.simulators.custom import enveloped
from infra.simulators.generic import GenericSimulator
from tests.fakes.house import ACCOUNTS
from tests.fakes.simulated_platform import NOW

WHEN = NOW.replace(microsecond=123_000) - timedelta(hours=1)
MILLISECONDS = int(WHEN.timestamp()) * 1000 + 123
BEIJING = timezone(timedelta(hours=8))
KEY = "a-key-of-sixteen-bytes-or-more"
FLAT = {"id": "mid", "contact": "who", "text": "words", "sent_at": "at"}
RICH = FLAT | {
    "name": "from.nick", "locale": "from.lang", "kind": "form", "kinds": {"picture": "image"}, "media_url": "file.0.href",
    "reply_to": "quote", "sent_at_unit": "ms",
}  # fmt: skip


def payload(body: Any, fields: Mapping[str, Any] | None, **more: Any) -> Payload:
    """The body as a signed webhook, verified and decoded."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    account = {"signature": {"scheme": "hmac", "header": "X-Sig", "key": KEY}, "fields": fields, **more}
    headers = {"x-sig": hmac.digest(KEY.encode(), raw, "sha256").hex()}
    request = RawRequest("POST", "/webhooks/generic/x", (), "", headers, raw, "192.0.2.1", NOW)
    verified = ADAPTER.verify(request, GenericCredentials.model_validate(account), NOW)
    assert isinstance(verified, Verified), verified
    return ADAPTER.decode(verified, "x")


def parse(body: Any, fields: Mapping[str, Any]) -> ParseResult:
    return ADAPTER.parse(payload(body, fields))


def message(body: Any, fields: Mapping[str, Any]) -> Message:
    result = parse(body, fields)
    assert (len(result.messages), result.errors, result.ignored) == (1, (), ()), result
    return result.messages[0]


def test_everything_that_a_path_leads_to_is_kept():
    said = message(
        {
            "mid": 2**53 + 1, "who": 42, "words": "坏了", "at": MILLISECONDS, "from": {"nick": "王芳", "lang": "zh"}, "form": "picture",
            "file": [{"href": "https://cdn.example/1.jpg"}], "quote": 7,
        },
        RICH,
    )  # fmt: skip
    assert (said.native_id, said.contact.primary, said.text, said.kind) == (str(2**53 + 1), "42", "坏了", "image")
    assert (said.contact.name, said.contact.locale, said.reply_to) == ("王芳", "zh", ReplyTo(native_id="7"))
    assert said.attachments == (Attachment(kind="image", url="https://cdn.example/1.jpg"),)
    assert said.sent_at == WHEN


def test_a_kind_that_nobody_named_is_unsupported_with_its_name():
    said = message({"mid": "1", "who": "u", "form": "全息图"}, RICH)
    assert (said.kind, said.raw_kind) == ("unsupported", "全息图")


def test_a_list_anywhere_and_what_the_body_says_once_for_all():
    fields = {"messages": "entry.*.rows", "id": "id", "contact": "$.sender.id", "text": "t.0|t"}
    body = {
        "sender": {"id": "u9"},
        "entry": [{"rows": [{"id": 1, "t": ["a"]}, {"id": 2, "t": "b"}]}, {"rows": [{"id": 3}]}, {}],
    }
    result = parse(body, fields)
    assert [(m.native_id, m.contact.primary, m.text) for m in result.messages] == [
        ("1", "u9", "a"),
        ("2", "u9", "b"),
        ("3", "u9", None),
    ]


@pytest.mark.parametrize("body", [{}, {"entry": {}}, {"entry": [{"rows": 1}]}, {"entry": [1, None, "x"]}])
def test_a_body_without_the_list_is_one_error(body):
    result = parse(body, {"messages": "entry.*.rows", "contact": "id"})
    assert [(e.reason, e.where) for e in result.errors] == [("not a list", "messages")]


def test_an_empty_list_is_no_error():
    assert parse({"rows": []}, {"messages": "rows", "contact": "id"}) == ParseResult()


def test_what_is_no_message_is_ignored_by_name_and_a_bad_item_spares_its_siblings():
    fields = FLAT | {"messages": "rows", "only": {"ev": ["message"], "echo": ["false"]}}
    good = {"ev": "message", "echo": False, "mid": "1", "who": "u", "words": "hi"}
    rows = [
        good,
        good | {"echo": True},
        {"ev": "read", "mid": 2},
        good | {"who": None},
        "nonsense",
        good | {"words": ["x"]},
        good | {"mid": "9"},
    ]
    result = parse({"rows": rows}, fields)
    assert [m.native_id for m in result.messages] == ["1", "9"]
    assert [(i.kind, i.native_id) for i in result.ignored] == [("true", "1"), ("read", "2"), ("unnamed", None)]
    assert [e.where for e in result.errors] == ["messages.3.contact.id", "messages.5.text"]


@pytest.mark.parametrize(
    ("unit", "value", "expected"),
    [
        ("s", MILLISECONDS // 1000, WHEN.replace(microsecond=0)),
        ("s", f"{MILLISECONDS // 1000}.123", WHEN),
        ("ms", str(MILLISECONDS), WHEN),
        ("iso", WHEN.isoformat(), WHEN),
        ("iso", WHEN.astimezone(BEIJING).replace(tzinfo=None).isoformat(" "), WHEN),
        *((unit, value, None) for unit in ("s", "ms", "iso") for value in (None, True, "", "x", [], -1, 10**30, 1e300, "²", "9" * 500)),
        ("s", MILLISECONDS, None),
        ("iso", "0001-01-01T00:00:00+14:00", None),
    ],
)  # fmt: skip
def test_a_time_in_any_unit_or_none_that_can_be_true(unit, value, expected):
    fields = FLAT | {"sent_at_unit": unit, "utc_offset_hours": 8}
    assert message({"mid": "1", "who": "u", "words": "x", "at": value}, fields).sent_at == expected


def test_without_an_id_the_same_message_has_the_same_id_and_another_has_another():
    fields = {name: path for name, path in FLAT.items() if name != "id"}
    one = {"who": "u", "words": "x", "at": 1763798400}
    ids = [message(body, fields).message_id for body in (one, dict(one), one | {"words": "y"}, one | {"at": 1763798401})]
    assert ids[0] == ids[1] and len(set(ids)) == 3


def test_a_text_beyond_the_limit_is_cut_and_lone_surrogates_are_replaced():
    assert len(message({"mid": "1", "who": "u", "words": "长" * 30_000}, FLAT).text or "") == 20_000
    assert message(b'{"mid":"1","who":"u","words":"a\\ud800b"}', FLAT).text == "a\ufffdb"


@pytest.mark.parametrize(
    "change",
    [{"contact": ""}, {"contact": "a..b"}, {"contact": "a.*"}, {"contact": "$"}, {"messages": "a|b"}, {"sent_at_unit": "h"},
     {"kinds": {"x": "hologram"}}, {"only": {"": ["x"]}}, {"utc_offset_hours": 99}, {"txt": "a"}, {"contact": ".".join("a" * 11)}],
)  # fmt: skip
def test_paths_that_are_none_cannot_be_configured(change):
    with pytest.raises(ValidationError):
        GenericCredentials.model_validate({"secret": "whsec_" + "A" * 32, "fields": FLAT | change})


def test_our_own_format_can_be_signed_in_another_way_and_another_format_by_standard_webhooks():
    body = {"id": "m", "contact": {"id": "u"}, "text": "hi"}
    assert ADAPTER.parse(payload(body, None)).messages[0].text == "hi"
    account = {"secret": "whsec_" + "A" * 32, "fields": FLAT}
    simulator = GenericSimulator("x", account, now=lambda: NOW)
    webhook = simulator.text("u", "hi", native_id="m")
    request = RawRequest("POST", "/webhooks/generic/x", (), "", webhook.headers, webhook.body, "192.0.2.1", NOW)
    verified = ADAPTER.verify(request, GenericCredentials.model_validate(account), NOW)
    assert isinstance(verified, Verified)
    assert json.loads(webhook.body)["words"] == "hi" and ADAPTER.parse(ADAPTER.decode(verified, "x")).messages[0].text == "hi"


def test_the_simulated_platform_writes_what_the_account_describes():
    account = ACCOUNTS["generic"]["custom"]
    item = {"id": "m", "contact": {"id": "u", "name": "王芳"}, "text": "hi", "sent_at": NOW.isoformat()}
    written = enveloped(account["fields"], [item])
    assert written is not None
    (row,) = written["events"][0]["messages"]
    assert row["message"] == {"mid": "m", "words": "hi", "form": "plain"} and row["from"] == {"uid": "u", "nick": "王芳"}


# --- What the platform hears


@pytest.mark.parametrize(
    ("handshake", "body", "answer"),
    [
        ({"when": {"type": "1"}, "answer": '{"type":1}'}, {"type": 1}, '{"type":1}'),
        ({"when": {"type": "check"}, "echo": "challenge"}, {"type": "check", "challenge": "abc"}, '{"challenge": "abc"}'),
        (
            {"when": {"type": "check"}, "echo": "d.challenge"},
            {"type": "check", "d": {"challenge": 12345}},
            '{"challenge": 12345}',
        ),
        ({"when": {"type": "check"}, "echo": "challenge"}, {"type": "check", "challenge": "x" * 300}, None),
        ({"when": {"type": "check"}, "echo": "challenge"}, {"type": "check", "challenge": {}}, None),
        ({"when": {"type": "check", "v": "2"}, "echo": "challenge"}, {"type": "check", "challenge": "abc"}, None),
    ],
)
def test_the_consoles_call_is_answered_in_its_own_type_and_bounded(handshake, body, answer):
    said = ADAPTER.handshake(payload(body, FLAT, handshake=handshake))
    assert (said and said.body) == answer
    assert said is None or said.content_type == "application/json"


@pytest.mark.parametrize("handshake", [{"when": {}}, {"when": {"a": "b"}}, {"when": {"a": "b"}, "answer": "x", "echo": "y"}])
def test_a_handshake_with_no_answer_or_two_cannot_be_configured(handshake):
    with pytest.raises(ValidationError):
        GenericCredentials.model_validate({"secret": "whsec_" + "A" * 32, "handshake": handshake})


def test_the_answer_is_what_the_account_says():
    given = payload(
        {"mid": "1", "who": "u"}, FLAT, answer={"status": 200, "body": "ok", "content_type": "text/plain; charset=utf-8"}
    )
    answer = ADAPTER.acknowledge(given, ADAPTER.parse(given))
    assert (answer.status, answer.body, answer.content_type) == (200, "ok", "text/plain; charset=utf-8")


# --- Hostile input

names = st.sampled_from(["mid", "who", "words", "at", "from", "file", "0"])
odd = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6)
    | st.sampled_from(["\ud800", "message", "0", "1763798400", "x" * 3000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(rows=st.lists(odd, max_size=4), fields=st.sampled_from([FLAT, RICH, {"contact": "who"}]))
def test_every_item_is_one_outcome_that_the_queue_can_hold(rows, fields):
    result = parse({"rows": rows}, fields | {"messages": "rows"})
    assert len(result.messages) + len(result.ignored) + len(result.errors) == len(rows)
    for said in result.messages:
        assert read_inbound(dumps(Inbound(message=said))).message.message_id == said.message_id


@settings(deadline=None, max_examples=100)
@given(body=odd.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=100))
def test_whatever_is_rightly_signed_is_read_or_malformed(body):
    with contextlib.suppress(MalformedPayload):
        ADAPTER.parse(payload(body, RICH | {"messages": "from.*.file"}))


@pytest.mark.parametrize("depth", [400, 1000, 100_000])
def test_depth_is_read_or_malformed(depth):
    try:
        result = parse(
            b'{"who":"u","words":' + b"[" * depth + b"]" * depth + b"}", {"contact": "who", "text": "words", "id": "words"}
        )
    except MalformedPayload:
        return
    assert len(result.errors) == 1


@pytest.mark.parametrize("fields", [{**FLAT, "unionid": "union"}, None], ids=["by a path", "in our own format"])
def test_an_id_within_an_open_platform_has_the_scope_that_the_account_names(fields):
    ours = {"id": "m1", "contact": {"id": "u1", "unionid": "oU1"}, "text": "hi"}
    body = {"mid": "m1", "who": "u1", "words": "hi", "union": "oU1"} if fields else ours
    for named in ("ours", ""):
        (said,) = ADAPTER.parse(payload(body, fields, open_platform=named)).messages
        assert said.contact.ids[1:] == (ContactId(kind="unionid", value="oU1", scope=named),)
        assert len(vouched_ids(said)) == bool(named), "without a scope nobody vouches for it"
