from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.channels.contract import (
    Ignored,
    ItemError,
    ParseResult,
    Payload,
    RawRequest,
    Verified,
)
from functions.channels.wechat_oa import ADAPTER
from functions.common import wire
from functions.common.errors import MalformedPayload
from functions.common.message import Attachment, ContactId, Interactive, Link, Location
from tests.fakes.simulated_platform import NOW
from tests.fakes.wechat_oa_account import (
    ANN,
    APP_ID,
    MODES,
    TEXT,
    TIMESTAMP,
    credentials,
    only,
    parse,
    signed_by_wechatpy,
    simulator,
    verify,
)

# --- messages -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_text_is_read_whole(mode: str) -> None:
    sent = NOW - timedelta(seconds=30)
    message = only(parse(simulator(mode).text(ANN, "要发票\n谢谢 ]]> 😀", native_id="245367249214740121", at=sent), mode))
    assert (message.channel, message.account, message.kind) == ("wechat_oa", "demo", "text")
    assert message.text == "要发票\n谢谢 ]]> 😀"
    assert message.native_id == "245367249214740121"
    assert message.contact.primary == ANN
    assert message.contact.ids == (ContactId(kind="openid", value=ANN, scope=APP_ID),)
    assert (message.sent_at, message.time_precision, message.received_at) == (sent, "s", NOW)
    assert message.reply.mode == "window"
    assert (message.reply.expires_at, message.reply.max_replies) == (sent + timedelta(hours=48), 5)
    assert wire.read_inbound(wire.dumps(wire.Inbound(message=message))).message == message


KEPT = NOW + timedelta(days=3)


def test_image() -> None:
    message = only(parse(simulator().image(ANN, "media-1", pic_url="http://mmbiz.qpic.cn/1")))
    attachment = Attachment(
        kind="image", media_id="media-1", url="http://mmbiz.qpic.cn/1", url_expires_at=KEPT, needs_download=True
    )
    assert (message.kind, message.text, message.attachments) == ("image", None, (attachment,))


def test_voice_carries_what_was_recognised() -> None:
    message = only(parse(simulator().voice(ANN, "media-2", recognition="我要投诉")))
    attachment = Attachment(
        kind="voice", media_id="media-2", mime="audio/amr", transcript="我要投诉", url_expires_at=KEPT, needs_download=True
    )
    assert (message.kind, message.attachments) == ("voice", (attachment,))
    silent = only(parse(simulator().voice(ANN, "media-2")))
    assert silent.attachments[0].transcript is None


@pytest.mark.parametrize("kind", ["video", "shortvideo"])
def test_video(kind: str) -> None:
    message = only(parse(simulator().message(ANN, kind, {"MediaId": "media-3", "ThumbMediaId": "thumb"})))
    assert message.kind == "video"
    assert message.attachments == (Attachment(kind="video", media_id="media-3", url_expires_at=KEPT, needs_download=True),)


def test_location() -> None:
    message = only(parse(simulator().location(ANN, 23.134521, -113.358803, "天河区")))
    assert (message.kind, message.location) == ("location", Location(lat=23.134521, lon=-113.358803, label="天河区"))


def test_link() -> None:
    message = only(parse(simulator().link(ANN, "https://example.org/?a=1&b=2", "标题")))
    assert (message.kind, message.link) == ("link", Link(url="https://example.org/?a=1&b=2", title="标题"))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("years", [-1, 1, 3000])
def test_a_time_that_cannot_be_true_opens_no_window_of_years(mode: str, years: int) -> None:
    message = only(parse(simulator(mode).message(ANN, "image", {"MediaId": "m", "CreateTime": _in(years)}), mode))
    assert (message.sent_at, message.time_precision) == (None, "none")
    assert message.reply.expires_at == NOW + timedelta(hours=48)
    assert message.attachments[0].url_expires_at == KEPT


def test_a_clock_that_is_ahead_does_not_stretch_the_window() -> None:
    sent = NOW + timedelta(hours=3)
    message = only(parse(simulator().message(ANN, "text", {"Content": "x", "CreateTime": str(int(sent.timestamp()))})))
    assert (message.sent_at, message.reply.expires_at) == (sent, NOW + timedelta(hours=48))


def _in(years: int) -> str:
    return str(int(TIMESTAMP) + years * 365 * 86400)


def test_a_tap_on_the_menu_is_a_message_with_a_short_window() -> None:
    message = only(parse(simulator().menu_click(ANN, "SERVICE_HOURS")))
    assert (message.kind, message.text, message.native_id) == ("interactive", None, None)
    assert message.interactive == Interactive(type="menu", payload="SERVICE_HOURS")
    assert (message.reply.expires_at, message.reply.max_replies) == (NOW + timedelta(minutes=1), 3)


def test_a_tap_on_a_menu_message_is_text_with_a_short_window() -> None:
    message = only(parse(simulator().message(ANN, "text", {"Content": "满意", "bizmsgmenuid": "101"})))
    assert (message.kind, message.text) == ("text", "满意")
    assert message.interactive == Interactive(type="menu", id="101", title="满意")
    assert message.reply.max_replies == 3


def test_an_unknown_type_is_kept_as_unsupported() -> None:
    message = only(parse(simulator().message(ANN, "miniprogrampage", {"Title": "x"})))
    assert (message.kind, message.raw_kind, message.text) == ("unsupported", "miniprogrampage", None)
    assert only(parse(simulator().message(ANN, "你好 <b>", {}))).raw_kind == "unnamed"


def test_what_wechat_does_not_forward_is_unsupported_and_no_text() -> None:
    message = only(parse(simulator().text(ANN, "【收到不支持的消息类型，暂无法显示】")))
    assert (message.kind, message.raw_kind, message.text) == ("unsupported", "text", None)


@pytest.mark.parametrize("event", ["subscribe", "unsubscribe", "SCAN", "LOCATION", "VIEW", "TEMPLATESENDJOBFINISH"])
def test_other_events_are_ignored_by_name(event: str) -> None:
    assert parse(simulator().event(ANN, event, key="k")) == ParseResult(ignored=(Ignored(event),))


def test_an_event_whose_name_must_not_stand_in_a_log_is_ignored_without_it() -> None:
    assert parse(simulator().event(ANN, "13800138000\n我")) == ParseResult(ignored=(Ignored("unnamed"),))


@pytest.mark.parametrize(
    ("xml", "reason", "where"),
    [
        ("<MsgType>text</MsgType><Content>x</Content>", "missing", "FromUserName"),
        ("<FromUserName>a</FromUserName><CreateTime>1</CreateTime><Content>x</Content><MsgId>1</MsgId>", "missing", "MsgType"),
        (
            "<FromUserName>a</FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType><MsgId>1</MsgId>",
            "missing",
            "Content",
        ),
        ("<FromUserName>a</FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType><Content/>", "missing", "MsgId"),
        ("<FromUserName>a</FromUserName><CreateTime>-1</CreateTime><MsgType>x</MsgType>", "not a time", "CreateTime"),
        ("<FromUserName>a</FromUserName><CreateTime>1e9</CreateTime><MsgType>x</MsgType>", "not a time", "CreateTime"),
        ("<MsgType>image</MsgType><PicUrl>x</PicUrl>", "missing", "MediaId"),
        ("<MsgType>link</MsgType><Title>x</Title>", "missing", "Url"),
        ("<MsgType>location</MsgType><Location_X>91</Location_X><Location_Y>1</Location_Y>", "not degrees", "Location_X"),
        ("<MsgType>location</MsgType><Location_X>nan</Location_X><Location_Y>1</Location_Y>", "not degrees", "Location_X"),
        ("<MsgType>location</MsgType><Location_X>1</Location_X><Location_Y>-181</Location_Y>", "not degrees", "Location_Y"),
        (f"<MsgType>text</MsgType><Content>x</Content><FromUserName>{'a' * 257}</FromUserName>", "too long", "FromUserName"),
    ],
)
def test_a_message_that_cannot_be_read_is_an_error_that_names_the_field(xml: str, reason: str, where: str) -> None:
    assert parse(signed_by_wechatpy(f"<xml>{xml}</xml>", "safe")) == ParseResult(errors=(ItemError(reason, where),))


@pytest.mark.parametrize(
    "body", ['{"MsgType": "text"}', "<!DOCTYPE xml><xml/>", '<!DOCTYPE x [<!ENTITY a "b">]><xml><a>&a;</a></xml>']
)
@pytest.mark.parametrize("mode", MODES)
def test_a_signed_body_of_another_format_is_malformed(body: str, mode: str) -> None:
    verified = verify(signed_by_wechatpy(body, mode), mode)
    assert isinstance(verified, Verified)
    with pytest.raises(MalformedPayload):
        ADAPTER.decode(verified, "demo")


def test_the_platform_hears_success() -> None:
    verified = verify(simulator().text(ANN, "hello"))
    assert isinstance(verified, Verified)
    payload = ADAPTER.decode(verified, "demo")
    answer = ADAPTER.acknowledge(payload, ADAPTER.parse(payload))
    assert (answer.status, answer.body, answer.content_type) == (200, "success", "text/plain; charset=utf-8")


# --- identity -------------------------------------------------------------------------------------------------------------------


def test_a_redelivery_has_the_same_id_and_another_message_has_not() -> None:
    sim = simulator()
    first = only(parse(sim.text(ANN, "a", native_id="1", at=NOW)))
    again = only(parse(sim.text(ANN, "a", native_id="1", at=NOW)))
    other = only(parse(sim.text(ANN, "a", native_id="2", at=NOW)))
    assert first.message_id == again.message_id != other.message_id


def test_taps_are_told_apart_by_person_time_event_and_key() -> None:
    sim = simulator()
    later = NOW + timedelta(seconds=1)
    taps = [(ANN, "A", NOW), (ANN, "B", NOW), (ANN, "A", later), ("oBob", "A", NOW)]
    ids = [only(parse(sim.menu_click(who, key, at=at))).message_id for who, key, at in taps]
    assert len(set(ids)) == 4
    assert only(parse(sim.menu_click(ANN, "A", at=NOW))).message_id == ids[0]


def test_the_mode_does_not_change_the_id() -> None:
    assert len({only(parse(signed_by_wechatpy(TEXT, mode), mode)).message_id for mode in MODES}) == 1


# --- arbitrary bytes ------------------------------------------------------------------------------------------------------------


FIELD_NAMES = st.sampled_from(
    [
        "MsgType",
        "Event",
        "EventKey",
        "FromUserName",
        "CreateTime",
        "MsgId",
        "Content",
        "MediaId",
        "Location_X",
        "Location_Y",
        "Url",
        "x",
    ]
)
WORDS = st.sampled_from(["text", "image", "voice", "video", "location", "link", "event", "CLICK", TIMESTAMP, "9" * 14, "1.5"])


@given(st.binary(max_size=200))
def test_decoding_and_parsing_arbitrary_bytes_raises_nothing_but_malformed(body: bytes) -> None:
    for mode in MODES:
        verified = Verified(RawRequest("POST", "/", (), "", {}, body, "", NOW), credentials(mode), _verification())
        with suppress(MalformedPayload):
            ADAPTER.parse(ADAPTER.decode(verified, "demo"))


@given(st.dictionaries(FIELD_NAMES, st.one_of(WORDS, st.text())))
def test_parsing_accounts_for_every_webhook_once(fields: dict[str, str]) -> None:
    request = RawRequest("POST", "/", (), "", {}, b"", "", NOW)
    result = ADAPTER.parse(Payload(Verified(request, credentials(), _verification()), "demo", fields))
    assert len(result.messages) + len(result.ignored) + len(result.errors) == 1
    for message in result.messages:
        assert wire.read_inbound(wire.dumps(wire.Inbound(message=message)))


def _verification() -> Any:
    verified = verify(simulator().text(ANN, "hello"))
    assert isinstance(verified, Verified)
    return verified.verification
