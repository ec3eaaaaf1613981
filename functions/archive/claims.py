"""Which month's pack tells a message of the table, decided once for each message.

A message counts when it was received, or when it was stored where that was long after (`late_at`). By the time a pack is made all that
counts before its end is there to be found, but for one case: a message that was stored, and whose conversation's update, by which it is
found, failed until it was a dead letter. Brought back later it counts as stored only then (`Store.note_late`), unless a pack came across
it after all, beside others of its conversation.

So a pack claims each of its messages on the message (`packed`): of the two whoever writes first decides. It claims many in one
transaction, which holds only while the pack is not sealed. Then it is sealed, and only then read: what is claimed is told, by whoever
makes the pack and however often. What was found by nobody until then counts as stored when the archive takes it (`Sealed.misses`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from typing import Any

from functions.archive.allowance import Allowance, OutOfTime
from functions.archive.crew import Crew
from functions.archive.hot import HotReader
from functions.archive.packs import PACKS_PK, Packs, Term
from functions.archive.parts import Filed
from functions.common import keys
from functions.common.clock import to_iso
from functions.common.errors import Unavailable, aws_faults
from functions.common.table import Table, to_item

# A transaction takes a hundred items, and four megabytes of them.
_TOGETHER = 50
_LETTERS = 400_000
_TRIES = 5
# So many conversations are read before the time is looked at.
_CONVERSATIONS = 256
_REFUSED = "ConditionalCheckFailed"


class PackSealed(Exception):
    """Another run has sealed the pack: nothing more is claimed for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """`hot` reads what is in no part; `crew` is how many conversations are read at a time. May raise `Unavailable`."""

    table: Table
    hot: HotReader
    crew: Crew

    def claim(self, term: Term, time: Allowance) -> None:
        """Claim every message of the table that a pack tells, from where the last run ended. `OutOfTime` leaves the rest to the next;
        `PackSealed` when there is no rest.
        """
        batch = _Batch(lambda some: self._write(term, some))
        for place, some in self._steps(term, term.claimed, time):
            self.crew.each(lambda pk: self._claim(pk, term, batch), some)
            batch.flush()
            # At each step: one in the midst of which the invocation dies is all that is read again.
            Packs(self.table).note_claimed(term.month, place)

    def told(self, term: Term, time: Allowance, keep: Callable[[Filed], None]) -> None:
        """Give `keep` every message of the table that was claimed for a pack, several at a time. `OutOfTime`."""
        for _, some in self._steps(term, None, time):
            self.crew.each(lambda pk: self._keep(pk, term, keep), some)

    def _keep(self, pk: str, term: Term, keep: Callable[[Filed], None]) -> None:
        for filed in self.hot.of(pk, term.cut):
            if filed.claimed and term.counts(filed.judged):
                keep(filed)

    def _claim(self, pk: str, term: Term, batch: _Batch) -> None:
        for filed in self.hot.of(pk, term.cut):
            if not filed.claimed and term.counts(filed.judged):
                batch.add(filed)

    def _steps(self, term: Term, after: str | None, time: Allowance) -> Iterator[tuple[str, list[str]]]:
        """The conversations in which there may be some, many at a time, in the index's order; with each step, how far that is."""
        first, _, begin = (after or "0#").partition("#")
        for shard in range(int(first), self.hot.shards):
            entries = self.hot.entries(shard, term.cut, begin if shard == int(first) else "")
            while some := list(islice(entries, _CONVERSATIONS)):
                if not time.has_time_to_collect():
                    raise OutOfTime
                yield f"{shard}#{some[-1].since}", [entry.pk for entry in some]

    def _write(self, term: Term, some: list[Filed]) -> None:
        """Claim them, but for those that were archived or noted as late since they were read: these have other marks now."""
        for _ in range(_TRIES):
            reasons = self._reasons(term, some)
            if not reasons:
                return
            if reasons[0] == _REFUSED:
                raise PackSealed(term.month)
            some = [filed for filed, reason in zip(some, reasons[1:], strict=True) if reason != _REFUSED]
            if not some:
                return
        raise Unavailable("TransactWriteItems")

    def _reasons(self, term: Term, some: list[Filed]) -> list[str]:
        """Write them in one transaction; why it was refused, for the pack and for each of them, or nothing."""
        client: Any = self.table.client
        check = {"ConditionCheck": self._at(PACKS_PK, term.month) | {"ConditionExpression": "attribute_not_exists(sealed)"}}
        with aws_faults("TransactWriteItems"):
            try:
                client.transact_write_items(TransactItems=[check, *map(self._claimed, some)])
            except client.exceptions.TransactionCanceledException as refused:
                return [str(reason.get("Code")) for reason in refused.response["CancellationReasons"]]
        return []

    def _claimed(self, filed: Filed) -> dict[str, Any]:
        """The write that claims a message which is still as it was read."""
        key = keys.split(filed.judged.message.message_id)
        as_read = {"archived": filed.lost, "late_at": filed.judged.late_at and to_iso(filed.judged.late_at)}
        held = [f"{name} = :{name}" if value else f"attribute_not_exists({name})" for name, value in as_read.items()]
        values = {f":{name}": value for name, value in as_read.items() if value}
        update = self._at(keys.conversation_pk(key.conv), keys.message_sk(key)) | {
            "UpdateExpression": "SET packed = :yes",
            "ConditionExpression": " AND ".join(["attribute_exists(pk)", "attribute_not_exists(packed)", *held]),
            "ExpressionAttributeValues": to_item({":yes": "yes", **values}),
        }
        return {"Update": update}

    def _at(self, pk: str, sk: str) -> dict[str, Any]:
        return {"TableName": self.table.name, "Key": to_item({"pk": pk, "sk": sk})}


class _Batch:
    """Messages that are claimed together, handed in by several threads."""

    def __init__(self, write: Callable[[list[Filed]], None]) -> None:
        self._write = write
        self._lock = Lock()
        # By id: an entry of the index that moves while it is read comes twice, and a transaction takes no item twice.
        self._some: dict[str, Filed] = {}
        self._letters = 0

    def add(self, filed: Filed) -> None:
        """Claim one, sooner or later."""
        with self._lock:
            self._some[filed.judged.message.message_id] = filed
            self._letters += len(filed.judged.message.text or "")
            if len(self._some) >= _TOGETHER or self._letters >= _LETTERS:
                self._claim()

    def flush(self) -> None:
        """Claim those that wait."""
        with self._lock:
            if self._some:
                self._claim()

    def _claim(self) -> None:
        # One at a time: two transactions that look at the same pack are in each other's way.
        some, self._some, self._letters = list(self._some.values()), {}, 0
        self._write(some)
