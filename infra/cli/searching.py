"""What `postroom search` is made of: the question out of what was typed, the archive that is asked, and the answer as it is printed."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from functions.archive.bucket import ArchiveBucket
from functions.archive.tombstones import Tombstones
from functions.common.aws import client
from functions.common.clock import system_clock
from functions.common.keys import short_hash
from functions.common.vault import Vault
from infra.cli.place import catalogue_of, zone
from infra.records import region as regions
from infra.records.athena import Athena
from infra.records.contact_list import read_contacts
from infra.records.cursor import resumed
from infra.records.guarded import ErasedMeanwhile, Guarded
from infra.records.hot import HotMessages
from infra.records.labels import labels
from infra.records.linked import Links
from infra.records.period import SEARCHED_MONTHS, Asked, Period, at_most, read_period
from infra.records.progress import told
from infra.records.question import Question, QuestionInvalid
from infra.records.search import OnAws, OnThisMachine, Search
from infra.records.shelf import Shelf
from infra.records.shown import labels_in_chinese, shown
from infra.records.unmask import Unmasking, caller

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from functions.common.table import Table
    from infra.records.search import Archived, Page
    from infra.records.shown import Originals

Several = list[str] | None


@dataclass(frozen=True, slots=True)
class Sources:
    """Where is searched: the stack's table and archive, the latter by Athena (workgroup and database) or with parts kept in a folder."""

    table: Table
    bucket: str
    shards: int
    athena: tuple[str | None, str | None]
    keep: Path | None

    def originals(self, reason: str | None, vault_key: str | None) -> Originals | None:
        """What shows contacts and originals, for a reason; None without one."""
        return None if reason is None else unmasking(self.table, self.bucket, reason, vault_key).originals


def asked(
    time: Asked,
    names: Several,
    conversation: str | None,
    *,
    channel: Several,
    account: Several,
    team: Several,
    keyword: Several,
) -> Question:
    """The question that needs no list; labels by their `names`."""
    return Question(
        period=period(time),
        channels=tuple(channel or ()),
        accounts=tuple(account or ()),
        teams=tuple(team or ()),
        labels=labels(names or ()),
        keywords=tuple(keyword or ()),
        conversation=conversation,
    )


def tell(
    question: Question,
    sources: Sources,
    narrowed: tuple[Path | None, str | None],
    page: tuple[int, str | None],
    originals: Originals | None,
    *,
    as_json: bool,
) -> None:
    """Ask and print one page: at most so many messages, behind a cursor, of the contacts in a file and of a region."""
    with TemporaryDirectory(prefix="postroom-search-") as directory:
        scratch, (limit, cursor) = Path(directory), page
        question, lists = listed(question, *narrowed, scratch)
        question, after = resumed(question, cursor) if cursor else (question, None)
        hot = HotMessages(sources.table, sources.shards)
        parts = sources.keep or scratch / "parts"
        archived = archive_asked(sources.table, sources.bucket, sources.athena, parts, scratch)
        links = Links(sources.table, watched=lambda some, total: told(some, "conversations", total=total))
        search = Search(hot, archived, scratch, links, lambda words: print(words, file=sys.stderr))
        with search.page(question, lists, limit=limit, after=after) as found:
            answer(found, originals, hot, as_json=as_json)


def period(asked: Asked) -> Period:
    """The time asked for, or the last seven days; six months at most."""
    where = zone()
    found = read_period(asked, now=system_clock(), zone=where, default_days=7)
    assert found is not None, "there is a default"
    return at_most(found, SEARCHED_MONTHS, where)


def listed(question: Question, contacts: Path | None, region: str | None, scratch: Path) -> tuple[Question, dict[str, Path]]:
    """The question with its lists, each under a name made of what is in it."""
    lists: dict[str, Path] = {}
    if contacts is not None:
        path = scratch / "contacts"
        found = read_contacts(contacts, path)
        print(f"{contacts.name}: {found.words()}", file=sys.stderr)
        lists[f"contacts-{found.digest}"] = path
        question = replace(question, contacts=f"contacts-{found.digest}")
    if region is not None:
        place = regions.region(region)
        question = replace(question, country=place.country, calling_code=place.calling_code)
        if place.prefixes:
            name, path = f"region-{short_hash(region.strip(), size=5)}", scratch / "region"
            regions.write_prefixes(place, path)
            lists[name] = path
            question = replace(question, prefixes=name)
    return question, lists


def archive_asked(table: Table, bucket: str, athena: tuple[str | None, str | None], parts: Path, scratch: Path) -> Archived:
    """Athena, if a workgroup is named, else this machine."""
    catalogue = catalogue_of(table, bucket)
    workgroup, database = athena
    if workgroup is None:
        return OnThisMachine(Shelf(catalogue, parts, lambda some, total: told(some, "parts", total=total)), scratch)
    if database is None:
        raise QuestionInvalid("--athena needs --database")
    asked = Athena(client("athena"), client("s3", read_seconds=60), workgroup=workgroup, database=database)
    return OnAws(asked, catalogue, scratch)


def unmasking(table: Table, bucket: str, reason: str, vault_key: str | None) -> Unmasking:
    """What opens the vault, in the name of whoever has this machine's credentials."""
    if not vault_key or not reason.strip():
        raise QuestionInvalid("--unmask needs a reason and --vault-key")
    now = system_clock()
    vault = Vault(client("kms"), vault_key, clock=system_clock)
    by, tombstones = caller(client("sts")), Tombstones(table, ArchiveBucket(client("s3"), bucket))
    guarded, why = Guarded(table=table, tombstone=tombstones.key_of), reason.strip()
    return Unmasking(table=table, guarded=guarded, vault=vault, by=by, reason=why, now=now, random=lambda: token_hex(5))


def answer(page: Page, originals: Originals | None, hot: HotMessages, *, as_json: bool) -> None:
    """Each message as it is found, and at the end how to go on."""
    count, where = 0, zone()
    for found in page.messages:
        try:
            message = shown(found, originals)
        except ErasedMeanwhile:
            continue  # it is gone
        count += 1
        print(json.dumps(message, ensure_ascii=False) if as_json else _words(message, where), flush=True)
    if as_json:
        end = {"count": count, "cursor": page.cursor, "unreadable": hot.unreadable}
        print(json.dumps({"end": end}), flush=True)
        return
    more = f"; more with --cursor {page.cursor}" if page.cursor else ""
    unreadable = f"; {hot.unreadable} stored messages cannot be read" if hot.unreadable else ""
    print(f"{count} message{'' if count == 1 else 's'}{more}{unreadable}", file=sys.stderr)


def _words(message: dict[str, Any], where: ZoneInfo) -> str:
    """`11-22 10:00  generic/demo  u…  [投诉 物流]  complaints  text`, one line."""
    at = datetime.fromisoformat(message["received_at"]).astimezone(where)
    who = " ".join(filter(None, (message["contact"], message["name"], message["region"])))
    said = " ".join(message["text"].split()) or f"({message['kind']})"
    labelled = labels_in_chinese(message["labels"])
    return f"{at:%Y-%m-%d %H:%M}  {message['channel']}/{message['account']}  {who}  [{labelled}]  {message['team']}  {said}"
