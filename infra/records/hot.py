"""Messages that no part holds yet, as files beside the archive's parts, so that one query finds both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from functions.archive.due import DueReader
from functions.archive.hot import HotReader
from functions.archive.parts import Filed, line
from functions.archive.tombstones import Tombstones
from functions.common import keys
from functions.common.clock import EPOCH
from functions.common.store import Conversation
from functions.common.table import Table
from functions.common.telemetry import Telemetry
from infra.records.question import Question

_HELD = 1000


class HotMessages:
    """Hot messages of a question, as one part more; none that came late from somebody who was erased. `unreadable` counts stored messages
    that this code cannot read.
    """

    def __init__(self, table: Table, shards: int) -> None:
        self._tombstones = Tombstones(table)
        self._notes = Unreadable()
        self._reader = HotReader(table, shards, DueReader(table, shards, self._notes))

    @property
    def unreadable(self) -> int:
        """How many messages could not be read."""
        return self._notes.count_of_errors

    def read(self, question: Question) -> Iterator[Filed]:
        """The messages received in the question's time, of its channels, accounts and conversation."""
        since, until = question.period.since, question.period.until
        erased = self._tombstones.all_of(self._tombstones.certificates(EPOCH))
        if question.conversation is not None:
            found = self._reader.read_one(question.conversation, since, until)
        else:
            found = self._reader.read(since, until, wanted=lambda conversation: _may_hold(conversation, question))
        for filed in found:
            message = filed.judged.message
            if not erased.covers(keys.split(message.message_id).conv, message.received_at):
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


def _may_hold(conversation: Conversation, question: Question) -> bool:
    in_channel = not question.channels or conversation.channel in question.channels
    return in_channel and (not question.accounts or conversation.account in question.accounts)


def _flush(places: dict[Path, list[bytes]]) -> set[Path]:
    written = set(places)
    for path, lines in places.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.writelines(lines)
    places.clear()
    return written


class Unreadable(Telemetry):
    """Counts what a function would log: stdout is the command's result here."""

    def __init__(self) -> None:
        self.count_of_errors = 0

    def error(self, outcome: str, fault: BaseException, **keys: Any) -> None:  # noqa: ARG002
        """One message more that cannot be read."""
        self.count_of_errors += 1
