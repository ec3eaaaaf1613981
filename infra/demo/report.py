"""The demo on a terminal: the messages, what was refused, the archive's parts, and where to look next."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from infra.demo.tour import Delivery, Outcome
from infra.records.shown import labels_in_chinese

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SHORT = 24  # columns of a reply; the outbox has them whole
SHANGHAI = timezone(timedelta(hours=8))
REFUSED = {400: "malformed", 401: "signature refused", 403: "signature refused", 404: "no such account", 413: "too large"}


def report(outcome: Outcome, console: Console) -> None:
    """Print what happened."""
    console.print(_messages(outcome))
    console.print(_refusals(outcome))
    console.print(_parts(outcome))
    console.print(_drill(outcome))
    _sum_up(outcome, console)


def _table(title: str, *columns: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("channel", "prio", "team", "status", "due"))
    return table


def _messages(outcome: Outcome) -> Table:
    table = _table(
        "Messages", "channel", "message (masked)", "labels", "prio", "team", "status", "due", "reply, or why there is none"
    )
    status = {c["conversation"]: c["status"] for c in outcome.conversations}
    for message in outcome.messages:
        routing = message["routing"]
        table.add_row(
            message["channel"],
            _said(message),
            labels_in_chinese(message["labels"]),
            str(routing["priority"]),
            routing["team"],
            status[message["conversation"]],
            _local(routing["due_at"]) if status[message["conversation"]] != "idle" else "–",
            _reply(message["reply"]),
        )
    return table


def _said(message: dict[str, Any]) -> str:
    heard = next((a["transcript"] for a in message["attachments"] if a.get("transcript")), "")
    kind = "" if message["kind"] == "text" else f"({message['kind']}) "
    return kind + (message["text"] or heard)


def _local(iso: str) -> str:
    return datetime.fromisoformat(iso).astimezone(SHANGHAI).strftime("%m-%d %H:%M")


def _reply(reply: dict[str, Any] | None) -> str:
    if reply is None:
        return "undecided"
    if reply["state"] != "sent":
        return f"— {reply['reason']}"
    return f"{reply['reason']}: {_shortened(' '.join(reply['text'].split()))}"


def _shortened(text: str) -> str:
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= SHORT else set_cell_size(text, SHORT - 1) + "…"


def _refusals(outcome: Outcome) -> Table:
    table = _table("What was refused, or needed nothing", "channel", "what it was", "answer", "why")
    for delivery in outcome.deliveries:
        letter = delivery.letter
        if delivery.malformed:
            _add(table, delivery, f"{delivery.malformed} item malformed, its siblings stored")
        elif not letter.expected:
            status = delivery.statuses[-1]
            _add(table, delivery, REFUSED.get(status, "duplicate" if letter.native_id else "nothing to store"))
    return table


def _add(table: Table, delivery: Delivery, why: str) -> None:
    letter = delivery.letter
    table.add_row(f"{letter.channel}/{letter.account}", letter.says, ", ".join(map(str, delivery.statuses)), why)


def _parts(outcome: Outcome) -> Table:
    table = _table("Archive, read back and compared", "part", "messages", "bytes", "sha256")
    for part in outcome.archive["parts"]:
        table.add_row(part["key"], str(part["count"]), str(part["bytes"]), part["sha256"][:16] + "…")
    return table


def _drill(outcome: Outcome) -> Table:
    drill = outcome.drill
    told = {name: step.told for name, step in drill.steps.items()}
    table = _table("What operators do with what is kept", "what", "command", "outcome")
    for name, what, said in (
        (
            "unpack",
            "month-end pack opened",
            ", ".join(f"{sheet} {rows}" for sheet, rows in sorted(drill.sheets.items()) if rows),
        ),
        ("verify", "archive read again", f"{told['verify']['parts']} parts, {told['verify']['messages']} messages sound"),
        (
            "restore",
            "one conversation back",
            f"{drill.left} messages in the table after expiry, {told['restore']['messages']} restored",
        ),
        ("search", "complaints of a day", f"{told['search']['count']} found"),
        ("erase", "one person erased", _counts(told["erase"]["counts"])),
        ("search_again", "and looked for", f"{told['search_again']['count']} messages found of {told['whole']['count']}"),
        ("restore_again", "and restored?", f"{told['restore_again']['messages']} would come back, none of that person"),
    ):
        table.add_row(what, drill.steps[name].command, said)
    return table


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in sorted(counts.items()))


def _sum_up(outcome: Outcome, console: Console) -> None:
    webhooks = sum(len(delivery.statuses) for delivery in outcome.deliveries)
    states = Counter(conversation["status"] for conversation in outcome.conversations)
    waiting = ", ".join(f"{count} {status}" for status, count in sorted(states.items()))
    console.print(
        f"{webhooks} webhooks, {len(outcome.messages)} messages, {len(outcome.outbox)} replies that reached a platform."
    )
    console.print(f"{len(outcome.conversations)} conversations: {waiting}.")
