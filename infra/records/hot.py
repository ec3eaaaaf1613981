"""Messages that no part holds yet, without a Scan: the sparse `archive` index lists the conversations that have any.

The index is eventually consistent: a message of the last second may not be found yet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from functions.archive.due import DueReader
from functions.archive.parts import Filed, line
from functions.common import keys
from functions.common.clock import to_iso
from functions.common.dynamo_store import conversation_from
from functions.common.store import Conversation
from functions.common.table import Table
from functions.common.telemetry import Telemetry
from infra.records.question import Question

_HELD = 1000


class HotMessages:
    """Reads what is in the table only. `unreadable` counts stored messages that this code cannot read."""

    def __init__(self, table: Table, shards: int) -> None:
        self._table = table
        self._shards = shards
        self._notes = _Unreadable()
        self._reader = DueReader(table, shards, self._notes)

    @property
    def unreadable(self) -> int:
        """How many messages could not be read."""
        return self._notes.count_of_errors

    def read(self, question: Question) -> Iterator[Filed]:
        """The messages received in the question's time, of its channels, accounts and conversation."""
        for conversation in self._conversations(question):
            if _may_hold(conversation, question):
                for filed in self._reader.unarchived(conversation):
                    if isinstance(filed, Filed) and question.period.holds(filed.judged.message.received_at):
                        yield filed

    def file(self, question: Question, directory: Path) -> list[Path]:
        """The same as files, laid out as the archive's parts are."""
        places: dict[Path, list[bytes]] = defaultdict(list)
        paths: set[Path] = set()
        for number, filed in enumerate(self.read(question), 1):
            message = filed.judged.message
            # Days of UTC; a question asks for a day more on either side, in whichever zone.
            place = directory / f"dt={message.received_at:%Y-%m-%d}" / f"channel={message.channel}" / "hot.jsonl"
            places[place].append(line(filed))
            if number % _HELD == 0:
                paths |= _flush(places)
        return sorted(paths | _flush(places))

    def _conversations(self, question: Question) -> Iterator[Conversation]:
        if question.conversation is not None:
            yield from filter(None, [self._conversation(keys.conversation_pk(question.conversation))])
            return
        until = to_iso(question.period.until)
        for shard in range(self._shards):
            entries = self._table.query(
                "archive_pk = :pk AND archive_sk < :until", {":pk": f"A#{shard}", ":until": until}, index="archive"
            )
            for entry in entries:
                # The index is eventually consistent, the item is not.
                yield from filter(None, [self._conversation(entry["pk"])])

    def _conversation(self, pk: str) -> Conversation | None:
        item = self._table.get(pk, keys.CONVERSATION_SK)
        return None if item is None else conversation_from(item)


def _may_hold(conversation: Conversation, question: Question) -> bool:
    since = conversation.unarchived_since
    return (
        since is not None
        and since < question.period.until
        and (not question.channels or conversation.channel in question.channels)
        and (not question.accounts or conversation.account in question.accounts)
    )


def _flush(places: dict[Path, list[bytes]]) -> set[Path]:
    written = set(places)
    for path, lines in places.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.writelines(lines)
    places.clear()
    return written


class _Unreadable(Telemetry):
    """Counts what a function would log: stdout is the command's result here."""

    def __init__(self) -> None:
        self.count_of_errors = 0

    def error(self, outcome: str, fault: BaseException, **keys: Any) -> None:  # noqa: ARG002
        """One message more that cannot be read."""
        self.count_of_errors += 1
