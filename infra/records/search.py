"""One question over what is in the table and what is in the archive: each message once, newest first, page by page.

The table is read first. A message that is archived meanwhile is then found twice, and said once; the other way round it might be missed.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from functions.common import keys
from infra.records.catalogue import Catalogue
from infra.records.cursor import cursor
from infra.records.hot import HotMessages
from infra.records.linked import Links, sightings
from infra.records.local_archive import LocalArchive
from infra.records.question import CONVERSATION_MARK, Place, Question, sql, who
from infra.records.shelf import Shelf

Line = dict[str, Any]


@dataclass(slots=True)
class Page:
    """Some results, one at a time; once they are through, `cursor` says where the next page begins, if there is one."""

    messages: Iterator[Line]
    cursor: str | None = None


class Archived(Protocol):
    """An archive that can be asked."""

    def open(self, question: Question, hot: list[Path], lists: Mapping[str, Path]) -> AbstractContextManager[Opened]:
        """Make ready for a question. `hot` are files of messages that belong to it and are in no part."""


class Opened(Protocol):
    """An archive that is ready."""

    def lines(self, question: Question, *, limit: int, after: Place | None) -> Iterator[str]:
        """The question's messages, newest first; one may come twice, next to each other."""

    def who(self, question: Question) -> Iterator[str]:
        """Whom the question's contacts mean: rows of `question.who`, some perhaps twice."""

    def hold(self, name: str, path: Path) -> None:
        """Take a list more."""


@dataclass(frozen=True, slots=True)
class OnThisMachine:
    """Parts fetched to this machine and searched by DuckDB, hot messages beside them as one part more."""

    shelf: Shelf
    scratch: Path

    @contextmanager
    def open(self, question: Question, hot: list[Path], lists: Mapping[str, Path]) -> Iterator[Opened]:
        """Fetch the parts."""
        yield _Local(LocalArchive([*self.shelf.parts(question), *hot], lists, self.scratch))


@dataclass(frozen=True, slots=True)
class OnAws:
    """The same query in Athena; hot messages, which Athena does not see, are asked of DuckDB here and merged."""

    athena: Any
    catalogue: Catalogue
    scratch: Path

    @contextmanager
    def open(self, question: Question, hot: list[Path], lists: Mapping[str, Path]) -> Iterator[Opened]:
        """Put the lists where Athena finds them."""
        del question
        with self.athena.holding(lists) as hold:
            without = self.catalogue.uncommitted()
            yield _Remote(self.athena, LocalArchive(hot, lists, self.scratch), without, hold)


@dataclass(frozen=True, slots=True)
class _Local:
    archive: LocalArchive

    def lines(self, question: Question, *, limit: int, after: Place | None) -> Iterator[str]:
        return self.archive.lines(sql(question, limit=limit, after=after))

    def who(self, question: Question) -> Iterator[str]:
        return self.archive.lines(who(question))

    def hold(self, name: str, path: Path) -> None:
        self.archive.hold(name, path)


@dataclass(frozen=True, slots=True)
class _Remote:
    athena: Any
    hot: LocalArchive
    without: tuple[str, ...]
    held: Callable[[str, Path], None]

    def lines(self, question: Question, *, limit: int, after: Place | None) -> Iterator[str]:
        there = self.athena.lines(sql(question, limit=limit, after=after, without=self.without))
        here = self.hot.lines(sql(question, limit=limit, after=after))
        return heapq.merge(there, here, key=lambda line: _place(json.loads(line)), reverse=True)

    def who(self, question: Question) -> Iterator[str]:
        yield from self.athena.lines(who(question, without=self.without))
        yield from self.hot.lines(who(question))

    def hold(self, name: str, path: Path) -> None:
        self.held(name, path)
        self.hot.hold(name, path)


@dataclass(frozen=True, slots=True)
class Search:
    """`scratch` is a folder that is removed afterwards. `links` says whom a list of contacts means; without it nobody's are followed."""

    hot: HotMessages
    archived: Archived
    scratch: Path
    links: Links | None = None
    tell: Callable[[str], None] = lambda _: None

    @contextmanager
    def page(self, question: Question, lists: Mapping[str, Path], *, limit: int, after: Place | None = None) -> Iterator[Page]:
        """At most `limit` messages."""
        # Whoever is named in one channel may be linked with what was written in another.
        wide = replace(question, channels=(), accounts=(), conversation=None) if self._follows(question) else question
        hot = self.hot.file(wide, self.scratch / "hot")
        with self.archived.open(wide, hot, lists) as opened:
            if self._follows(question):
                question = self._followed(question, opened, lists)
            # Each may come twice, and one more tells whether there is a next page.
            found = once(map(json.loads, opened.lines(question, limit=2 * limit + 2, after=after)))
            page = Page(iter(()))
            page.messages = _counted(page, found, question, limit)
            yield page

    def _follows(self, question: Question) -> bool:
        return self.links is not None and question.contacts is not None

    def _followed(self, question: Question, opened: Opened, lists: Mapping[str, Path]) -> Question:
        """The question with the conversations that are linked with its contacts'."""
        assert self.links is not None, "links are followed"
        assert question.contacts is not None, "somebody is named"
        with lists[question.contacts].open(encoding="utf-8", newline="\n") as ids:
            meant = self.links.meant(sightings(opened.who(question)), (id_.removesuffix("\n") for id_ in ids))
        self.tell(meant.words())
        if not meant.linked:
            return question
        path, linked = self.scratch / "linked", sorted(meant.linked)
        path.write_text("".join(f"{CONVERSATION_MARK}{conv}\n" for conv in linked), encoding="utf-8")
        name = f"linked-{keys.short_hash(*linked, size=10)}"
        opened.hold(name, path)
        return replace(question, linked=name)


def once(found: Iterable[Line]) -> Iterator[Line]:
    """Each message once; the same ones come next to each other."""
    last = None
    for message in found:
        if _place(message) != last:
            last = _place(message)
            yield message


def _counted(page: Page, found: Iterator[Line], question: Question, limit: int) -> Iterator[Line]:
    last: Line | None = None
    for last in islice(found, limit):
        yield last
    if last is not None and next(found, None) is not None:
        received_at, message_id = _place(last)
        page.cursor = cursor(question, Place(received_at=received_at, message_id=message_id))


def _place(found: Line) -> tuple[str, str]:
    return found["message"]["received_at"], found["message"]["message_id"]
