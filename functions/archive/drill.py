"""The drill: a sample of the archive is brought back, into a table that nothing else uses, and compared with what was filed.

A part that reads back (`expiry`, `postroom archive verify`) is proof of its bytes; that messages come back out of it whole is proved here,
through the same store that serves the inbox. Where the hot table still has the message, the two must be equal as well. Nothing to bring
back is a failure, unless nothing is archived.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any

from functions.archive.bucket import ArchiveBucket
from functions.archive.manifests import Ledger, Manifest
from functions.archive.parts import ArchiveUnproven, Filed, read_part
from functions.common import keys
from functions.common.dynamo_store import DynamoStore
from functions.common.errors import Retryable
from functions.common.judgement import Judged
from functions.common.store import AlreadyRecorded, AlreadyStored
from functions.common.telemetry import Telemetry

SAMPLE = 50
MONTHS = 12


class DrillFailed(Retryable):
    """What came back out of the archive is not what was filed; the message names the part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """`scratch` is the drill's own table, `hot` the real one, of which it only reads. `random` chooses the sample."""

    ledger: Ledger
    bucket: ArchiveBucket
    scratch: DynamoStore
    hot: DynamoStore
    telemetry: Telemetry
    random: Random

    def practise(self, now: datetime) -> dict[str, Any]:
        """Restore and compare a sample; `DrillFailed` or `ArchiveUnproven` when it is not what was filed, or not to be found."""
        manifest = None
        try:
            manifest = self._chosen(now)
            if manifest is None:
                return self._nothing()
            compared = sum(map(self._compared, self._sample(manifest)))
        except (DrillFailed, ArchiveUnproven) as fault:
            self.telemetry.error("drill_failed", fault, key=manifest.key if manifest else None)
            self.telemetry.count({"DrillsFailed": 1})
            raise
        self.telemetry.count({"DrillsPassed": 1})
        self.telemetry.info("drill_passed", key=manifest.key, compared=compared)
        return {"outcome": "passed", "key": manifest.key, "compared": compared, "more": False}

    def _nothing(self) -> dict[str, Any]:
        """There is no part in the ledger: as it should be only where there is none in the bucket either."""
        if self.bucket.first_day() is not None and next(self.ledger.pending(), None) is None:
            raise DrillFailed("the bucket holds parts, and the ledger none")
        self.telemetry.count({"DrillsPassed": 1})
        self.telemetry.info("drill_had_nothing")
        return {"outcome": "nothing_archived", "key": "", "compared": 0, "more": False}

    def _chosen(self, now: datetime) -> Manifest | None:
        """A part of a month chosen among the last twelve, or of the newest before them; None when there is none in any."""
        months = _months((now + timedelta(days=1)).date(), self.bucket.first_day())
        recent, older = months[:MONTHS], months[MONTHS:]
        self.random.shuffle(recent)
        for month in (*recent, *older):
            parts = list(self.ledger.committed(f"{month}-01", f"{month}-31"))
            if parts:
                return self.random.choice(parts)
        return None

    def _sample(self, manifest: Manifest) -> list[Filed]:
        """Messages that stand together, from a place chosen in the part."""
        start = self.random.randrange(max(1, manifest.count - SAMPLE + 1))
        return list(islice(read_part(self.bucket.whole(manifest)), start, start + SAMPLE))

    def _compared(self, filed: Filed) -> int:
        """Bring one message back, read it, compare, and clear the scratch table again, whatever the outcome."""
        message_id = filed.judged.message.message_id
        self._clear(message_id)  # what a drill that was cut short left
        try:
            self._restore(filed)
            _same(filed.judged, self.scratch.message(message_id), message_id)
            _same(filed.reply, self.scratch.reply(message_id), message_id)
            there = self.hot.message(message_id)
            if there is not None:
                _same(filed.judged, _without_token(there), message_id)
        finally:
            self._clear(message_id)
        return 1

    def _restore(self, filed: Filed) -> None:
        try:
            self.scratch.add_message(filed.judged)
            if filed.reply is not None:
                self.scratch.add_reply(filed.reply)
        except (AlreadyStored, AlreadyRecorded) as clash:
            raise DrillFailed(f"{clash}: another drill is at work") from None

    def _clear(self, message_id: str) -> None:
        key = keys.split(message_id)
        for sk in (keys.reply_sk(key), keys.message_sk(key)):
            self.scratch.table.delete(keys.conversation_pk(key.conv), sk)


def _same(filed: Any, restored: Any, message_id: str) -> None:
    if filed != restored:
        raise DrillFailed(f"{message_id}: not what was filed")


def _without_token(judged: Judged) -> Judged:
    """As the archive files it: what a reply was addressed with is not kept."""
    message = judged.message
    return replace(judged, message=replace(message, reply=replace(message.reply, token=None)))


def _months(today: date, first: str | None) -> list[str]:
    """The last so many months, YYYY-MM, this one first, and those before them since the day `first`."""
    last = today.year * 12 + today.month
    begin = last - MONTHS if first is None else min(last - MONTHS, int(first[:4]) * 12 + int(first[5:7]) - 1)
    return [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in range(last - 1, begin - 1, -1)]
