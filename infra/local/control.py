"""What the local stack serves beside the routes: /health and /_local/... Wrong input is a 400 with one line that says what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from functions.common.clock import from_iso, to_iso
from functions.common.origin import unmarked
from infra.local.inventory import Inventory
from infra.local.invocations import Invocations
from infra.local.payload import Answer, HttpRequest
from infra.local.queues import QueueWatch
from infra.local.scheduler import Scheduler, UnknownSchedule
from infra.simulators.contract import Delivered

PREFIX = "/_local/"
LONGEST_DRAIN = 3600.0
_CONVERSATION = re.compile(r"[a-z2-7]{16}")


class BadInput(Exception):
    """The request asks for something that cannot be; the message says what, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The stack as seen from its own endpoints. `outbox()` gives every reply that reached a simulated platform."""

    inventory: Inventory
    queues: QueueWatch
    scheduler: Scheduler
    invocations: Invocations
    outbox: Callable[[], Sequence[Delivered]]

    def answer(self, request: HttpRequest) -> Answer | None:
        """The answer to a request for one of these endpoints, None for any other."""
        if request.raw_path == "/health":
            return Answer.json(200, {"status": "ok"})
        if not request.raw_path.startswith(PREFIX):
            return self.invocations.answer(request)
        name, _, rest = request.raw_path.removeprefix(PREFIX).partition("/")
        method, endpoint = self._endpoints().get(name, ("", None))
        if endpoint is None or (rest and name != "schedules"):
            return _problem(404, f"no {request.raw_path[:80]}; there are {', '.join(self._endpoints())}")
        if request.method != method:
            return _problem(405, f"{PREFIX}{name} takes {method} only")
        try:
            return endpoint(request, unquote(rest))
        except BadInput as problem:
            return _problem(400, str(problem))

    def _endpoints(self) -> dict[str, tuple[str, Callable[[HttpRequest, str], Answer]]]:
        return {
            "conversations": ("GET", self._conversations),
            "messages": ("GET", self._messages),
            "outbox": ("GET", self._outbox),
            "queues": ("GET", self._queues),
            "drain": ("POST", self._drain),
            "schedules": ("POST", self._schedule),
        }

    def _conversations(self, request: HttpRequest, _: str) -> Answer:
        _parameters(request)
        return Answer.json(200, {"conversations": self.inventory.conversations()})

    def _messages(self, request: HttpRequest, _: str) -> Answer:
        conv = _parameters(request, "conversation").get("conversation")
        if conv is not None and not _CONVERSATION.fullmatch(conv):
            raise BadInput("conversation is not an id of a conversation")
        return Answer.json(200, {"messages": self.inventory.messages(conv)})

    def _outbox(self, request: HttpRequest, _: str) -> Answer:
        _parameters(request)
        return Answer.json(200, {"outbox": list(map(_shown, self.outbox()))})

    def _queues(self, request: HttpRequest, _: str) -> Answer:
        _parameters(request)
        return Answer.json(200, {"queues": self._counts()})

    def _drain(self, request: HttpRequest, _: str) -> Answer:
        given = _parameters(request, "timeout").get("timeout", "30")
        try:
            seconds = float(given)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds <= LONGEST_DRAIN:
            raise BadInput(f"timeout is not a number of seconds up to {LONGEST_DRAIN:g}")
        idle = self.queues.drain(seconds)
        return Answer.json(200 if idle else 504, {"idle": idle, "queues": self._counts()})

    def _schedule(self, request: HttpRequest, name: str) -> Answer:
        _parameters(request)
        given = _input(request.body)
        try:
            outcome = self.scheduler.run(name, given)
        except UnknownSchedule:
            return _problem(404, f"no schedule {name[:80]!r}; there are {', '.join(self.scheduler.names())}")
        if outcome.fault is not None:
            return _problem(500, f"schedule {name} failed: {outcome.fault}; its log says more")
        return Answer.json(200, outcome.payload)

    def _counts(self) -> list[dict[str, Any]]:
        return [asdict(count) for count in self.queues.counts()]


def _shown(reply: Delivered) -> dict[str, Any]:
    """The text as a person sees it: our mark is invisible. Buttons and a picture stand there only where there are some."""
    beside = {"buttons": list(reply.buttons), "image_url": reply.image_url}
    fields = {name: value for name, value in asdict(reply).items() if name not in beside}
    return (
        fields
        | {"at": to_iso(reply.at), "text": unmarked(reply.text)}
        | {name: value for name, value in beside.items() if value}
    )


def _parameters(request: HttpRequest, *allowed: str) -> dict[str, str]:
    try:
        given = parse_qs(request.raw_query, keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise BadInput("too many parameters") from None
    for name, values in given.items():
        if name not in allowed or len(values) > 1:
            raise BadInput(f"unknown or repeated parameter {name[:40]!r}")
    return {name: values[0] for name, values in given.items()}


def _input(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body or b"{}")
    except ValueError:
        raise BadInput("the body is not JSON") from None
    if not isinstance(given, dict):
        raise BadInput("the body is not a JSON object")
    if "now" in given:
        try:
            from_iso(given["now"])
        except (TypeError, ValueError):
            raise BadInput("now is not a time with a zone, such as 2026-12-31T19:00:00Z") from None
    return given


def _problem(status: int, line: str) -> Answer:
    return Answer.json(status, {"error": line})
