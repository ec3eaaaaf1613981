"""微信客服: what an announcement asks for, what a page says, and what is answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.channels.contract import (
    AccessToken,
    Ignored,
    ItemError,
    NoAnswer,
    OutgoingReply,
    ParseResult,
    PulledPage,
    PullFailed,
    SendResult,
    Unreachable,
)
from functions.channels.wecom_kf import ADAPTER, PAGE
from functions.common import wire
from functions.common.errors import Retryable, Unavailable
from functions.common.message import Attachment, ContactId, Interactive, Link, Location, Message, Referral, ReplyWindow
from functions.common.wire import PullTask
from infra.simulators.contract import ApiAnswer
from infra.simulators.wecom import refusal
from infra.simulators.wecom_kf import DUPLICATE, WecomKfSimulator
from tests.fakes.simulated_platform import NOW, SimulatedPlatform
from tests.fakes.wecom_accounts import CORP, KF, OPEN_KFID, announced, kf_credentials, kf_simulator, parse, signed_by_wechatpy

ANN = "wmAnn-0123456789"
SYNC, SEND, TOKEN = "/cgi-bin/kf/sync_msg", "/cgi-bin/kf/send_msg", "/cgi-bin/gettoken"


class Leased(SimulatedPlatform):
    """A platform whose access token is kept until it is forgotten, and whose clock a test can turn."""

    def __init__(self, simulator: WecomKfSimulator, *, token: str | None = None, fault: Exception | None = None) -> None:
        super().__init__(simulator, fault=fault)
        self.token = token
        self.forgotten: list[str] = []
        self.ahead = timedelta()

    def now(self) -> Any:
        return NOW + self.ahead

    def access_token(self, app: str, fetch: Callable[[], AccessToken]) -> str:
        self.token = self.token or fetch().value
        return self.token

    def forget_token(self, app: str, token: str) -> None:
        self.forgotten.append(token)
        self.token = None

    def said(self, path: str) -> list[dict[str, Any]]:
        return [json.loads(asked.body) for asked in self.asked if asked.path == path]


def answering(*answers: ApiAnswer, token: str | None = "T") -> Leased:
    simulator = kf_simulator()
    simulator.failures.extend(answers)
    return Leased(simulator, token=token)


def listing(*items: Any, **more: Any) -> ApiAnswer:
    return ApiAnswer(body=json.dumps({"errcode": 0, "next_cursor": "c1", "has_more": 0, "msg_list": items} | more).encode())


TASK = PullTask(channel="wecom_kf", account="demo", source=OPEN_KFID, announcement="a1", announced_at=NOW, token="voucher")


def pull(outbound: SimulatedPlatform, task: PullTask = TASK, cursor: str | None = None) -> PulledPage:
    return ADAPTER.pull(task, cursor, kf_credentials(), outbound)


def heard(simulator: WecomKfSimulator, kind: str, content: dict[str, Any], **more: Any) -> Message:
    page = pull(Leased(simulator), announced(simulator.message(ANN, kind, content, **more)))
    assert not page.result.ignored and not page.result.errors, page.result
    return page.result.messages[-1]


# --- announcements --------------------------------------------------------------------------------------------------------------


def test_an_announcement_asks_for_a_pull_and_holds_no_message() -> None:
    task = announced(kf_simulator().text(ANN, "你好"))
    assert (task.channel, task.account, task.source, task.announced_at) == ("wecom_kf", "demo", OPEN_KFID, NOW)
    assert task.token and task.token.startswith("ENC")


def test_two_announcements_of_one_second_are_two() -> None:
    """The fields may be the same in both: the second must be heard, or its message would wait for a third."""
    xml = f"<xml><MsgType>event</MsgType><Event>kf_msg_or_event</Event><Token>T</Token><OpenKfId>{OPEN_KFID}</OpenKfId></xml>"
    first, second = (announced(signed_by_wechatpy(xml)) for _ in range(2))
    assert first.token == second.token and first.announcement != second.announcement


@pytest.mark.parametrize(
    "source", ["", "<OpenKfId></OpenKfId>", "<OpenKfId>a#b</OpenKfId>", f"<OpenKfId>{'w' * 65}</OpenKfId>"]
)
def test_an_announcement_that_names_no_account_is_an_error(source: str) -> None:
    xml = f"<xml><MsgType>event</MsgType><Event>kf_msg_or_event</Event><Token>T</Token>{source}</xml>"
    assert parse(signed_by_wechatpy(xml), "wecom_kf") == ParseResult(errors=(ItemError("missing", "OpenKfId"),))


@pytest.mark.parametrize("xml", ["<MsgType>event</MsgType><Event>kf_account_auth_change</Event>", "<MsgType>text</MsgType>"])
def test_other_callbacks_are_ignored(xml: str) -> None:
    result = parse(signed_by_wechatpy(f"<xml>{xml}</xml>"), "wecom_kf")
    assert len(result.ignored) == 1 and not result.pulls and not result.messages


# --- pages ----------------------------------------------------------------------------------------------------------------------


def test_text_is_read_whole() -> None:
    simulator, sent = kf_simulator(), NOW - timedelta(minutes=3)
    task = announced(simulator.text(ANN, "要发票\n谢谢 😀", native_id="k1", at=sent))
    (message,) = pull(Leased(simulator), replace(task, announced_at=NOW)).result.messages
    assert (message.channel, message.account, message.kind, message.text) == ("wecom_kf", "demo", "text", "要发票\n谢谢 😀")
    assert (message.native_id, message.native_event_id, message.thread_id) == ("k1", task.announcement, OPEN_KFID)
    assert message.contact.primary == ANN
    assert message.contact.ids == (ContactId(kind="external_userid", value=ANN, scope=CORP),)
    assert (message.sent_at, message.time_precision, message.received_at) == (sent, "s", NOW)
    assert (message.reply.mode, message.reply.token, message.reply.max_replies) == ("window", OPEN_KFID, 5)
    assert message.reply.expires_at == sent + timedelta(hours=48)
    assert wire.read_inbound(wire.dumps(wire.Inbound(message=message))).message == message


@pytest.mark.parametrize(("kind", "mime"), [("image", None), ("voice", "audio/amr"), ("video", None), ("file", None)])
def test_media_are_recorded_and_not_fetched(kind: str, mime: str | None) -> None:
    message = heard(kf_simulator(), kind, {"media_id": "media-1"})
    assert (message.kind, message.text) == (kind, None)
    kept = NOW + timedelta(days=3)
    assert message.attachments == (
        Attachment(kind=kind, media_id="media-1", mime=mime, url_expires_at=kept, needs_download=True),
    )


def test_location_link_card_and_mini_program() -> None:
    place = heard(kf_simulator(), "location", {"latitude": 23.1, "longitude": -113.3, "name": "天河区", "address": "中山大道"})
    assert place.location == Location(lat=23.1, lon=-113.3, label="天河区", address="中山大道")
    link = heard(kf_simulator(), "link", {"title": "标题", "desc": "", "url": "https://example.org/", "pic_url": ""})
    assert (link.kind, link.link) == ("link", Link(url="https://example.org/", title="标题"))
    assert heard(kf_simulator(), "business_card", {"userid": "zhangsan"}).kind == "contact"
    program = heard(kf_simulator(), "miniprogram", {"title": "小程序", "appid": "wx1", "pagepath": "pages/index"})
    assert (program.kind, program.raw_kind, program.link) == (
        "unsupported",
        "miniprogram",
        Link(url="pages/index", title="小程序"),
    )


def test_a_tap_on_a_menu_message_is_text_with_its_entry() -> None:
    message = heard(kf_simulator(), "text", {"content": "满意", "menu_id": "101"})
    assert (message.text, message.interactive) == ("满意", Interactive(type="menu", id="101", title="满意"))


def test_an_unknown_type_is_kept_as_unsupported() -> None:
    message = heard(kf_simulator(), "channels_shop_product", {"product_id": "1"})
    assert (message.kind, message.raw_kind) == ("unsupported", "channels_shop_product")
    assert heard(kf_simulator(), "你好 <b>", {}).raw_kind == "unnamed"


def test_events_and_what_our_own_people_wrote_are_ignored_between_messages() -> None:
    simulator = kf_simulator()
    items = [
        simulator.event(ANN, "enter_session", scene="123"),
        simulator.item(ANN, "text", {"content": "一"}),
        simulator.servicer(ANN, "您好"),
        simulator.event(ANN, "msg_send_fail", fail_msgid="x", fail_type=6),
        simulator.item(ANN, "text", {"content": "二"}),
        simulator.item(ANN, "text", {"content": "?"}, origin=9),
    ]
    result = pull(Leased(simulator), announced(simulator.batch(items))).result
    assert [message.text for message in result.messages] == ["一", "二"]
    assert [item.kind for item in result.ignored] == ["enter_session", "servicer", "msg_send_fail", "other_origin"]


def visited(**event: Any) -> ParseResult:
    simulator = kf_simulator()
    return pull(Leased(simulator), announced(simulator.batch([simulator.event(ANN, "enter_session", **event)]))).result


def test_a_visit_whose_way_has_a_name_is_kept_with_it_and_cannot_be_answered() -> None:
    (visit,) = visited(scene="wechat_ad", scene_param="click_id=a&b").messages
    assert visit.referral == Referral(source="link", ref="scene=wechat_ad&scene_param=click_id%3Da%26b")
    assert (visit.contact.primary, visit.thread_id, visit.text) == (ANN, OPEN_KFID, None)
    assert visit.reply == ReplyWindow(mode="none")
    (visit,) = visited(wechat_channels={"shop_nickname": "示例小店", "scene": 4}).messages
    assert visit.referral == Referral(source="share", headline="示例小店", ref="wechat_channels=4")


@pytest.mark.parametrize("event", [{}, {"scene": "123"}, {"scene": "1", "scene_param": ""}, {"wechat_channels": {"scene": 1}}])
def test_any_other_visit_needs_nothing_from_us(event: dict[str, Any]) -> None:
    result = visited(**event)
    assert not result.messages and [item.kind for item in result.ignored] == ["enter_session"]


def test_one_bad_entry_spares_its_siblings_and_names_its_place() -> None:
    simulator = kf_simulator()
    good = simulator.item(ANN, "text", {"content": "一"})
    bad: list[Any] = [
        "no object",
        {},
        {"msgtype": "text"},
        {**good, "text": {"content": 7}},
        {**good, "external_userid": None},
        {**good, "msgid": ""},
        {**good, "origin": "three"},
        {**good, "msgtype": "location", "location": {"latitude": "91", "longitude": 0}},
        {**good, "msgtype": "image", "image": []},
        {**good, "msgtype": "link", "link": {"title": "x"}},
    ]
    result = pull(answering(listing(*bad, good))).result
    assert len(result.errors) == len(bad) and [message.text for message in result.messages] == ["一"]
    assert [error.where for error in result.errors] == [
        "msg_list.0.",
        "msg_list.1.msgtype",
        "msg_list.2.origin",
        "msg_list.3.text.content",
        "msg_list.4.external_userid",
        "msg_list.5.msgid",
        "msg_list.6.origin",
        "msg_list.7.latitude",
        "msg_list.8.media_id",
        "msg_list.9.link.url",
    ]
    assert Ignored("unnamed") in pull(answering(listing({"msgtype": "event", "event": 7}))).result.ignored


@pytest.mark.parametrize("when", [None, 0, -1, "soon", 10**15, 4102444800, 1.5, True])
def test_an_absurd_time_is_no_time_and_the_message_stays(when: Any) -> None:
    item = kf_simulator().item(ANN, "text", {"content": "一"}) | {"send_time": when}
    (message,) = pull(answering(listing(item))).result.messages
    assert (message.sent_at, message.time_precision) == (None, "none")
    assert message.reply.expires_at == NOW + timedelta(hours=48)


def test_a_message_of_a_clock_that_is_fast_opens_no_longer_window() -> None:
    fast = NOW + timedelta(hours=8)
    item = kf_simulator().item(ANN, "text", {"content": "一"}) | {"send_time": int(fast.timestamp())}
    (message,) = pull(answering(listing(item))).result.messages
    assert (message.sent_at, message.reply.expires_at) == (fast, NOW + timedelta(hours=48))


def test_a_redelivery_has_the_same_id_whatever_announced_it() -> None:
    simulator = kf_simulator()
    webhook = simulator.text(ANN, "一", native_id="k1", at=NOW)
    other = simulator.announcement()
    ids = [pull(Leased(simulator), announced(each)).result.messages[0].message_id for each in (webhook, other)]
    assert ids[0] == ids[1]


def test_the_cursor_goes_out_and_the_next_one_comes_back() -> None:
    simulator = kf_simulator()
    simulator.page = 1
    task = announced(simulator.batch([simulator.item(ANN, "text", {"content": text}) for text in "一二"]))
    outbound = Leased(simulator)
    first = pull(outbound, task)
    second = pull(outbound, task, first.next_cursor)
    assert (first.has_more, second.has_more) == (True, False)
    assert [page.result.messages[0].text for page in (first, second)] == ["一", "二"]
    asked = outbound.said(SYNC)
    assert "cursor" not in asked[0] and asked[1]["cursor"] == first.next_cursor
    assert asked[0] == {"open_kfid": OPEN_KFID, "limit": PAGE, "voice_format": 0, "token": task.token}


def test_an_empty_page_may_have_more_behind_it() -> None:
    simulator = kf_simulator()
    simulator.gaps = 1
    page = pull(Leased(simulator), announced(simulator.text(ANN, "一")))
    assert page.has_more and page.next_cursor and page.result == ParseResult()


def test_a_voucher_that_is_too_old_is_left_out() -> None:
    simulator = kf_simulator()
    task, outbound = announced(simulator.text(ANN, "一")), Leased(simulator)
    outbound.ahead = timedelta(minutes=9)
    assert len(pull(outbound, task).result.messages) == 1
    assert "token" not in outbound.said(SYNC)[0] and simulator.without_voucher == 1


def test_a_voucher_that_is_refused_is_left_out_the_second_time() -> None:
    simulator = kf_simulator()
    task = announced(simulator.text(ANN, "一"))
    simulator._vouchers.clear()
    outbound = Leased(simulator)
    assert len(pull(outbound, task).result.messages) == 1
    assert ["token" in asked for asked in outbound.said(SYNC)] == [True, False]


def test_a_stale_access_token_is_forgotten_and_the_page_asked_for_again() -> None:
    simulator = kf_simulator()
    task, outbound = announced(simulator.text(ANN, "一")), Leased(simulator)
    pull(outbound, task)
    simulator.expire_tokens()
    assert len(pull(outbound, task).result.messages) == 1
    assert len(outbound.forgotten) == 1
    assert len([asked for asked in outbound.asked if asked.path == TOKEN]) == 2


@pytest.mark.parametrize(
    "answers",
    [
        (refusal(45009),),
        (refusal(-1),),
        (refusal(95000),),
        (refusal(40014), refusal(40014)),
        (ApiAnswer(502, b"{}"),),
        (ApiAnswer(200, b"garbage"),),
        (listing(msg_list={"a": 1}),),
    ],
)
def test_a_page_that_was_not_given_is_asked_for_again_later(answers: tuple[ApiAnswer, ...]) -> None:
    outbound = answering(*answers)
    outbound.access_token = lambda app, fetch: "T"  # type: ignore[method-assign, assignment]
    with pytest.raises(PullFailed) as failed:
        pull(outbound)
    assert isinstance(failed.value, Retryable) and "voucher" not in str(failed.value)


@pytest.mark.parametrize("fault", [Unreachable(), NoAnswer()])
def test_no_answer_is_passed_on(fault: Exception) -> None:
    with pytest.raises(type(fault)):
        pull(Leased(kf_simulator(), token="T", fault=fault))


def test_a_refused_secret_is_named_without_being_quoted() -> None:
    with pytest.raises(PullFailed, match="token_40001") as failed:
        ADAPTER.pull(TASK, None, kf_credentials(corp_secret="wrong"), Leased(kf_simulator()))
    assert "wrong" not in str(failed.value)


JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
OPTIONAL = ("msgid", "external_userid", "send_time", "text", "image", "location", "link", "event", "open_kfid")
KINDS = st.sampled_from(["text", "image", "voice", "location", "link", "business_card", "miniprogram", "event", "x"])


@given(
    items=st.lists(
        st.one_of(
            JSON_VALUES,
            st.fixed_dictionaries(
                {"msgtype": st.one_of(KINDS, JSON_VALUES)},
                optional=dict.fromkeys(OPTIONAL, JSON_VALUES) | {"origin": st.one_of(st.just(3), JSON_VALUES)},
            ),
        ),
        max_size=4,
    )
)
def test_every_entry_of_an_absurd_page_is_counted_once(items: list[Any]) -> None:
    result = pull(answering(listing(*items))).result
    assert len(result.messages) + len(result.ignored) + len(result.errors) == len(items)
    for message in result.messages:
        assert wire.read_inbound(wire.dumps(wire.Inbound(message=message)))


@given(body=st.one_of(st.binary(max_size=100), JSON_VALUES.map(lambda value: json.dumps(value).encode())))
def test_an_arbitrary_answer_is_a_page_or_a_failure(body: bytes) -> None:
    try:
        page = pull(answering(ApiAnswer(200, body), ApiAnswer(200, body)))
    except PullFailed:
        return
    assert page.result == ParseResult()


# --- answers --------------------------------------------------------------------------------------------------------------------


def reply(text: str = "您好", **changed: Any) -> OutgoingReply:
    known = {"message_id": "m1", "native_id": "1", "contact": ANN, "text": text, "token": OPEN_KFID}
    return OutgoingReply(**(known | changed))


def send(outbound: SimulatedPlatform, text: str = "您好", *, duplicate: int | None = None, **changed: Any) -> SendResult:
    return ADAPTER.send(reply(text, **changed), kf_credentials(duplicate_errcode=duplicate), outbound)


def test_a_reply_reaches_the_customer_from_the_account_that_was_written_to() -> None:
    simulator = kf_simulator()
    simulator.text(ANN, "hello")
    outbound = Leased(simulator)
    result = send(outbound, '您好😀\n"发票" \\u4f60\x00')
    assert result.outcome == "sent" and result.provider_id
    (delivered,) = simulator.outbox
    assert (delivered.contact, delivered.text) == (ANN, '您好😀\n"发票" \\u4f60')
    (asked,) = outbound.said(SEND)
    assert asked["open_kfid"] == OPEN_KFID
    assert 0 < len(asked["msgid"]) <= 32 and asked["msgid"].isalnum()


def test_the_same_reply_has_the_same_idempotency_key_and_another_has_not() -> None:
    simulator = kf_simulator()
    simulator.text(ANN, "hello")
    outbound = Leased(simulator)
    outcomes = [send(outbound, message_id=each, duplicate=DUPLICATE).outcome for each in ("m1", "m1", "m2")]
    assert outcomes == ["sent", "duplicate", "sent"] and len(simulator.outbox) == 2


def test_where_the_code_of_a_duplicate_is_not_known_it_is_no_success() -> None:
    simulator = kf_simulator()
    simulator.text(ANN, "hello")
    outbound = Leased(simulator)
    assert [send(outbound).outcome for _ in range(2)] == ["sent", "invalid"] and len(simulator.outbox) == 1


@pytest.mark.parametrize(
    ("errcode", "outcome"),
    [
        (0, "sent"),
        (-1, "transient"),
        (40014, "auth_expired"),
        (42001, "auth_expired"),
        (45009, "rate_limited"),
        (45033, "rate_limited"),
        (95001, "window_closed"),
        (95013, "window_closed"),
        (95018, "window_closed"),
        (95000, "invalid"),
        (40096, "invalid"),
        (60020, "invalid"),
    ],
)
def test_each_code_of_the_vendor_has_its_outcome(errcode: int, outcome: str) -> None:
    outbound = answering(refusal(errcode))
    result = send(outbound)
    assert (result.outcome, result.code) == (outcome, str(errcode))
    assert (result.retry_after is not None) == (outcome == "rate_limited")
    assert outbound.forgotten == (["T"] if outcome == "auth_expired" else [])


def test_the_vendors_quota_and_windows_are_told() -> None:
    simulator = kf_simulator()
    simulator.text(ANN, "hello")
    outbound = Leased(simulator)
    assert [send(outbound, message_id=str(n)).outcome for n in range(6)] == ["sent"] * 5 + ["window_closed"]
    simulator.text(ANN, "again")
    assert send(outbound, message_id="7").outcome == "sent"
    simulator.take_over(ANN)
    assert send(outbound, message_id="8") == SendResult(outcome="window_closed", code="95018")
    assert send(outbound, not_after=NOW - timedelta(seconds=1)) == SendResult(outcome="window_closed", code="too_late")


def test_a_reply_without_an_account_or_too_long_is_not_asked_for() -> None:
    outbound = answering(refusal(0))
    assert send(outbound, token=None) == SendResult(outcome="invalid", code="no_open_kfid")
    assert send(outbound, "字" * 683) == SendResult(outcome="invalid", code="too_long")
    assert not outbound.asked
    assert send(outbound, "字" * 682).outcome == "sent"
    assert (ADAPTER.max_text, ADAPTER.max_text_unit) == (2048, "bytes")


@pytest.mark.parametrize(("fault", "outcome"), [(Unreachable(), "transient"), (NoAnswer(), "unknown")])
def test_whether_the_request_left_decides_between_again_and_unknown(fault: Exception, outcome: str) -> None:
    assert send(Leased(kf_simulator(), token="T", fault=fault)).outcome == outcome


@pytest.mark.parametrize("fault", [Unreachable(), NoAnswer(), Unavailable("the lease")])
def test_without_a_token_nothing_was_sent(fault: Exception) -> None:
    assert send(Leased(kf_simulator(), fault=fault)) == SendResult(outcome="transient", code="no_token")


def test_nothing_of_the_credentials_or_the_token_is_in_a_result() -> None:
    for outbound in (
        answering(refusal(40001), token=None),
        answering(ApiAnswer(500)),
        Leased(kf_simulator(), fault=NoAnswer()),
    ):
        assert KF["corp_secret"] not in repr(send(outbound)) and OPEN_KFID not in repr(reply())


def test_sends_may_be_repeated_by_idempotency_key() -> None:
    assert ADAPTER.idempotent_send is True
