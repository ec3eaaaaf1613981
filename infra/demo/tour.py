"""The demo's story, lived through: every letter delivered over HTTP, queues drained, the month packed, everything archived."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from functions.common.clock import to_iso
from infra.demo.drill import MONTH_END, Drill, Operator, aftermath, month_end
from infra.demo.letters import Letter
from infra.demo.scenes import ARCHIVE_NIGHT, SCENES

if TYPE_CHECKING:
    from urllib3 import PoolManager

    from infra.local.stack import Stack

DRAIN_SECONDS = 60


class StackFault(Exception):
    """An endpoint of the local stack answered with an error; the message is its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A letter, the HTTP status that each delivery of it was answered with, and how many of its items were malformed."""

    letter: Letter
    statuses: tuple[int, ...]
    malformed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything that happened, as the stack's own endpoints tell it."""

    deliveries: tuple[Delivery, ...]
    messages: list[dict[str, Any]]
    conversations: list[dict[str, Any]]
    outbox: list[dict[str, Any]]
    queues: list[dict[str, Any]]
    archive: dict[str, Any]
    again: dict[str, Any]
    month_end: dict[str, Any]
    drill: Drill


def tour(stack: Stack, say: Callable[[str], None], folder: Path) -> Outcome:
    """Live through the whole story; `say` hears one line per step. `folder` is where an operator's files go."""
    from urllib3 import PoolManager

    with PoolManager() as http:
        ask = Endpoints(http, stack.url)
        deliveries: list[Delivery] = []
        for scene, now, letters in SCENES:
            stack.set_clock(now)
            say(f"Tuesday {scene} in Shanghai: {len(letters)} webhook{'' if len(letters) == 1 else 's'} …")
            deliveries += _deliver(stack, http, letters)
            ask.drain()
        say("The last working day of the month, 20:30: the month's pack, opened with its password …")
        stack.set_clock(MONTH_END)
        operator = Operator(stack, folder)
        packed = ask.schedule("month-end", MONTH_END)
        sheets = month_end(stack, operator, folder)
        say("Four days later, 03:00: the archive …")
        stack.set_clock(ARCHIVE_NIGHT)
        messages, conversations = ask.listed("messages"), ask.listed("conversations")
        archived, again = ask.schedule("archive", ARCHIVE_NIGHT), ask.schedule("archive", ARCHIVE_NIGHT)
        return Outcome(
            deliveries=tuple(deliveries),
            messages=messages,
            conversations=conversations,
            outbox=ask.listed("outbox"),
            archive=archived,
            again=again,
            queues=ask.listed("queues"),
            month_end=packed,
            drill=aftermath(stack, operator, conversations, sheets, say),
        )


def _deliver(stack: Stack, http: PoolManager, letters: Iterable[Letter]) -> Iterable[Delivery]:
    from infra.simulators.contract import Patience
    from infra.simulators.delivery import deliver

    sent: dict[tuple[str, str], Any] = {}
    for letter in letters:
        platform = stack.simulator(letter.channel, "demo" if letter.account == "nobody" else letter.account)
        # A letter that comes again is the same bytes.
        webhook = sent.setdefault((letter.channel, letter.native_id or letter.says), letter.make(platform, letter.native_id))
        url = f"{stack.url}/webhooks/{letter.channel}/{letter.account}"
        once = Patience(timeout=platform.patience.timeout, waits=())
        attempts = [deliver(webhook, url, once, http=http).attempts[0] for _ in letter.answers]
        statuses = tuple(attempt.status or 0 for attempt in attempts)
        yield Delivery(letter=letter, statuses=statuses, malformed=_malformed(attempts[-1].body))


def _malformed(body: bytes) -> int:
    """The generic channel says in its answer how many items it could not read."""
    try:
        return int(json.loads(body).get("rejected", 0))
    except (ValueError, AttributeError):
        return 0


class Endpoints:
    """The local stack's own endpoints at `url`."""

    def __init__(self, http: PoolManager, url: str) -> None:
        self._http = http
        self._url = url

    def listed(self, name: str) -> list[dict[str, Any]]:
        """One of the lists."""
        found: list[dict[str, Any]] = self._call("GET", name)[name]
        return found

    def drain(self) -> None:
        """Wait until every queue is empty."""
        self._call("POST", f"drain?timeout={DRAIN_SECONDS}")

    def schedule(self, name: str, now: datetime) -> dict[str, Any]:
        """Run a schedule as if it were `now`."""
        return self._call("POST", f"schedules/{name}", {"now": to_iso(now)})

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        sent = json.dumps(body).encode() if body else None
        answer = self._http.request(method, f"{self._url}/_local/{path}", body=sent, retries=False, timeout=DRAIN_SECONDS + 30)
        said: dict[str, Any] = json.loads(answer.data)
        if answer.status != 200:
            raise StackFault(f"{path}: {said.get('error', answer.status)}")
        return said
