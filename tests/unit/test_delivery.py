"""A reply as the platform takes it: in parts, with what the platform shows and the rest in words; and what becomes of half a reply."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from functions.autoreply.decision import decide
from functions.autoreply.delivery import Answer, parcels
from functions.autoreply.desk import ReplyPostponed
from functions.autoreply.outgoing import Outgoing
from functions.autoreply.reasons import Reason
from functions.autoreply.service import answer
from functions.autoreply.templates import Template
from functions.channels import registry
from functions.channels.codecs import plain_form, text_parts
from functions.channels.contract import HttpResult, NoAnswer, SendResult, Shows
from functions.common.ledger import entry, ledger, reserved
from functions.common.message import ReplyWindow
from functions.common.origin import MARK
from tests.fakes.reply_desk import OPEN, POLICY, TWILIO, Fixture, case, task

LONG = "请带上发票。" * 400  # 2400 characters: two of Twilio's messages
TEMPLATES = {
    **POLICY.book.templates,
    "long": Template(name="long", zh=LONG, en=LONG),
    "map": Template(name="map", zh="我们在这里", en="Here we are", image_url="https://shop.example/map.png"),
    "choice": Template(name="choice", zh="请选择", en="Choose", buttons_zh=("退货", "换货"), buttons_en=("Return", "Exchange")),
}
BOOK = replace(POLICY.book, templates=TEMPLATES)
REFUSED = HttpResult(400, {}, b'{"code":21610,"message":"unsubscribed"}')
BUSY = HttpResult(429, {}, b'{"code":20429}')


def asked(channel: str = "twilio", reply: str = "long", **more: Any) -> Any:
    return task(
        channel=channel, reply=reply, text="请问怎么退货?", labels={"language": "zh", "business": "after_sales"}, **more
    )


def desk_for(of: Any) -> Fixture:
    desk = Fixture(of)
    desk.desk = replace(desk.desk, policy=lambda: replace(POLICY, book=BOOK, outgoing=Outgoing(links=("shop.example",))))
    return desk


class TestParcels:
    def test_what_a_platform_cannot_show_stands_in_the_text(self) -> None:
        said = Answer(text="请选择", buttons=("退货", "换货"), image_url="https://shop.example/map.png")
        (only,) = parcels(asked().judged.message, said, registry.adapter("twilio"))
        assert only.text == "请选择\n1. 退货\n2. 换货\nhttps://shop.example/map.png"
        assert (only.buttons, only.image_url) == ((), None)

    def test_what_it_can_show_it_is_given_buttons_under_the_last_text_and_the_picture_after_it(self) -> None:
        said = Answer(text=LONG, buttons=("退货",), image_url="https://shop.example/map.png")
        parts = parcels(asked().judged.message, said, replace_limits("telegram", 1000))
        assert [part.part for part in parts] == list(range(len(parts)))
        assert [part.buttons for part in parts] == [()] * (len(parts) - 2) + [("退货",), ()]
        assert [part.image_url for part in parts] == [None] * (len(parts) - 1) + ["https://shop.example/map.png"]
        assert "".join(part.text for part in parts) == LONG
        assert len({part.key for part in parts}) == len(parts) and parts[0].key == parts[0].message_id

    def test_buttons_that_are_refused_have_room_under_the_text(self) -> None:
        adapter = replace_limits("telegram", 1000)
        titles = ("退货", "换货", "补发")
        parts = parcels(asked().judged.message, Answer(text="好" * 999, buttons=titles), adapter)
        assert parts[-1].buttons == titles
        assert text_parts.size(plain_form.plain(parts[-1]).text, adapter.max_text_unit) <= 1000

    def test_what_is_said_in_words_after_a_refusal_has_the_same_fingerprint_and_the_mark(self) -> None:
        said = Answer(text="好的", buttons=("退货",), image_url="https://shop.example/map.png")
        for part in parcels(asked().judged.message, said, registry.adapter("telegram")):
            words = plain_form.plain(part, MARK)
            assert words.text.startswith("好的" if part.text else MARK) and not (words.buttons or words.image_url)
            assert plain_form.fingerprint(words) == plain_form.fingerprint(part)
            assert plain_form.fingerprint(replace(part, text="另一句")) != plain_form.fingerprint(part)

    @pytest.mark.parametrize("buttons", [("一" * 21,), tuple("一二三四")])
    def test_buttons_that_do_not_fit_are_words_too(self, buttons: tuple[str, ...]) -> None:
        (only,) = parcels(asked().judged.message, Answer(text="选", buttons=buttons), registry.adapter("whatsapp"))
        assert only.buttons == () and f"1. {buttons[0]}" in only.text

    def test_a_text_too_long_for_buttons_takes_them_as_words(self) -> None:
        (only,) = parcels(asked().judged.message, Answer(text="选" * 1025, buttons=("好",)), registry.adapter("whatsapp"))
        assert only.buttons == () and only.text.endswith("\n1. 好")

    def test_an_sms_template_is_never_split(self) -> None:
        (only,) = parcels(asked().judged.message, Answer(text=LONG), registry.adapter("aliyun_sms"))
        assert only.text == LONG


def replace_limits(channel: str, limit: int) -> Any:
    class Narrow:
        max_text, max_text_unit, shows = limit, "characters", Shows(image=True, buttons=3)

    return Narrow


class TestHalfAReply:
    def test_a_long_reply_goes_out_in_order_and_is_recorded_as_whole(self) -> None:
        of = asked()
        desk = desk_for(of)
        answer(of, desk.desk)
        assert len(desk.platform.bodies) == 2
        record = desk.record(of)
        assert (record.state, record.parts, record.sent_parts) == ("sent", 2, 2)
        assert desk.problems(of) == ()

    def test_a_part_that_is_refused_for_good_leaves_half_an_answer_and_a_person_is_told(self) -> None:
        of = asked(needs_person=True)
        desk = desk_for(of)
        desk.platform.answers = [HttpResult(201, {}, b'{"sid":"SM1"}'), REFUSED]
        answer(of, desk.desk)
        record = desk.record(of)
        assert (record.state, record.sent_parts) == ("failed", 1)
        assert desk.problems(of) == ("reply_incomplete",)
        answer(of, desk.desk)
        assert len(desk.platform.bodies) == 2, "nothing is sent again"

    def test_what_was_postponed_goes_on_behind_the_part_that_is_out(self) -> None:
        of = asked()
        desk = desk_for(of)
        desk.platform.answers = [HttpResult(201, {}, b'{"sid":"SM1"}'), BUSY]
        with pytest.raises(ReplyPostponed):
            answer(of, desk.desk)
        assert (desk.record(of).state, desk.record(of).sent_parts) == ("reserved", 1)
        answer(of, desk.desk)
        first, refused, again = desk.platform.bodies
        assert refused == again != first
        assert (desk.record(of).state, desk.record(of).sent_parts) == ("sent", 2)

    def test_a_part_of_unknown_fate_is_not_sent_again_where_the_platform_takes_no_key(self) -> None:
        of = asked()
        desk = desk_for(of)
        desk.platform.answers = [HttpResult(201, {}, b'{"sid":"SM1"}'), NoAnswer()]
        answer(of, desk.desk)
        assert (desk.record(of).state, desk.record(of).sent_parts) == ("unknown", 1)
        assert desk.problems(of) == ("reply_unknown",)
        answer(of, desk.desk)
        assert len(desk.platform.bodies) == 2

    @pytest.mark.parametrize("channel", ["twilio", "generic"])
    @pytest.mark.parametrize("place", range(6))
    @pytest.mark.parametrize("when", ["before", "after"])
    def test_no_part_goes_out_twice_wherever_the_process_dies(
        self, channel: str, place: int, when: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(registry.adapter("generic"), "max_text", 1600)
        of = asked(channel)
        desk = desk_for(of)
        sent = _sent_texts(desk, monkeypatch)
        left = [place]

        def die(name: str) -> None:
            if name in ("apply", "add_reply", "record_reply"):
                left[0] -= 1
                if left[0] == -1:
                    raise SystemExit

        setattr(desk.store, when, die)
        for _ in range(3):
            try:
                answer(of, desk.desk)
            except SystemExit:
                continue
        record = desk.record(of)
        assert record.state in ("sent", "unknown")
        assert ("reply_unknown" in desk.problems(of)) is (record.state == "unknown")
        keys = [key for key, _ in sent]
        if channel == "twilio":
            assert len(set(keys)) == len(keys)
        else:
            assert record.state == "sent" and dict(sent).keys() == {key for key, _ in sent} and len(set(keys)) == 2


def _sent_texts(desk: Fixture, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    sent: list[tuple[str, str]] = []
    for channel in ("twilio", "generic"):

        def send(reply: Any, credentials: Any, outbound: Any) -> SendResult:
            sent.append((reply.key, reply.text))
            return SendResult(outcome="sent")

        monkeypatch.setattr(registry.adapter(channel), "send", send)
    return sent


class TestQuota:
    @pytest.mark.parametrize(("parts", "reason"), [(1, Reason.KEYWORD), (2, Reason.QUOTA_EXHAUSTED)])
    def test_every_part_draws_on_the_platforms_quota(self, parts: int, reason: Reason) -> None:
        of = asked(window=ReplyWindow(mode="window", max_replies=4))
        fresh = case(of, policy=replace(POLICY, book=BOOK, outgoing=Outgoing(links=("shop.example",))))
        assert decide(fresh).reason is Reason.KEYWORD, "two parts, and one for people"
        assert fresh.conversation is not None
        earlier = task(9).judged.message.message_id
        said = entry(earlier, at=OPEN, notice=False, rule="r", text="x", asked="y", parts=parts)
        decision = decide(replace(fresh, conversation=reserved(fresh.conversation, said)))
        assert decision.reason is reason
        assert (decision.text is None) is (reason is Reason.QUOTA_EXHAUSTED)

    def test_half_an_answer_keeps_its_place_in_the_ledger_and_one_that_never_left_gives_it_back(self) -> None:
        for first, kind in ((HttpResult(201, {}, b'{"sid":"SM1"}'), "r"), (REFUSED, "-")):
            of = asked()
            desk = desk_for(of)
            desk.platform.answers = [first, REFUSED]
            answer(of, desk.desk)
            (conversation,) = desk.store.conversations.values()
            (said,) = ledger(conversation)
            assert (said.kind, said.parts) == (kind, 2)


class TestButtons:
    def test_a_templates_buttons_are_recorded_and_sent_in_the_contacts_language(self) -> None:
        of = asked("generic", "choice")
        desk = desk_for(of)
        answer(of, desk.desk)
        assert desk.record(of).buttons == ("退货", "换货")
        assert '"buttons":["退货","换货"]'.encode() in desk.platform.bodies[0]


class TestRefusedForms:
    NO, YES = HttpResult(400, {}, b"{}"), HttpResult(202, {}, b"{}")

    def test_buttons_that_are_refused_go_out_in_words_in_the_same_try(self) -> None:
        of = asked("generic", "choice")
        desk = desk_for(of)
        desk.platform.answers = [self.NO, self.YES]
        answer(of, desk.desk)
        first, again = desk.platform.bodies
        assert b'"buttons"' in first and b'"buttons"' not in again
        assert "1. 退货\\n2. 换货".encode() in again
        record = desk.record(of)
        assert (record.state, record.attempts, record.buttons) == ("sent", 1, ("退货", "换货"))

    def test_a_refused_picture_goes_out_as_its_address_under_the_mark_of_a_machine(self) -> None:
        of = asked("generic", "map")
        desk = desk_for(of)
        desk.platform.answers = [self.YES, self.NO, self.YES]
        answer(of, desk.desk)
        _, picture, words = desk.platform.bodies
        assert b'"image_url"' in picture and b'"image_url"' not in words
        assert json.loads(words)["text"] == f"{MARK}https://shop.example/map.png"
        assert desk.record(of).state == "sent"

    def test_after_a_try_of_unknown_fate_a_refusal_is_no_reason_to_say_it_in_words(self) -> None:
        of = asked("generic", "choice")
        desk = desk_for(of)
        desk.platform.answers = [NoAnswer(), self.NO]
        with pytest.raises(ReplyPostponed):
            answer(of, desk.desk)
        answer(of, desk.desk)
        assert len(desk.platform.bodies) == 2
        assert desk.record(of).state == "unknown" and desk.problems(of) == ("reply_unknown",)

    def test_a_process_that_dies_between_the_two_leaves_no_second_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        of = asked("generic", "choice")
        desk = desk_for(of)
        ask, asked_for = desk.platform.request, list[bytes]()

        def request(method: str, url: str, **rest: Any) -> HttpResult:
            asked_for.append(rest["body"])
            if len(asked_for) == 2:
                raise SystemExit
            return ask(method, url, **rest)

        monkeypatch.setattr(desk.platform, "request", request)
        desk.platform.answers = [self.NO, self.NO]
        with pytest.raises(SystemExit):
            answer(of, desk.desk)
        answer(of, desk.desk)
        assert desk.record(of).state == "unknown", "the words may have left as the process died: nobody can say"
        assert [b'"buttons"' in body for body in asked_for] == [True, False, True]


class TestReceiveOnly:
    def test_an_account_that_may_not_send_is_never_asked_to(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(TWILIO, "receive_only", True)
        of = asked()
        desk = desk_for(of)
        answer(of, desk.desk)
        assert desk.platform.bodies == []
        assert (desk.record(of).state, desk.record(of).outcome) == ("failed", "window_closed")
