"""What ends a reply that is on its way, what does not, and that a stop holds within thirty seconds whatever takes its time."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any, ClassVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from functions.autoreply.desk import ReplyPostponed
from functions.autoreply.service import answer
from functions.autoreply.stop_board import LOOK_EVERY, Change, StopBoard
from functions.autoreply.stops import Stops
from functions.autoreply.templates import Template
from functions.channels import generic
from functions.channels.contract import AccessToken, HttpResult, NoAnswer, Unreachable
from functions.common.errors import Unavailable
from functions.common.message import ReplyWindow
from functions.common.outbound import CONNECT_SECONDS, CONNECTED_WITHIN
from functions.common.store import recall_mark
from tests.fakes.reply_desk import OPEN, POLICY, Fixture, Times, task

LONG = "请带上发票。" * 700  # 4200 characters: three of Twilio's messages
LONG_POLICY = replace(
    POLICY, book=replace(POLICY.book, templates={**POLICY.book.templates, "long": Template(name="long", zh=LONG, en=LONG)})
)
TAKEN = HttpResult(201, {}, b'{"sid":"SM1"}')
BUSY = HttpResult(429, {}, b'{"code":20429}')


def asked(channel: str = "twilio", **more: Any) -> Any:
    return task(channel=channel, reply="long", labels={"language": "zh", "business": "after_sales"}, **more)


def desk_for(of: Any) -> Fixture:
    desk = Fixture(of)
    desk.desk = replace(desk.desk, policy=lambda: LONG_POLICY)
    return desk


def after_part(number: int, desk: Fixture, what: Any) -> None:
    """Let something happen when so many parts have left."""

    def hook() -> None:
        if len(desk.platform.bodies) == number:
            what()

    desk.platform.hook = hook


def change(desk: Fixture, **changes: Any) -> None:
    desk.store.conversations = {c: replace(each, **changes, rev=each.rev + 1) for c, each in desk.store.conversations.items()}


def stop(desk: Fixture, scope: str) -> None:
    desk.desk = replace(desk.desk, stops=lambda: Stops(frozenset({scope})))


CUTS = [
    ({"opted_out": True}, "opted_out", ()),
    ({"blocked": True}, "blocked", ()),
    ({"person_at": OPEN}, "taken_over", ()),
    ({"recalled": (recall_mark("native-1"),)}, "recalled", ()),
    ({"status": "held"}, "held", ()),
]


class TestBetweenParts:
    @pytest.mark.parametrize(("changes", "halted", "problems"), CUTS)
    @pytest.mark.parametrize("parts", [1, 2])
    def test_what_happens_meanwhile_cuts_the_rest(self, changes: dict, halted: str, problems: tuple, parts: int) -> None:
        of = asked()
        desk = desk_for(of)
        after_part(parts, desk, lambda: change(desk, **changes))
        answer(of, desk.desk)
        record = desk.record(of)
        assert (len(desk.platform.bodies), record.state, record.sent_parts, record.parts) == (parts, "failed", parts, 3)
        assert (record.halted, record.reason, desk.problems(of)) == (halted, "keyword", problems)
        assert desk.telemetry.lines[-1][1]["halted"] == halted
        answer(of, desk.desk)
        assert len(desk.platform.bodies) == parts, "nothing is sent later"

    @pytest.mark.parametrize("scope", ["all", "channel:twilio", "account:twilio/demo", "rule:long"])
    def test_a_stop_cuts_the_rest_and_a_person_is_told_of_half_an_answer(self, scope: str) -> None:
        of = asked()
        desk = desk_for(of)
        stopped: list[str] = []
        desk.desk = replace(desk.desk, stops=lambda: Stops(frozenset(stopped)))
        after_part(1, desk, lambda: stopped.append(scope))
        answer(of, desk.desk)
        record = desk.record(of)
        assert (len(desk.platform.bodies), record.state, record.halted) == (1, "failed", f"stopped {scope}")
        assert desk.problems(of) == ("reply_incomplete",)

    def test_a_window_that_shuts_meanwhile_cuts_the_rest(self) -> None:
        of = asked(window=ReplyWindow(mode="window", expires_at=OPEN + timedelta(minutes=1)))
        desk = desk_for(of)
        after_part(1, desk, lambda: setattr(desk.times, "now", OPEN + timedelta(minutes=1)))
        answer(of, desk.desk)
        assert (len(desk.platform.bodies), desk.record(of).halted) == (1, "window_closed")
        assert desk.problems(of) == ("reply_incomplete",)

    @pytest.mark.parametrize("postponed", [False, True])
    def test_a_newer_message_does_not_cut_a_reply_in_half(self, postponed: bool) -> None:
        of, newer = asked(), task(2, channel="twilio", reply="long", labels={"language": "zh", "business": "after_sales"})
        desk = desk_for(of)
        desk.store.messages = [newer.judged]
        after_part(1, desk, lambda: change(desk, count=2))
        if postponed:
            desk.platform.answers = [TAKEN, BUSY]
            with pytest.raises(ReplyPostponed):
                answer(of, desk.desk)
        answer(of, desk.desk)
        assert (desk.record(of).state, desk.record(of).sent_parts) == ("sent", 3)

    @pytest.mark.parametrize(("changes", "halted", "problems"), CUTS)
    def test_what_happens_before_the_rest_is_tried_again_cuts_it_too(self, changes: dict, halted: str, problems: tuple) -> None:
        of = asked()
        desk = desk_for(of)
        desk.platform.answers = [TAKEN, BUSY]
        with pytest.raises(ReplyPostponed):
            answer(of, desk.desk)
        change(desk, **changes)
        answer(of, desk.desk)
        record = desk.record(of)
        assert (record.state, record.sent_parts, record.halted, len(desk.platform.bodies)) == ("failed", 1, halted, 2)
        assert desk.problems(of) == problems

    def test_where_nobody_can_look_the_rest_waits(self) -> None:
        of = asked()
        desk = desk_for(of)

        def away(call: str) -> None:
            if call == "conversation" and len(desk.platform.bodies) == 1:
                raise Unavailable("GetItem")

        desk.store.before = away
        with pytest.raises(ReplyPostponed):
            answer(of, desk.desk)
        desk.store.before = lambda _: None
        assert (desk.record(of).state, desk.record(of).sent_parts) == ("reserved", 1)
        answer(of, desk.desk)
        assert (desk.record(of).state, len(desk.platform.bodies)) == ("sent", 3)

    def test_one_part_costs_no_look(self) -> None:
        of = task(reply="return_how")
        desk = Fixture(of)
        answer(of, desk.desk)
        assert desk.store.calls == ["conversation", "apply", "add_reply"]


class TestEveryRequest:
    def test_a_stop_between_the_token_and_the_send_stops_the_send(self, monkeypatch: pytest.MonkeyPatch) -> None:
        of = task(reply="return_how", needs_person=False)
        desk = Fixture(of)
        stopped: list[str] = []
        desk.desk = replace(desk.desk, stops=lambda: Stops(frozenset(stopped)))
        send = generic.ADAPTER.send

        def with_a_token(reply: Any, credentials: Any, outbound: Any) -> Any:
            outbound.request("POST", "https://crm.example/token", headers={}, body=b"token")
            stopped.append("all")
            return send(reply, credentials, outbound)

        monkeypatch.setattr(generic.ADAPTER, "send", with_a_token, raising=False)
        answer(of, desk.desk)
        record = desk.record(of)
        assert desk.platform.bodies == [b"token"]
        assert (record.state, record.reason, record.detail) == ("none", "stopped", "all")
        assert desk.entry(of).kind == "-" and desk.problems(of) == ("reply_missing",)
        assert desk.desk.breaker.seconds_left("generic", "demo", OPEN) == 0

    def test_where_nobody_knows_what_is_stopped_nothing_leaves(self) -> None:
        of = task(reply="return_how")
        desk = Fixture(of)
        looks: list[int] = []

        def stops() -> Stops:
            looks.append(1)
            if len(looks) == 2:
                raise Unavailable("Query")
            return Stops()

        desk.desk = replace(desk.desk, stops=stops)
        with pytest.raises(ReplyPostponed):
            answer(of, desk.desk)
        assert desk.platform.bodies == []
        answer(of, desk.desk)
        assert desk.record(of).state == "sent"

    def test_that_nobody_knows_what_is_stopped_is_not_the_platforms_fault(self) -> None:
        of, looks = task(reply="return_how"), count()
        desk = Fixture(of)

        def stops() -> Stops:
            if next(looks) % 2:  # the look before the decision succeeds, the one before the request does not
                raise Unavailable("Query")
            return Stops()

        for _ in range(6):
            another = Fixture(of).store
            desk.desk = replace(desk.desk, stops=stops, store=another)
            with pytest.raises(ReplyPostponed):
                answer(of, desk.desk)
            assert [each.outcome for each in another.records.values()] == ["transient"]
        assert desk.desk.breaker.seconds_left("generic", "demo", OPEN) == 0

    @pytest.mark.parametrize("fault", [Unreachable(), NoAnswer()])
    def test_a_stop_does_not_hide_what_became_of_a_request_that_left(self, fault: Exception) -> None:
        of = task(channel="twilio", reply="return_how", needs_person=False)
        desk = Fixture(of)
        desk.platform.hook = lambda: stop(desk, "all")
        desk.platform.answers = [fault]
        try:
            answer(of, desk.desk)
        except ReplyPostponed:
            answer(of, desk.desk)
        expected = "unknown" if isinstance(fault, NoAnswer) else "none"
        assert (desk.record(of).state, len(desk.platform.bodies)) == (expected, 1)


SECONDS = st.integers(0, 20_000).map(lambda ms: timedelta(milliseconds=ms))


class _Table:
    """The partition of stops, which takes its time: it is read at once and answers late, which is the worst case."""

    def __init__(self, times: Times, stop: Change, took: Any) -> None:
        self.times, self.stop, self.took = times, stop, took

    def query(self, *_: object, **__: object) -> list[dict[str, Any]]:
        stop = self.stop
        item = {"sk": stop.scope, "act": stop.act, "by": stop.by, "at": stop.at.isoformat(), "why": stop.why}
        found = [item] if self.times.now >= stop.at else []
        self.times.now += self.took()
        return found


class TestThirtySeconds:
    def test_the_parts_add_up(self) -> None:
        written = timedelta(seconds=2 * CONNECT_SECONDS)
        assert LOOK_EVERY + timedelta(seconds=CONNECTED_WITHIN) + written <= timedelta(seconds=30)

    @given(
        stopped_after=SECONDS,
        looks=st.lists(SECONDS, min_size=1, max_size=4),
        took=st.lists(SECONDS, min_size=1, max_size=6),
        messages=st.integers(1, 6),
    )
    @example(stopped_after=timedelta(seconds=1), looks=[timedelta()], took=[timedelta(seconds=20)], messages=2)
    def test_no_request_begins_later_than_the_board_may_be_old(
        self, stopped_after: timedelta, looks: list[timedelta], took: list[timedelta], messages: int
    ) -> None:
        """Whatever time tables and platforms take, before and between requests."""
        times, place, looked, begun = Times(), count(), count(), []
        change = Change(scope="all", act="stop", by="mei", at=OPEN + stopped_after, why="wrong")
        board = StopBoard(_Table(times, change, lambda: looks[next(looked) % len(looks)]), times)  # type: ignore[arg-type]

        def take_time(*_: object) -> None:
            times.now += took[next(place) % len(took)]

        def request() -> None:
            begun.append(times.now)
            take_time()

        for number in range(messages):
            of = asked() if number % 2 else task(channel="twilio", reply="return_how")
            desk = desk_for(of)
            desk.platform.clock, desk.platform.hook, desk.store.after = times, request, take_time
            desk.desk = replace(desk.desk, clock=times, stops=board.current)
            with suppress(ReplyPostponed, Unavailable):
                answer(of, desk.desk)
        assert all(moment < change.at + LOOK_EVERY for moment in begun)


def test_a_token_is_fetched_and_forgotten_through_the_watch() -> None:
    from functions.autoreply.interruption import Watched

    class Lease:
        forgotten: ClassVar[list[str]] = []

        def access_token(self, app: str, fetch: Any) -> str:
            return fetch().value

        def forget_token(self, app: str, token: str) -> None:
            self.forgotten.append(token)

    watched = Watched(Lease(), lambda: None)  # type: ignore[arg-type]
    assert watched.access_token("qq#1", lambda: AccessToken("t", 60)) == "t"
    watched.forget_token("qq#1", "t")
    assert Lease.forgotten == ["t"]
