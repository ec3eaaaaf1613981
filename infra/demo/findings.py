"""What happened against what should have: a list of differences, each one line. No differences, and the demo is as promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from infra.demo.letters import Expected
from infra.demo.tour import Outcome


def findings(outcome: Outcome) -> list[str]:
    """Every difference between the story and what became of it."""
    return [
        *_statuses(outcome),
        *_messages(outcome),
        *_replies(outcome),
        *_queues(outcome),
        *_archive(outcome),
        *_drill(outcome),
    ]


def _statuses(outcome: Outcome) -> Iterator[str]:
    for delivery in outcome.deliveries:
        letter = delivery.letter
        if delivery.statuses != letter.answers:
            what = letter.says or letter.native_id
            yield f"{letter.channel}, {what}: answered {delivery.statuses}, not {letter.answers}"


def _messages(outcome: Outcome) -> Iterator[str]:
    stored: dict[str, list[dict[str, Any]]] = {}
    for message in outcome.messages:
        stored.setdefault(message["native_id"], []).append(message)
    last = {c["conversation"]: c["count"] for c in outcome.conversations}
    status = {c["conversation"]: c["status"] for c in outcome.conversations}
    expected = {native: e for delivery in outcome.deliveries for native, e in delivery.letter.expected.items()}
    for native, wanted in expected.items():
        found = stored.pop(native, [])
        if len(found) != 1:
            yield f"message {native}: stored {len(found)} times"
            continue
        (message,) = found
        yield from (f"message {native}: {difference}" for difference in _differences(message, wanted))
        # A conversation's status is that after its last message.
        if message["seq"] == last[message["conversation"]] and status[message["conversation"]] != wanted.status:
            yield f"message {native}: its conversation is {status[message['conversation']]}, not {wanted.status}"
    yield from (f"message {native}: stored, and should not be" for native in stored)


def _differences(message: dict[str, Any], wanted: Expected) -> Iterator[str]:
    seen = message["labels"] | {"kind": message["kind"], "team": message["routing"]["team"]}
    for axis, value in (wanted.labels | {"kind": wanted.kind, "team": wanted.team}).items():
        if seen[axis] != value:
            yield f"{axis} is {seen[axis]}, not {value}"
    reply = message["reply"] or {"reason": None, "state": None}
    if (reply["reason"], reply["state"] == "sent") != (wanted.reply, wanted.sent):
        yield f"reply is {reply['state']} ({reply['reason']}), not {'sent' if wanted.sent else 'none'} ({wanted.reply})"
    if wanted.masked and wanted.masked in message["text"]:
        yield "personal data was not masked"


def _replies(outcome: Outcome) -> Iterator[str]:
    sent = [message["message_id"] for message in outcome.messages if (message["reply"] or {}).get("state") == "sent"]
    arrived = [reply["in_reply_to"] for reply in outcome.outbox]
    if sorted(sent) != sorted(arrived):
        yield f"{len(sent)} replies recorded as sent, {len(arrived)} reached a platform, or not the same ones"


def _queues(outcome: Outcome) -> Iterator[str]:
    for queue in outcome.queues:
        if queue["visible"] + queue["in_flight"] + queue["delayed"]:
            yield f"queue {queue['name']} is not empty"


def _archive(outcome: Outcome) -> Iterator[str]:
    filed = sum(part["count"] for part in outcome.archive["parts"])
    if filed != len(outcome.messages):
        yield f"{filed} messages archived, {len(outcome.messages)} stored"
    if outcome.again["parts"]:
        yield "a second archive run archived something again"


def _drill(outcome: Outcome) -> Iterator[str]:
    drill, total = outcome.drill, len(outcome.messages)
    told = {name: step.told for name, step in drill.steps.items()}
    of = Counter(message["conversation"] for message in outcome.messages)
    for what, is_, wanted in (
        ("the month's pack", sum(drill.sheets.values()), total),
        ("sound messages in the archive", told["verify"]["messages"], total),
        ("problems of the archive", len(told["verify"]["problems"]), 0),
        ("messages left after expiry", drill.left, 0),
        ("messages of the conversation brought back", told["restore"]["messages"], of[drill.conversation]),
        ("messages found", told["whole"]["count"], total),
        ("complaints found", told["search"]["count"], _complaints(outcome)),
        ("archived messages erased", told["erase"]["counts"].get("archived_messages", 0), of[drill.person]),
        ("messages found after the erasure", told["search_again"]["count"], total - of[drill.person]),
        (
            "messages that a restore would bring back",
            told["restore_again"]["messages"],
            total - of[drill.person] - of[drill.conversation],
        ),
    ):
        if is_ != wanted:
            yield f"{what}: {is_}, not {wanted}"


def _complaints(outcome: Outcome) -> int:
    return sum(message["labels"]["business"] == "complaint" for message in outcome.messages)
