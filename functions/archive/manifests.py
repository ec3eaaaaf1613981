"""The archive's ledger in the table: which run may write, which parts it has begun, and which of them count.

| item | pk | sk | |
|---|---|---|---|
| manifest | `A#yyyymm` | `dd#part` | `writing` → `committed` (from here on readers trust it) → `done` (its messages are marked) |
| pending pointer | `A#pending` | part | from the intent until the part is done or discarded: recovery finds parts by it |
| removal | `A#removals` | key of a part's object | the part no longer counts, and its object must go; `instead`: what took its place |
| loss | `A#lost` | part | the part was lost after its commit; its messages are filed anew (`refiled`: when they all were) |
| copy | `A#copies` | day and part | the part is committed, and not known to have its second copy |
| fence | `A#run` | `fence` | the run that began last |

Runs exclude each other by the fence alone. Whoever begins takes it; an intent and a commit are transactions that hold only while the run
still has it. An earlier run, however slow, can commit nothing once a later one has begun to look at what it left; and a crashed run keeps
nobody waiting, as it would with a lease that must run out first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Literal

from functions.archive.parts import Part, Proof
from functions.common import keys
from functions.common.clock import from_iso, to_iso
from functions.common.errors import Poison, aws_faults
from functions.common.table import ConditionFailed, Item, Table, to_item
from functions.common.wire import plain

REMOVALS_PK = "A#removals"
COPIES_PK = "A#copies"
LOST_PK = "A#lost"
_PENDING = "A#pending"
_FENCE = ("A#run", "fence")

State = Literal["writing", "committed", "done", "lost"]


class Superseded(Exception):
    """Another run has begun since: it has taken over whatever this one has not committed."""


class ManifestInvalid(Poison, ValueError):
    """What stands where a manifest should is none: a field is missing, or no such thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a part holds. `first` and `last` are receipt times, `bytes` and `sha256` those of the object at `key`.

    `replaces` names the part whose place it took, less some lines; its messages were marked when that was written. `cleaned` has the marks
    of the retention rules that went over it. `late_from` and `late_until` are its part's.
    """

    part: str
    key: str
    day: str
    channel: str
    run: str
    began: datetime
    state: State
    count: int
    sha256: str
    bytes: int
    first: datetime
    last: datetime
    bundles: tuple[str, ...]
    replaces: str | None = None
    cleaned: tuple[str, ...] = ()
    late_from: datetime | None = None
    late_until: datetime | None = None


def intent(part: Part, *, name: str, key: str, run: str, began: datetime) -> Manifest:
    """The manifest of a part that is about to be written."""
    proof: Proof = part.proof
    return Manifest(
        part=name,
        key=key,
        day=part.day,
        channel=part.channel,
        run=run,
        began=began,
        state="writing",
        count=proof.count,
        sha256=proof.sha256,
        bytes=proof.bytes,
        first=part.first,
        last=part.last,
        bundles=part.bundles,
        late_from=part.late_from,
        late_until=part.late_until,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A part that was begun and is neither done nor discarded for certain."""

    part: str
    key: str
    day: str
    began: datetime


class Ledger:
    """Every method may raise `Unavailable`; those that say so raise `Superseded`. `copied`: parts are noted for a second copy."""

    def __init__(self, table: Table, *, copied: bool = False) -> None:
        self.table = table
        self.copied = copied

    def open(self, run: str, now: datetime) -> None:
        """Take the fence."""
        pk, sk = _FENCE
        self.table.put({"pk": pk, "sk": sk, "run": run, "began": to_iso(now)})

    def intend(self, manifest: Manifest) -> None:
        """Note a part before its object is written; `Superseded`."""
        self._while_fenced(manifest.run, self._put_new(manifest_item(manifest)), self._put_new(_pointer(manifest)))

    def commit(self, manifest: Manifest) -> Manifest:
        """Let a proven part count; `Superseded`."""
        update = self._while_in("writing", manifest) | {"UpdateExpression": "SET #state = :committed"}
        update["ExpressionAttributeValues"] |= to_item({":committed": "committed"})
        self._while_fenced(manifest.run, {"Update": update}, *self._to_copy(manifest))
        return replace(manifest, state="committed")

    def done(self, manifest: Manifest) -> None:
        """Note that every message of a committed part is marked; `Superseded` when a later run took it out of the ledger meanwhile."""
        key = keys.manifest_key(manifest.day, manifest.part)
        try:
            self.table.update(*key, "SET #state = :done", values={":done": "done"}, condition="attribute_exists(pk)")
        except ConditionFailed:
            raise Superseded(manifest.run) from None
        self.forget(manifest.part)

    def pending(self) -> Iterator[Pending]:
        """Parts that earlier runs left, in the order of their names."""
        for item in self.table.query("pk = :pk", {":pk": _PENDING}):
            yield Pending(part=item["sk"], key=item["key"], day=item["day"], began=from_iso(item["began"]))

    def committed(self, first: str, last: str) -> Iterator[Manifest]:
        """The committed parts of the days from `first` to `last`, YYYY-MM-DD, oldest day first."""
        month = first[:7]
        while month <= last[:7]:
            begin = first[8:] if month == first[:7] else "00"
            end = last[8:] if month == last[:7] else "31"
            # "$" is the character after "#".
            values = {":pk": keys.manifest_key(f"{month}-01", "")[0], ":first": f"{begin}#", ":last": f"{end}$"}
            for item in self.table.query("pk = :pk AND sk BETWEEN :first AND :last", values):
                if item["state"] != "writing":
                    yield manifest_from(item)
            year, number = int(month[:4]), int(month[5:])
            month = f"{year + number // 12:04d}-{number % 12 + 1:02d}"

    def stored(self, day: str, part: str) -> Manifest | None:
        """A part's manifest as it is now; None when the part was discarded."""
        item = self.table.get(*keys.manifest_key(day, part))
        return None if item is None else manifest_from(item)

    def discard(self, manifest: Manifest, run: str) -> None:
        """Remove, for `run`, the manifest of a part that was never committed; `Superseded`."""
        self._while_fenced(run, {"Delete": self._while_in("writing", manifest)})

    def replace(self, old: Manifest, new: Manifest) -> Manifest:
        """Let a proven part count in the place of another, whose object is noted for removal; `Superseded`."""
        update = self._while_in("writing", new) | {"UpdateExpression": "SET #state = :committed"}
        update["ExpressionAttributeValues"] |= to_item({":committed": "committed"})
        self._while_fenced(new.run, {"Update": update}, *self._gone(old, new), *self._to_copy(new))
        return replace(new, state="committed")

    def drop(self, manifest: Manifest, run: str) -> None:
        """Let a part no longer count, and note its object for removal; `Superseded`."""
        self._while_fenced(run, *self._gone(manifest))

    def strike(self, manifest: Manifest, run: str, now: datetime) -> None:
        """Let a part that is lost no longer count, and remember the loss: what was marked with its name is in no part; `Superseded`."""
        loss = {**manifest_item(replace(manifest, state="lost")), "pk": LOST_PK, "sk": manifest.part, "since": to_iso(now)}
        delete, note = self._gone(manifest)
        # Whoever wrote it may be alive and mark its messages still; if that has come to its end, the conversations leave the index.
        delete["Delete"] |= self._while_in("committed", manifest)
        self._while_fenced(run, delete, note, self._put_new(loss), {"Delete": self._at((_PENDING, manifest.part))})

    def open_losses(self) -> Iterator[Manifest]:
        """Lost parts of whose messages it is not yet known that they were all filed anew."""
        yield from (manifest_from(item) for item in self.table.query("pk = :pk", {":pk": LOST_PK}) if "refiled" not in item)

    def close_losses(self, before: datetime, now: datetime) -> None:
        """Note that every message received before `before` is filed: a lost part that held no others is made good."""
        for manifest in self.open_losses():
            if manifest.last < before:
                self.table.update(LOST_PK, manifest.part, "SET #refiled = :now", values={":now": to_iso(now)})

    def relist(self, manifest: Manifest, run: str) -> None:
        """Put a part that counted once back into a ledger that lost it, for `run`; as committed it is finished by the next run of the
        archive. `Superseded`, also when it is there.
        """
        pointer = (self._put_new(_pointer(manifest)),) if manifest.state == "committed" else ()
        self._while_fenced(run, self._put_new(manifest_item(manifest)), *pointer)

    def note_removal(self, manifest: Manifest, run: str) -> None:
        """Note for removal, for `run`, the object of a part that is in no ledger; `Superseded`."""
        note = {"TableName": self.table.name, "Item": to_item({"pk": REMOVALS_PK, "sk": manifest.key})}
        self._while_fenced(run, {"Put": note})

    def note_cleaned(self, manifest: Manifest, mark: str) -> None:
        """Remember that a retention rule went over a part; nothing to do when it was written anew meanwhile."""
        values = {":cleaned": [*(known for known in manifest.cleaned if known != mark), mark]}
        key = keys.manifest_key(manifest.day, manifest.part)
        with suppress(ConditionFailed):
            self.table.update(*key, "SET #cleaned = :cleaned", values=values, condition="attribute_exists(pk)")

    def _to_copy(self, manifest: Manifest) -> tuple[dict[str, Any], ...]:
        note = {"pk": COPIES_PK, "sk": f"{manifest.day}#{manifest.part}", "key": manifest.key}
        return ({"Put": {"TableName": self.table.name, "Item": to_item(note)}},) if self.copied else ()

    def _gone(self, manifest: Manifest, instead: Manifest | None = None) -> tuple[dict[str, Any], ...]:
        delete = self._at(keys.manifest_key(manifest.day, manifest.part)) | {"ConditionExpression": "attribute_exists(pk)"}
        note = {"pk": REMOVALS_PK, "sk": manifest.key}
        if instead is not None:
            note |= {"day": instead.day, "instead": instead.part}
        return {"Delete": delete}, {"Put": {"TableName": self.table.name, "Item": to_item(note)}}

    def forget(self, part: str) -> None:
        """Remove a part's pending pointer."""
        self.table.delete(_PENDING, part)

    def _while_fenced(self, run: str, *writes: dict[str, Any]) -> None:
        fence = self._at(_FENCE) | {
            "ConditionExpression": "#run = :run",
            "ExpressionAttributeNames": {"#run": "run"},
            "ExpressionAttributeValues": to_item({":run": run}),
        }
        client: Any = self.table.client
        with aws_faults("TransactWriteItems"):
            try:
                client.transact_write_items(TransactItems=[{"ConditionCheck": fence}, *writes])
            except client.exceptions.TransactionCanceledException as refused:
                # Other reasons (a conflict, throttling) are faults of the moment.
                if any(reason.get("Code") == "ConditionalCheckFailed" for reason in refused.response["CancellationReasons"]):
                    raise Superseded(run) from None
                raise

    def _while_in(self, state: State, manifest: Manifest) -> dict[str, Any]:
        return self._at(keys.manifest_key(manifest.day, manifest.part)) | {
            "ConditionExpression": "#state = :was",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": to_item({":was": state}),
        }

    def _put_new(self, item: Item) -> dict[str, Any]:
        put = {"TableName": self.table.name, "Item": to_item(item), "ConditionExpression": "attribute_not_exists(pk)"}
        return {"Put": put}

    def _at(self, key: tuple[str, str]) -> dict[str, Any]:
        return {"TableName": self.table.name, "Key": to_item({"pk": key[0], "sk": key[1]})}


def lost_parts(table: Table) -> frozenset[str]:
    """The names of parts that were lost: an item marked with one of them is in no part."""
    return frozenset(item["sk"] for item in table.query("pk = :pk", {":pk": LOST_PK}))


def _pointer(manifest: Manifest) -> Item:
    return {
        "pk": _PENDING,
        "sk": manifest.part,
        "key": manifest.key,
        "day": manifest.day,
        "began": to_iso(manifest.began),
    }


def manifest_item(manifest: Manifest) -> Item:
    """A manifest as the table has it."""
    pk, sk = keys.manifest_key(manifest.day, manifest.part)
    return {"pk": pk, "sk": sk, **plain(manifest)}


def manifest_from(item: Item) -> Manifest:
    """A manifest out of its item, or its note in the bucket; `ManifestInvalid` when it is none."""
    try:
        return _manifest(item)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ManifestInvalid(f"{item.get('pk', 'a note')} {item.get('sk', '')}: not a manifest of ours") from None


def _manifest(item: Item) -> Manifest:
    known = {field.name: item[field.name] for field in fields(Manifest) if field.name in item}
    for name in ("began", "first", "last"):
        known[name] = from_iso(known[name])
    for name in {"late_from", "late_until"} & known.keys():
        known[name] = from_iso(known[name])
    return Manifest(**known | {name: tuple(known.get(name, ())) for name in ("bundles", "cleaned")})
