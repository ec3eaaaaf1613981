"""The archive at work in a process of its own, on a table and a bucket that only seem to be there:
`python -m bench.rig.filing <messages> [busy|mixed|single|first]`.

The table is made up as it is read, so that whatever memory is used is the archive's; it answers as DynamoDB's client does, in pages of a
thousand, and counts what it is asked, and the read units that DynamoDB would bill. Conversations have so many messages due as `MIXES` says
in turn, and so many that are archived already, a reply to each message, over seven days. Parts are written to a folder and read back from
there. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from functions.archive.bucket import ArchiveBucket
from functions.archive.crew import Crew
from functions.archive.due import DueReader
from functions.archive.manifests import Ledger
from functions.archive.marks import Marks
from functions.archive.remains import Remains
from functions.archive.removals import Removals
from functions.archive.retention import read_retention
from functions.archive.service import Cabinet, archive
from functions.archive.tombstones import Tombstones
from functions.common import keys
from functions.common.clock import to_iso, to_ms
from functions.common.dynamo_items import message_item, reply_item
from functions.common.dynamo_links import DynamoLinks
from functions.common.dynamo_store import DynamoStore
from functions.common.identity import People
from functions.common.judgement import Firing, Judged, Judgement, Routing, Span
from functions.common.message import Contact, Message, Verification
from functions.common.store import Reply
from functions.common.table import Table, to_item
from functions.common.telemetry import Telemetry

NOW = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)
DAYS, SHARDS, PAGE = 7, 4, 1000
_UNIT = 4096
_POLICY = {"zone": "Asia/Shanghai", "quiet_hours": 24, "at_latest_days": 7, "hot_days": 30}
_LETTERS = str.maketrans("0189", "abcd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """`due` says, in turn, how many messages a conversation has that are due, `old` how many that are archived."""

    due: tuple[int, ...]
    old: int = 5


# Mixed: four in ten write once a night, two twice, a few go on and on. Single is the worst that conversations can do: each wrote once
# since it was last archived; first: each wrote once ever.
MIXES = {
    "busy": Mix(due=(5,)),
    "mixed": Mix(due=(1, 1, 1, 1, 2, 2, 3, 4, 8, 13)),
    "single": Mix(due=(1,)),
    "first": Mix(due=(1,), old=0),
}


class SeemingTable:
    """As much of boto3's DynamoDB client as the archive uses. `conversations` are spread over the index's shards. `units` are read units as
    DynamoDB bills them: what a request reads together, in steps of 4 KB, half for the index.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
    """

    class exceptions:  # noqa: N801 (boto3's name)
        """As boto3's clients have them."""

        class TransactionCanceledException(Exception):
            """Never raised here."""

    def __init__(self, conversations: int, mix: Mix) -> None:
        self.conversations = conversations
        self.mix = mix
        self.calls: Counter[str] = Counter()
        self.units = 0.0
        self._message, self._reply = _samples()

    def query(self, **asked: Any) -> dict[str, Any]:
        """A page."""
        self.calls["Query"] += 1
        values = asked["ExpressionAttributeValues"]
        pk = values[":pk"]["S"]
        if asked.get("IndexName"):
            page = self._entries(int(pk[2:]), asked.get("ExclusiveStartKey"))
            self.units += _units(page["Items"]) / 2
            return page
        if not pk.startswith("C#"):
            return {"Items": []}
        number, first, end = _number(pk[2:]), values[":first"]["S"], values[":end"]["S"]
        kinds = [make for letter, make in (("M", self._message_of), ("R", self._reply_of)) if first[0] <= letter <= end[0]]
        made = (make(number, turn) for make in kinds for turn in range(self.mix.old + self._due(number)))
        found = [item for item in made if item["sk"]["S"] >= first]
        self.units += _units(found)
        return {"Items": found}

    def get_item(self, Key: dict[str, Any], **_: Any) -> dict[str, Any]:  # noqa: N803
        """A conversation."""
        self.calls["GetItem"] += 1
        number = _number(Key["pk"]["S"][2:])
        old = self.mix.old
        since, count = self._received(number, old), old + self._due(number)
        conversation = {
            "pk": Key["pk"], "sk": Key["sk"], "channel": {"S": "generic"}, "account": {"S": "shop"},
            "contact": {"S": f"p{number}"}, "count": {"N": str(count)}, "rev": {"N": "10"},
            "first_at": {"S": to_iso(self._received(number, 0))},
            "last_at": {"S": to_iso(self._received(number, count - 1))}, "unarchived_since": {"S": to_iso(since)},
            "unarchived_from": {"S": self._suffix(number, old)},
        }  # fmt: skip
        self.units += _units([conversation])
        return {"Item": conversation}

    def _due(self, number: int) -> int:
        return self.mix.due[number % len(self.mix.due)]

    def _received(self, number: int, turn: int) -> datetime:
        ago = timedelta(days=20) if turn < self.mix.old else timedelta(days=2 + number % DAYS, seconds=number % 3600)
        return NOW - ago + timedelta(seconds=20 * turn)

    def _suffix(self, number: int, turn: int) -> str:
        h = f"{turn:010d}".translate(_LETTERS)
        return f"{to_ms(self._received(number, turn)):013d}#{h}"

    def _entries(self, shard: int, start: Any) -> dict[str, Any]:
        first = int(start["n"]["N"]) if start else shard
        numbers = list(range(first, self.conversations, SHARDS))[:PAGE]
        place = {"sk": {"S": "@"}, "archive_pk": {"S": f"A#{shard}"}}
        oldest = [to_iso(self._received(number, self.mix.old)) for number in numbers]
        items = [{"pk": {"S": f"C#{_conv(number)}"}, "archive_sk": {"S": since}, **place}
                 for number, since in zip(numbers, oldest, strict=True)]  # fmt: skip
        more = bool(numbers) and numbers[-1] + SHARDS < self.conversations
        return {"Items": items, **({"LastEvaluatedKey": {"n": {"N": str(numbers[-1] + SHARDS)}}} if more else {})}

    def _message_of(self, number: int, turn: int) -> dict[str, Any]:
        message = dict(self._message["message"]["M"])
        message["message_id"] = {"S": f"{_conv(number)}.{self._suffix(number, turn).replace('#', '.')}"}
        message["received_at"] = message["sent_at"] = {"S": to_iso(self._received(number, turn))}
        item = {**self._message, "pk": {"S": f"C#{_conv(number)}"}, "sk": {"S": f"M#{self._suffix(number, turn)}"}}
        return item | {"message": {"M": message}} | ({"archived": {"S": "earlier"}} if turn < self.mix.old else {})

    def _reply_of(self, number: int, turn: int) -> dict[str, Any]:
        return {**self._reply, "pk": {"S": f"C#{_conv(number)}"}, "sk": {"S": f"R#{self._suffix(number, turn)}"}}

    def __getattr__(self, operation: str) -> Any:
        def write(**_: Any) -> dict[str, Any]:
            self.calls[operation.title().replace("_", "")] += 1
            return {"Attributes": {}}

        return write


class SeemingBucket:
    """As much of boto3's S3 client as the archive uses, over a folder."""

    class exceptions:  # noqa: N801 (boto3's name)
        """As boto3's clients have them."""

        NoSuchKey = FileNotFoundError

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls: Counter[str] = Counter()

    def put_object(self, Key: str, Body: bytes, **_: Any) -> None:  # noqa: N803
        """Write a file."""
        self.calls["PutObject"] += 1
        path = self.folder / Key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Body)

    def get_object(self, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        """Open a file."""
        self.calls["GetObject"] += 1
        return {"Body": (self.folder / Key).open("rb")}


def run(count: int, mix: str = "busy", **batch: int) -> dict[str, Any]:
    """Archive so many messages (or a few less) in one run; what it took. `mix` is one of `MIXES`, `batch` the policy's."""
    due = MIXES[mix].due
    conversations = count // sum(due) * len(due)
    with tempfile.TemporaryDirectory() as folder:
        table, bucket = SeemingTable(conversations, MIXES[mix]), SeemingBucket(Path(folder))
        before, began, used = _peak(), time.perf_counter(), time.process_time()
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            told = archive(_cabinet(table, bucket, batch), run="bench", now=NOW, remaining=lambda: 10**9)
        seconds, processor = time.perf_counter() - began, time.process_time() - used
    assert told["messages"] == count // sum(due) * sum(due), told
    return {
        "messages": told["messages"], "parts": len(told["parts"]), "seconds": seconds, "processor": processor,
        "peak_mb": _peak(), "before_mb": before, "read": told["items_read"], "filed": told["items_filed"],
        "calls": table.calls + bucket.calls, "entries": told["entries_read"], "units": table.units, "mix": mix,
    }  # fmt: skip


def _cabinet(client: Any, s3: Any, batch: dict[str, int]) -> Cabinet:
    table, telemetry, found = Table(client, "seeming"), Telemetry("archive"), ArchiveBucket(s3, "seeming")
    reader, policy = DueReader(table, SHARDS, telemetry), read_retention({"archive": _POLICY | {"batch": batch}})
    return Cabinet(
        ledger=Ledger(table),
        bucket=found,
        reader=reader,
        marks=Marks(table, DynamoStore(table, shards=SHARDS), reader, telemetry),
        crew=Crew(1),
        tombstones=Tombstones(table),
        removals=Removals(table, (found,)),
        remains=Remains(table=table, people=People(DynamoStore(table, shards=SHARDS), DynamoLinks(table))),
        retention=lambda: policy,
        telemetry=telemetry,
    )


def _peak() -> float:
    """The most memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _conv(number: int) -> str:
    return f"{number:016d}".translate(_LETTERS)


def _number(conv: str) -> int:
    return int(conv.translate(str.maketrans("abcd", "0189")))


def _units(items: list[dict[str, Any]]) -> float:
    """The read units of a consistent read of all of them together; one of nothing is billed too."""
    return float(max(-(-sum(map(_size, items)) // _UNIT), 1))


def _size(item: dict[str, Any]) -> int:
    """Bytes of an item as DynamoDB reckons them.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + _of(typed) for name, typed in item.items())


def _of(typed: dict[str, Any]) -> int:
    ((kind, value),) = typed.items()
    if kind == "M":
        return 3 + len(value) + _size(value)
    if kind == "L":
        return 3 + sum(1 + _of(each) for each in value)
    return len(value.encode()) if kind in "SN" else 1


def _samples() -> tuple[dict[str, Any], dict[str, Any]]:
    """A message and a reply as items, less their keys."""
    message_id = keys.message_id("generic", "shop", "p0", NOW, "0")
    message = Message(
        message_id=message_id, channel="generic", account="shop", contact=Contact(primary="p0", name="王芳"), kind="text",
        text="你好,我上周在你们店里买的电饭煲到现在还没有发货,麻烦帮我查一下物流单号,谢谢", sent_at=NOW, received_at=NOW,
        verification=Verification(scheme="standard", body_signed=True, timestamped=True), pii_masked=True,
    )  # fmt: skip
    firing = Firing(rule="logistics", version="7", spans=(Span(start=3, end=9),))
    judgement = Judgement(business="enquiry", content=("logistics",), scores={"business.enquiry": 0.91}, firings=(firing,))
    routing = Routing(team="warehouse", priority=10, due_at=NOW, points={"first_contact": 5}, needs_person=False)
    judged = Judged(message=message, judgement=judgement, routing=routing, bundle="0123456789ab", seq=1)
    reply = Reply(
        message_id=message_id,
        state="sent",
        reason="keyword",
        at=NOW,
        text="您好,已为您转到仓库组。",
        template="hello",
        attempts=1,
    )
    return to_item(message_item(judged)), to_item(reply_item(keys.split(message_id), reply))


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]), *sys.argv[2:3])))
