"""What a test of autoreply needs: tasks, the shipped replies and calendar, a platform that answers as told, and a desk of fakes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

from functions.autoreply.case import Case
from functions.autoreply.config import read_replies
from functions.autoreply.desk import Desk
from functions.autoreply.replybook import ReplyPolicy
from functions.autoreply.service import answer
from functions.channels import registry
from functions.channels.contract import HttpResult
from functions.common import keys
from functions.common.calendar import read_calendars
from functions.common.judgement import Judged, Judgement, Routing
from functions.common.ledger import Kind, Said, entry, entry_of, reserved
from functions.common.message import Contact, Message, ReplyWindow, Verification
from functions.common.store import AlreadyRecorded, Conversation, ConversationChanged, Reply, flagged
from functions.common.wire import ReplyTask
from infra.cli.bundle import compiled_sections

CONFIG = Path(__file__).parents[2] / "config"
REPLIES = yaml.safe_load((CONFIG / "replies.yaml").read_text("utf-8"))
CALENDAR = compiled_sections(CONFIG, today=date(2026, 11, 20))["calendar"]
POLICY = ReplyPolicy(bundle="0123456789ab", book=read_replies(REPLIES), calendar=read_calendars(CALENDAR).house)
OPEN = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)  # a Friday, 10:00 in Shanghai
SHUT = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)  # the same Friday, 21:00
GENERIC = {"secret": "whsec_bmV3LW5ldy1uZXctbmV3LW5ldw==", "reply_url": "https://crm.example/replies"}
TWILIO = {
    "account_sid": "AC" + "0" * 32,
    "auth_token": "a-token-that-is-no-secret",
    "from": "+15005550006",
    "public_url": "https://postroom.example",
}


def task(
    number: int = 1,
    *,
    now: datetime = OPEN,
    text: str | None = "请问怎么退货?",
    channel: str = "generic",
    first_contact: bool = False,
    is_bot: bool = False,
    window: ReplyWindow | None = None,
    labels: dict[str, Any] | None = None,
    **routing: Any,
) -> ReplyTask:
    """The `number`-th message of one contact, received at `now`; further arguments are `Routing`'s."""
    message = Message(
        message_id=keys.message_id(channel, "demo", "u1", now, f"native-{number}"),
        native_id=f"native-{number}",
        channel=channel,
        account="demo",
        contact=Contact(primary="u1", is_bot=is_bot),
        kind="text",
        text=text,
        sent_at=now,
        received_at=now,
        reply=window or ReplyWindow(),
        verification=Verification(scheme="test", body_signed=True, timestamped=True),
    )
    routed = Routing(**{"team": "service", "priority": 0, "due_at": now + timedelta(hours=24)} | routing)
    judged = Judged(message=message, judgement=Judgement(**(labels or {})), routing=routed, bundle="0123456789ab", seq=number)
    return ReplyTask(judged=judged, first_contact=first_contact)


def conversation(of: ReplyTask, **changes: Any) -> Conversation:
    """The conversation of a task's message."""
    conv = keys.split(of.judged.message.message_id).conv
    there = Conversation(conv=conv, channel="generic", account="demo", contact="u1", count=of.judged.seq, rev=1)
    return replace(there, **changes)


def said(of: ReplyTask, *, at: datetime, text: str = "a text", rule: str = "return_how", kind: Kind = "r") -> Said:
    """The ledger's entry of the reply to a task's message."""
    made = entry(of.judged.message.message_id, at=at, notice=False, rule=rule, text=text, asked=of.judged.message.text)
    return replace(made, kind=kind)


def having_said(before: Conversation, *entries: Said) -> Conversation:
    """The conversation with more in its ledger."""
    return reduce(reserved, entries, before)


def case(of: ReplyTask, *, now: datetime = OPEN, policy: ReplyPolicy = POLICY, **changes: Any) -> Case:
    """A task with its conversation; further arguments are `Conversation`'s."""
    return Case(task=of, conversation=conversation(of, **changes), policy=policy, now=now)


class Killed(BaseException):
    """The process is gone."""


class Records:
    """The part of a store that autoreply uses. `before` and `after` run around every call and may raise."""

    def __init__(self, *conversations: Conversation) -> None:
        self.conversations = {each.conv: each for each in conversations}
        self.records: dict[str, Reply] = {}
        self.messages: list[Judged] = []
        self.drawn = 0
        self.calls: list[str] = []
        self.before: Callable[[str], None] = lambda call: None
        self.after: Callable[[str], None] = lambda call: None

    def _around(self, name: str, call: Callable[[], Any]) -> Any:
        self.calls.append(name)
        self.before(name)
        found = call()
        self.after(name)
        return found

    def conversation(self, conv: str) -> Conversation | None:
        return self._around("conversation", lambda: self.conversations.get(conv))

    def later_messages(self, judged: Judged, newest: int) -> list[Judged]:
        later = sorted((each for each in self.messages if each.seq > judged.seq), key=lambda each: each.seq)
        return self._around("later_messages", lambda: later[-newest:])

    def message(self, message_id: str) -> Judged | None:
        found = (each for each in self.messages if each.message.message_id == message_id)
        return self._around("message", lambda: next(found, None))

    def left_to(self, message_id: str, newest: int) -> list[Reply]:
        return self._around("left_to", lambda: [each for each in self.records.values() if each.left_to == message_id][::-1])

    def apply(self, before: Conversation, after: Conversation) -> None:
        def change() -> None:
            if self.conversations[before.conv].rev != before.rev:
                raise ConversationChanged(before.conv)
            self.conversations[before.conv] = replace(after, rev=before.rev + 1)

        self._around("apply", change)

    def reply(self, message_id: str) -> Reply | None:
        return self._around("reply", lambda: self.records.get(message_id))

    def add_reply(self, reply: Reply) -> None:
        def add() -> None:
            if reply.message_id in self.records:
                raise AlreadyRecorded(self.records[reply.message_id])
            self.records[reply.message_id] = reply

        self._around("add_reply", add)

    def draw(self, channel: str, account: str, moment: datetime, at_most: int) -> bool:
        def draw() -> bool:
            self.drawn += 1
            return self.drawn <= at_most

        return self._around("draw", draw)

    def record_reply(self, reply: Reply, *, was: str, attempts: int) -> None:
        def record() -> None:
            stands = self.records[reply.message_id]
            if (stands.state, stands.attempts) != (was, attempts):
                raise AlreadyRecorded(stands)
            self.records[reply.message_id] = reply

        self._around("record_reply", record)

    def flag(self, conv: str, problem: str, *, team: str, due_at: datetime) -> None:
        def flag() -> None:
            before = self.conversations[conv]
            self.conversations[conv] = replace(flagged(before, problem, team=team, due_at=due_at), rev=before.rev + 1)

        self._around("flag", flag)


@dataclass
class Platform:
    """A platform that answers with the next of `answers` (an exception is raised), and 200 when there are none left."""

    clock: Callable[[], datetime]
    answers: list[HttpResult | Exception] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    hook: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        return self.clock()

    def origin(self, default: str) -> str:
        return default

    def request(self, method: str, url: str, *, headers: Any, body: bytes) -> HttpResult:
        self.bodies.append(body)
        self.hook()
        answer = self.answers.pop(0) if self.answers else HttpResult(200, {}, b'{"sid":"SM1","status":"queued"}')
        if isinstance(answer, Exception):
            raise answer
        return answer


class Accounts:
    """Credentials of the account `demo` of two channels; `fault` is raised instead."""

    fault: Exception | None = None

    def current(self, channel: str, account: str) -> tuple[Any, ...]:
        if self.fault:
            raise self.fault
        return (registry.adapter(channel).credentials.model_validate({"generic": GENERIC, "twilio": TWILIO}[channel]),)


@dataclass
class Heard:
    """Telemetry that keeps what it is told."""

    lines: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def info(self, outcome: str, **said: Any) -> None:
        self.lines.append((outcome, said))

    warning = info

    def error(self, outcome: str, fault: BaseException, **said: Any) -> None:
        self.lines.append((outcome, said))

    def count(self, counts: dict[str, int], **dimensions: str) -> None:
        for name, value in counts.items():
            self.counts[name] = self.counts.get(name, 0) + value


@dataclass
class Times:
    """A clock that a test sets."""

    now: datetime = OPEN

    def __call__(self) -> datetime:
        return self.now


def _die() -> None:
    raise Killed


class Fixture:
    """A desk with everything on it that a test may want to look at."""

    def __init__(self, *tasks: ReplyTask, now: datetime = OPEN) -> None:
        self.times = Times(now)
        self.store = Records(*(conversation(each) for each in tasks))
        self.platform = Platform(self.times)
        self.accounts, self.telemetry = Accounts(), Heard()
        self.desk = Desk(
            store=self.store,
            credentials=self.accounts,
            policy=lambda: POLICY,
            outbound=lambda channel, message_id: self.platform,
            clock=self.times,
            telemetry=self.telemetry,
        )

    def dies_while_it_sends(self, of: ReplyTask) -> None:
        """Answer, and let the process die when the platform has the request."""
        self.platform.hook = _die
        with pytest.raises(Killed):
            answer(of, self.desk)
        self.platform.hook = lambda: None

    def record(self, of: ReplyTask) -> Reply:
        return self.store.records[of.judged.message.message_id]

    def entry(self, of: ReplyTask) -> Said | None:
        message_id = of.judged.message.message_id
        return entry_of(self.store.conversations[keys.split(message_id).conv], message_id)

    def problems(self, of: ReplyTask) -> tuple[str, ...]:
        return self.store.conversations[keys.split(of.judged.message.message_id).conv].problems
