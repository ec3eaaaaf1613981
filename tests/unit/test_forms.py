"""Pictures and buttons on every channel: as the platform shows them, in words where it does not, in words after it refused them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from functions.autoreply.delivery import Answer, parcels
from functions.channels import registry
from functions.channels.codecs import markdown_text, plain_form
from functions.channels.contract import HttpResult, NoAnswer, OutgoingReply, PullingAdapter, SendResult, Unreachable, Verified
from functions.common.message import Interactive, Message
from functions.common.origin import unmarked
from infra.simulators.contract import ApiRequest, Webhook
from infra.simulators.registry import simulator_class
from tests.fakes.house import ACCOUNTS
from tests.fakes.signed_webhook import Desk, Leased
from tests.fakes.simulated_platform import NOW

PICTURE = "https://shop.example/map.png"
SAID = Answer(text="请选择", buttons=("退货", "换货"), image_url=PICTURE)
IN_WORDS = "请选择\n1. 退货\n2. 换货"
SETTINGS: dict[str, dict[str, Any]] = {
    "qq": {"keyboard": True},
    "feishu": {"cards": True},
    "generic": {"reply_url": "https://crm.example/replies/demo"},
}
# What reaches the person: (picture, buttons). Alibaba's texts may not even name an address.
SHOWN = {
    "aliyun_sms": (False, False),
    "dingtalk": (True, True),
    "douyin": (False, False),
    "feishu": (False, True),
    "generic": (True, True),
    "instagram": (True, True),
    "line": (True, True),
    "messenger": (True, True),
    "qq": (True, True),
    "slack": (True, True),
    "telegram": (True, True),
    "tencent_sms": (False, False),
    "tiktok_business": (False, True),
    "twilio": (False, False),
    "wechat_oa": (True, True),
    "wecom": (True, True),
    "wecom_kf": (False, True),
    "weibo": (True, False),
    "whatsapp": (True, True),
}
REFUSABLE = sorted(channel for channel, shown in SHOWN.items() if any(shown))


class Heard:
    """A person who wrote, and the channel that is to answer."""

    def __init__(self, channel: str, *, person: str | None = None, **settings: Any) -> None:
        self.credentials_of = ACCOUNTS[channel]["demo"] | SETTINGS.get(channel, {}) | settings
        self.desk = Desk(registry.adapter(channel), self.credentials_of, simulator_class(channel))
        self.simulator: Any = self.desk.simulator()
        self.person = person or self.simulator.person(1)
        self.out = Refusing(self.simulator)
        self.message = self.read(self.simulator.text(self.person, "你好", at=NOW))

    def read(self, webhook: Webhook) -> Message:
        verified = self.desk.verify(webhook)
        assert isinstance(verified, Verified), verified
        result = self.desk.adapter.parse(self.desk.adapter.decode(verified, "demo"))
        if result.pulls:
            puller = cast("PullingAdapter", self.desk.adapter)
            result = puller.pull(result.pulls[0], None, self.desk.credentials(), self.out).result
        assert not result.errors and not result.ignored, result
        (message,) = result.messages
        return message

    def answer(self, said: Answer = SAID, *, doubtful: bool = False) -> list[SendResult]:
        """Send all of it; what reached the person is in the simulator's outbox."""
        adapter, credentials = self.desk.adapter, self.desk.credentials()
        parts = parcels(self.message, said, adapter)
        return [plain_form.send(adapter, part, credentials, self.out, doubtful=doubtful) for part in parts]

    def seen(self) -> list[tuple[str, tuple[str, ...], str | None]]:
        return [(unmarked(each.text), each.buttons, each.image_url) for each in self.simulator.outbox]


class Refusing(Leased):
    """A platform that refuses what is not plain text, or fails at it with `fault`."""

    refuses, fault_at_forms, asked_for_forms = False, None, 0

    def request(self, method: str, url: str, *, headers: Any, body: bytes) -> HttpResult:
        if self.refuses and any(mark in body for mark in MARKS):
            self.asked_for_forms += 1
            if self.fault_at_forms:
                raise self.fault_at_forms
            return HttpResult(200 if self.simulator.channel in BY_CODE else 400, {}, REFUSED)
        return super().request(method, url, headers=headers, body=body)


# By these a form is known: a menu, a keyboard, quick replies, blocks, a card, markdown, a picture.
MARKS = (
    b"msgmenu", b"news", b"template_card", b"keyboard", b"quick_replies", b"quickReply", b'"buttons"', b'"blocks"', b"TEMPLATE",
    b"markdown", b"interactive", b"file_type", b"articles", b"MediaUrl", b'"image_url"', b'"photo"', b'"originalContentUrl"',
    b'"attachment"', b'"type":"image"', b'"type": "image"',
)  # fmt: skip
# Every vendor's way to say a plain no at once: each reads its own and passes over the rest.
REFUSED = (
    b'{"errcode":40058,"code":40002,"error_code":10017,"ok":false,"error":"invalid_blocks","message":"no","description":"no"}'
)
BY_CODE = {"wechat_oa", "wecom", "wecom_kf", "dingtalk", "tiktok_business"}  # whose status is 200 whatever the code is


def expected(channel: str) -> list[tuple[str, tuple[str, ...], str | None]]:
    picture, buttons = SHOWN[channel]
    text = SAID.text if buttons else IN_WORDS
    said = [(text if picture or channel == "aliyun_sms" else f"{text}\n{PICTURE}", SAID.buttons if buttons else (), None)]
    return [*said, ("", (), PICTURE)] if picture else said


def test_every_channel_that_sends_is_looked_at() -> None:
    assert set(SHOWN) == set(registry.names()) - {"email"}
    for channel, (picture, buttons) in SHOWN.items():
        shows = registry.adapter(channel).shows
        assert (shows.image or channel == "twilio", shows.buttons > 0) == (picture or channel == "twilio", buttons), channel


@pytest.mark.parametrize("channel", sorted(SHOWN))
def test_what_a_platform_shows_arrives_shown_and_the_rest_in_words(channel: str) -> None:
    heard = Heard(channel)
    assert [each.outcome for each in heard.answer()] == ["sent"] * len(expected(channel))
    assert heard.seen() == expected(channel)


@pytest.mark.parametrize(
    ("channel", "settings", "person", "seen"),
    [
        ("twilio", {}, "whatsapp:+8613800138000", [(IN_WORDS, (), None), ("", (), PICTURE)]),
        ("twilio", {"mms": True}, None, [(IN_WORDS, (), None), ("", (), PICTURE)]),
        ("qq", {"keyboard": False}, None, [(IN_WORDS, (), None), ("", (), PICTURE)]),
        ("feishu", {"cards": False}, None, [(f"{IN_WORDS}\n{PICTURE}", (), None)]),
    ],
)
def test_what_depends_on_the_account_or_the_person_is_shown_where_it_can_be(
    channel: str, settings: dict[str, Any], person: str | None, seen: list[Any]
) -> None:
    if person:
        settings = {"from": "whatsapp:+15005550006"}
    heard = Heard(channel, person=person, **settings)
    heard.answer()
    assert heard.seen() == seen


@pytest.mark.parametrize("channel", REFUSABLE)
def test_a_form_that_is_refused_goes_out_in_words_and_once(channel: str) -> None:
    heard = Heard(channel)
    heard.out.refuses = True
    results = heard.answer()
    assert {each.outcome for each in results} == {"sent"}, results
    assert all(not buttons and image is None for _, buttons, image in heard.seen())
    said = "\n".join(text for text, _, _ in heard.seen())
    assert all(word in said for word in ("请选择", "退货", "换货", PICTURE)) and said.count(PICTURE) == 1
    assert any("in words after" in str(each.code) for each in results)


@pytest.mark.parametrize("channel", REFUSABLE)
def test_a_form_whose_fate_is_unknown_is_not_said_again_in_words(channel: str) -> None:
    heard = Heard(channel)
    heard.answer(Answer(text="你好"))
    heard.simulator.outbox.clear()
    heard.out.refuses, heard.out.fault_at_forms = True, NoAnswer()  # type: ignore[assignment]
    outcomes = {each.outcome for each in heard.answer()}
    assert outcomes <= {"unknown", "transient", "sent"} and heard.out.asked_for_forms >= 1
    assert all(not buttons and image is None for _, buttons, image in heard.seen())
    assert not any("1. " in text or text == PICTURE for text, buttons, _ in heard.seen() if SHOWN[channel][1])


@pytest.mark.parametrize("channel", REFUSABLE)
def test_after_a_try_that_may_have_arrived_no_other_form_is_tried(channel: str) -> None:
    heard = Heard(channel)
    heard.answer(Answer(text="你好"))
    heard.simulator.outbox.clear()
    heard.out.refuses = True
    results = heard.answer(doubtful=True)
    assert "invalid" in {each.outcome for each in results}
    assert not any("in words" in str(each.code) for each in results)


def test_a_refusal_of_plain_text_is_final_and_asked_once() -> None:
    asked: list[OutgoingReply] = []

    class Adapter:
        def send(self, reply: OutgoingReply, *_: Any) -> SendResult:
            asked.append(reply)
            return SendResult(outcome="invalid", code="7")

    reply = OutgoingReply(message_id="m", native_id=None, contact="c", text="x")
    assert plain_form.send(Adapter(), reply, None, None).code == "7"  # type: ignore[arg-type]
    assert len(asked) == 1
    plain_form.send(Adapter(), replace(reply, buttons=("a",)), None, None)  # type: ignore[arg-type]
    assert [each.buttons for each in asked[1:]] == [("a",), ()]


class TestTaps:
    """A tap on a button comes back and says its title."""

    def test_wecom(self) -> None:
        heard = Heard("wecom")
        heard.answer()
        tapped = heard.read(heard.simulator.tap(heard.person, "退货", task="pr-1", at=NOW))
        assert tapped.interactive == Interactive(type="button", id="pr-1", title="退货", payload="退货")
        assert (tapped.kind, tapped.reply.mode) == ("interactive", "open")

    @pytest.mark.parametrize(("chat", "kind"), [("p2p", "dm"), ("group", "group"), (None, "dm"), (7, "dm")])
    def test_feishu(self, chat: Any, kind: str) -> None:
        heard = Heard("feishu")
        value = {"say": "退货", "chat": chat}
        tapped = heard.read(heard.simulator.tap(heard.person, "om_card", value, event="e-1", at=NOW))
        assert tapped.interactive == Interactive(type="button", title="退货", payload="退货")
        assert (tapped.kind, tapped.conversation_kind, tapped.native_id, tapped.sent_at) == (
            "interactive",
            kind,
            "om_card",
            NOW,
        )
        assert tapped.contact.primary == heard.person and tapped.reply_to is not None
        again, other = (
            heard.read(heard.simulator.tap(heard.person, "om_card", value, event=e, at=NOW)) for e in ("e-1", "e-2")
        )
        assert again.message_id == tapped.message_id != other.message_id
        heard.message = tapped
        assert heard.answer(Answer(text="好的"))[0].outcome == "sent"

    @pytest.mark.parametrize("value", [None, "x", 7, [], {}, {"say": 7}, {"approval": "4711", "decision": "yes"}])
    def test_a_tap_on_a_card_of_another_making_is_no_message(self, value: Any) -> None:
        heard = Heard("feishu")
        read = heard.desk.parse(heard.simulator.tap(heard.person, "om_card", value, at=NOW))
        assert (read.messages, read.errors, [each.kind for each in read.ignored]) == ((), (), ["another_card"])
        (said,) = heard.desk.parse(heard.simulator.tap(heard.person, "om_card", {"say": "x" * 1000}, at=NOW)).messages
        assert said.kind == "interactive"

    def test_a_tap_on_a_card_of_another_use_of_the_application_is_no_message(self) -> None:
        heard = Heard("wecom")
        read = heard.desk.parse(heard.simulator.tap(heard.person, "approve_4711", task="other-system-1", at=NOW))
        assert (read.messages, read.errors, len(read.ignored)) == ((), (), 1)

    def test_tiktok(self) -> None:
        heard = Heard("tiktok_business")
        tapped = heard.read(
            heard.simulator.text(heard.person, "退货", at=NOW, reply_source_payload={"reply_source_unique_id": "退货"})
        )
        assert (tapped.text, tapped.interactive) == ("退货", Interactive(type="button", id="退货", payload="退货"))

    def test_dingtalk_and_qq_have_the_person_say_the_title_so_that_it_comes_as_a_text(self) -> None:
        for channel in ("dingtalk", "qq"):
            heard = Heard(channel)
            heard.answer()
            assert heard.simulator.outbox[0].buttons == SAID.buttons, channel


class TestLimits:
    @pytest.mark.parametrize(
        ("channel", "said"),
        [
            ("wecom", Answer(text="选" * 113, buttons=("好",))),
            ("wecom", Answer(text="x" * 113, buttons=("好",))),
            ("wecom", Answer(text="选", buttons=("一二三四五六七八九十一",))),
            ("tiktok_business", Answer(text="选" * 41, buttons=("好",))),
            ("tiktok_business", Answer(text="选", buttons=("1", "2", "3", "4"))),
            ("dingtalk", Answer(text="价格 *含税*", buttons=("好",))),
            ("dingtalk", Answer(text="1. 先拆开\n2. 再拍照", buttons=("好",))),
            ("dingtalk", Answer(text="好吗", buttons=("a_b",))),
            ("qq", Answer(text="# 标题", buttons=("好",))),
            ("feishu", Answer(text="选" * 2001, buttons=("好",))),
        ],
    )
    def test_what_a_card_would_cut_or_garble_goes_in_words(self, channel: str, said: Answer) -> None:
        heard = Heard(channel)
        assert heard.answer(said)[0].outcome == "sent"
        ((text, buttons, _),) = heard.seen()
        assert buttons == () and text.endswith(plain_form.in_words("", said.buttons))

    def test_in_a_group_dingtalks_buttons_are_words(self) -> None:
        heard = Heard("dingtalk")
        heard.message = heard.read(heard.simulator.in_group(heard.person, "你好", at=NOW))
        heard.answer()
        assert heard.seen() == [(IN_WORDS, (), None), ("", (), PICTURE)]

    def test_a_picture_whose_address_markdown_would_cut_goes_in_words(self) -> None:
        heard = Heard("dingtalk")
        odd = "https://shop.example/a(1).png"
        heard.answer(Answer(text="看", image_url=odd))
        assert heard.seen() == [("看", (), None), (odd, (), None)]

    def test_ten_buttons_are_five_rows_of_two_at_qq_and_arrive_in_order(self) -> None:
        heard = Heard("qq")
        titles = tuple(f"选项{number}" for number in range(10))
        heard.answer(Answer(text="请选择", buttons=titles))
        assert heard.seen() == [("请选择", titles, None)]

    @pytest.mark.parametrize(("text", "plain"), [
        ("您好,请问几点开门?", True), ("a - b", True), ("9:00-18:00", True), ("10.5 元", True), ("第一行\n第二行", True),
        ("a_b", False), ("**x**", False), ("# x", False), ("- x", False), ("x\n- y", False), ("1. x", False), ("[x](y)", False),
        ("<b>", False), ("x\n---", False), ("`x`", False), ("    x", False),
    ])  # fmt: skip
    def test_markdown_is_known_by_what_it_would_read(self, text: str, plain: bool) -> None:
        assert markdown_text.reads_as_itself(text) is plain


class TestQqPictures:
    def test_a_picture_is_fetched_unsent_and_then_sent_under_a_number_of_its_own(self) -> None:
        heard = Heard("qq")
        heard.answer()
        paths = [each.path.rpartition("/")[2] for each in heard.out.asked]
        assert paths == ["getAppAccessToken", "messages", "files", "messages"]

    @pytest.mark.parametrize("fault", [NoAnswer(), Unreachable()])
    def test_a_picture_that_was_perhaps_fetched_was_not_sent(self, fault: Exception) -> None:
        heard = Heard("qq")
        heard.answer(Answer(text="你好"))
        heard.out.fault = fault
        adapter, credentials = heard.desk.adapter, heard.desk.credentials()
        picture = OutgoingReply(
            message_id="m", native_id=heard.message.native_id, contact=heard.person, text="", image_url=PICTURE
        )
        assert adapter.send(picture, credentials, heard.out).outcome == "transient"

    def test_a_fetch_that_the_vendor_calls_done_before_has_sent_nothing(self) -> None:
        heard = Heard("qq")
        heard.answer(Answer(text="你好"))

        class Odd(Refusing):
            def request(self, method: str, url: str, *, headers: Any, body: bytes) -> HttpResult:
                return HttpResult(400, {}, b'{"code":40054005}')

        picture = OutgoingReply(message_id="m", native_id="n", contact=heard.person, text="", image_url=PICTURE)
        result = heard.desk.adapter.send(picture, heard.desk.credentials(), Odd(heard.simulator, token="T"))
        assert result.outcome == "transient"


@pytest.mark.parametrize(
    ("channel", "path", "asked"),
    [
        ("wechat_oa", "/cgi-bin/message/custom/send", b'{"touser":"o","msgtype":"news","news":{"articles":[{"title":"x"}]}}'),
        ("wechat_oa", "/cgi-bin/message/custom/send", b'{"touser":"o","msgtype":"news","news":{"articles":[]}}'),
    ],
)
def test_the_simulators_refuse_a_card_that_is_not_one(channel: str, path: str, asked: bytes) -> None:
    heard = Heard(channel)
    heard.answer(Answer(text="你好"))
    token = heard.out.token or ""
    asked = asked.replace(b'"o"', f'"{heard.person}"'.encode())
    answer = heard.simulator.api(ApiRequest("POST", path, {"access_token": token}, {}, asked))
    assert b"44003" in answer.body
