"""Verify → handshake → parse → enqueue → acknowledge. Nothing is acknowledged before the queue has it.

Every item of a verified webhook is counted once: Verified = Enqueued + Ignored + Malformed + Announced. An announcement has no message in
it: it becomes a task on `pulls.fifo`, and what it announces is fetched by `pull`, out of the platform's deadline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from functions.channels import registry
from functions.channels.contract import Adapter, HttpAnswer, ParseResult, Payload, RawRequest, Rejected, Verified
from functions.common.clock import Clock
from functions.common.credentials import CredentialStore
from functions.common.errors import AccountUnknown, MalformedPayload, Unavailable
from functions.common.inbound import inbound_entries
from functions.common.pulls import pull_entry
from functions.common.queues import FifoQueue
from functions.common.telemetry import Telemetry
from functions.ingest.replay import ReplayMemory

MAX_BODY = 1024 * 1024
JSON = "application/json"

UNKNOWN = HttpAnswer(404, '{"error":"unknown channel or account"}', JSON)
TOO_LARGE = HttpAnswer(413, '{"error":"body too large"}', JSON)
MALFORMED = HttpAnswer(400, '{"error":"malformed"}', JSON)
TRY_AGAIN = HttpAnswer(503, '{"error":"try again"}', JSON)
REFUSED = '{"error":"rejected"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """The post room's counter: what ingest needs to take a webhook in. `queue` takes messages, `pulls` announcements."""

    credentials: CredentialStore
    queue: FifoQueue
    pulls: FifoQueue
    replays: ReplayMemory
    clock: Clock
    telemetry: Telemetry


def receive(channel: str, account: str, request: RawRequest, counter: Counter) -> HttpAnswer:
    """Take one webhook in and say what the platform is told."""
    try:
        adapter = registry.adapter(channel)
        known = counter.credentials.current(channel, account)
    except (registry.ChannelUnknown, AccountUnknown):
        return _refuse(counter, UNKNOWN, "unknown_account")
    except Unavailable as fault:
        counter.telemetry.error("credentials_unavailable", fault, channel=channel)
        return TRY_AGAIN
    if len(request.body) > MAX_BODY:
        return _refuse(counter, TOO_LARGE, "too_large", channel)
    verified = _verify(adapter, request, known, counter)
    if isinstance(verified, Rejected):
        return _refuse(counter, HttpAnswer(verified.status, REFUSED, JSON), verified.reason, channel)
    return _accept(adapter, account, verified, counter)


def _verify(adapter: Adapter, request: RawRequest, known: tuple[Any, ...], counter: Counter) -> Verified | Rejected:
    """Under any of the account's credentials: two are valid while they are rotated."""
    refusal = Rejected("no_credentials")
    for place, credentials in enumerate(known):
        outcome = adapter.verify(request, credentials, counter.clock())
        if isinstance(outcome, Verified):
            reused = outcome.replay_key and counter.replays.is_reused(outcome.replay_key, request.body)
            return Rejected("replayed") if reused else outcome
        # The older secret's "bad_signature" says less than what the newer one's check found, and the other way round.
        refusal = outcome if place == 0 or outcome.reason != "bad_signature" else refusal
    return refusal


def _accept(adapter: Adapter, account: str, verified: Verified, counter: Counter) -> HttpAnswer:
    channel = adapter.channel
    try:
        payload = adapter.decode(verified, account)
        greeting = adapter.handshake(payload)
        result = ParseResult() if greeting else adapter.parse(payload)
    except MalformedPayload as fault:
        counter.telemetry.error("malformed", fault, channel=channel, account=account)
        counter.telemetry.count({"Verified": 1, "Malformed": 1}, channel=channel)
        return _unreadable(counter)
    if greeting:
        counter.telemetry.count({"Handshakes": 1}, channel=channel)
        counter.telemetry.info("handshake", channel=channel, account=account)
        return greeting
    return _hand_on(adapter, payload, result, counter)


def _hand_on(adapter: Adapter, payload: Payload, result: ParseResult, counter: Counter) -> HttpAnswer:
    channel = adapter.channel
    entries, result = inbound_entries(result, receive_only=payload.verified.credentials.receive_only)
    try:
        counter.queue.send(entries)
        counter.pulls.send([pull_entry(task) for task in result.pulls])
    except Unavailable as fault:
        counter.telemetry.error("not_enqueued", fault, channel=channel, account=payload.account)
        counter.telemetry.count({"QueueFailed": 1}, channel=channel)
        return TRY_AGAIN
    _account(result, payload, counter, channel)
    if result.errors and not (result.messages or result.ignored or result.pulls):
        return _unreadable(counter)
    return adapter.acknowledge(payload, result)


def _unreadable(counter: Counter) -> HttpAnswer:
    """The platform's own webhook, and nothing in it that we can read: it is told so, and keeps it.

    A yes would lose it: nothing of it is in the queue. Asked again over hours or days, as most platforms do, it may meet a release that
    reads it; somebody is told at once.
    """
    counter.telemetry.count({"Unreadable": 1})
    return MALFORMED


def _account(result: ParseResult, payload: Payload, counter: Counter, channel: str) -> None:
    counts = {"Enqueued": len(result.messages), "Ignored": len(result.ignored), "Malformed": len(result.errors)}
    counts |= {"Announced": len(result.pulls)}
    counter.telemetry.count(counts | {"Verified": sum(counts.values())}, channel=channel)
    counter.telemetry.info(
        "received",
        channel=channel,
        account=payload.account,
        messages=[message.message_id for message in result.messages],
        ignored=[item.kind for item in result.ignored],
        malformed=[f"{item.where}: {item.reason}" for item in result.errors],
        announced=[task.source for task in result.pulls],
    )


def _refuse(counter: Counter, answer: HttpAnswer, reason: str, channel: str = "unknown") -> HttpAnswer:
    counter.telemetry.count({"Rejected": 1}, channel=channel)
    counter.telemetry.warning("refused", channel=channel, reason=reason, status=answer.status)
    return answer
