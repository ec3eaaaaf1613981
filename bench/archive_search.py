"""Finding words among a million archived messages, and bringing one conversation back out of them, or all. `BENCH_MESSAGES`: fewer."""

from __future__ import annotations

import gc
import os
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, cast
from unittest import mock

from bench.rig import archived
from bench.rig.figures import Figures, aim
from functions.archive.bucket import ArchiveBucket
from functions.archive.manifests import Ledger, Manifest
from functions.archive.tombstones import Tombstones
from functions.common.table import Table
from infra.records.catalogue import Catalogue
from infra.records.linked import Links, sightings
from infra.records.local_archive import LocalArchive
from infra.records.period import Period
from infra.records.question import Question, sql, who
from infra.records.restore import Restorer, Wanted

MESSAGES = int(os.environ.get("BENCH_MESSAGES", "1000000"))
ROUNDS = 3
PERIOD = Period(since=datetime(2026, 11, 1, tzinfo=UTC), until=datetime(2026, 12, 1, tzinfo=UTC))
QUESTIONS = {
    "a rare word": Question(period=PERIOD, keywords=(archived.RARE,)),
    "a common word": Question(period=PERIOD, keywords=("电饭煲",)),
    "a word in Latin letters": Question(period=PERIOD, keywords=("Warranty",)),
    "a label": Question(period=PERIOD, labels=(("business", ("complaint",)),)),
    "a word, a label and a channel": Question(
        period=PERIOD, keywords=("12315",), labels=(("risk", ("legal_media",)),), channels=("generic",)
    ),
    "10,000 contacts, and who is linked": Question(period=PERIOD, contacts="contacts"),
}


def measure() -> Figures:
    """Seconds until a page of fifty is complete."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        manifests = archived.shelved(directory, MESSAGES)
        files = [directory / manifest.key for manifest in manifests]
        contacts = directory / "contacts"
        contacts.write_text("".join(f"+8613{900_000_000 + n * 5:09d}\n" for n in range(10_000)))
        rows, first = [], 0.0
        for what, question in QUESTIONS.items():
            wall, cpu = _timed(lambda asked=question: _page(asked, files, contacts, directory))
            rows.append((what, f"{wall:.2f}", f"{cpu:.2f}"))
            first = first or wall
        wall, cpu = _timed(lambda: _restored(directory, manifests))
        rows.append(("restoring one conversation", f"{wall:.2f}", f"{cpu:.2f}"))
        rows.append(_all_restored(directory, manifests))
    return Figures(
        title=f"{MESSAGES:,} archived messages",
        how=f"{archived.DAYS} days, {len(archived.CHANNELS)} channels, {len(files)} parts of up to {archived.PART} messages on disk; "
        f"seconds until the first fifty results, newest first, are there, median of {ROUNDS}, and of processor time; all are restored "
        "once, by one writer into a table that only takes: seconds are our own, and requests are counted; whom contacts mean is asked of a "
        "table that has no links, a query for each of their conversations",
        columns=("what", "seconds", "processor s"),
        rows=tuple(rows),
        aims=(aim("a rare word", first, 3, " s"),),
    )


def _page(question: Question, files: list[Path], contacts: Path, directory: Path) -> int:
    archive = LocalArchive(files, {"contacts": contacts}, directory)
    if question.contacts is not None:
        ids = contacts.read_text(encoding="utf-8").split()
        links = Links(Table(cast("Any", _Taking()), "bench"))
        assert links.meant(sightings(archive.lines(who(question))), ids).own
    return len(list(archive.lines(sql(question, limit=102))))


def _restored(directory: Path, manifests: list[Manifest]) -> int:
    """The lines of one conversation out of every part, each examined first, into moto's table."""
    from moto import mock_aws

    from functions.common import aws

    with mock.patch.dict("os.environ", {"AWS_DEFAULT_REGION": "us-east-1"}), mock_aws():
        aws.client.cache_clear()
        table = Table(aws.client("dynamodb"), "bench")
        table.client.create_table(
            TableName="bench",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            BillingMode="PAY_PER_REQUEST",
        )
        bucket: Any = _Folder(directory)
        catalogue = Catalogue(Ledger(table), ArchiveBucket(bucket, "bench"))
        now = archived.SINCE + timedelta(days=20)
        restorer = Restorer(table, catalogue, now=now, tombstones=Tombstones(table), writers=1)
        done = restorer.restore(Wanted(conversation=archived.conversation(MESSAGES)), manifests)
        aws.client.cache_clear()
    assert done.messages > 0
    return done.messages


def _all_restored(directory: Path, manifests: list[Manifest]) -> tuple[str, str, str]:
    """Every message into a table that has none of them, and takes each write at once."""
    client: Any = _Taking()
    table, bucket = Table(client, "bench"), ArchiveBucket(cast("Any", _Folder(directory)), "bench")
    restorer = Restorer(
        table,
        Catalogue(Ledger(table), bucket),
        now=archived.SINCE + timedelta(days=20),
        tombstones=Tombstones(table),
        writers=1,
    )
    wall, cpu = time.perf_counter(), _processor()
    done = restorer.restore(Wanted(), manifests)
    wall, cpu = time.perf_counter() - wall, _processor() - cpu
    assert done.messages == sum(manifest.count for manifest in manifests)
    each = client.calls.total() / done.messages
    return f"restoring all {done.messages:,}, {each:.2f} requests each", f"{wall:.2f}", f"{cpu:.2f}"


class _Taking:
    """As much of DynamoDB's client as a restore takes: nothing is there, and every write is taken."""

    class exceptions:  # noqa: N801
        class TransactionCanceledException(Exception):
            pass

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def query(self, **_: Any) -> dict[str, Any]:
        self.calls["query"] += 1
        return {"Items": []}

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        def taken(**_: Any) -> dict[str, Any]:
            self.calls[operation] += 1
            return {}

        return taken


class _Folder:
    """As much of S3 as reading takes, over a folder: what is measured is our own work, not moto's copying."""

    class exceptions:  # noqa: N801
        class NoSuchKey(Exception):
            pass

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get_object(self, *, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        return {"Body": (self._folder / Key).open("rb")}


def _timed(work: Callable[[], int]) -> tuple[float, float]:
    walls, cpus = [], []
    for _ in range(ROUNDS):
        gc.collect()
        wall, cpu = time.perf_counter(), _processor()
        assert work() > 0
        walls.append(time.perf_counter() - wall)
        cpus.append(_processor() - cpu)
    return median(walls), median(cpus)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
