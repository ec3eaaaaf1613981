"""One question over what is in the table and what is in the archive: each message once, newest first, page by page.

The table is read first. A message that is archived meanwhile is then found twice, and said once; the other way round it might be missed.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from infra.records.catalogue import Catalogue
from infra.records.cursor import cursor
from infra.records.hot import HotMessages
from infra.records.local_archive import LocalArchive
from infra.records.question import Place, Question, sql
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
        with self.athena.holding(lists):
            without = self.catalogue.uncommitted()
            yield _Remote(self.athena, LocalArchive(hot, lists, self.scratch), without)


@dataclass(frozen=True, slots=True)
class _Local:
    archive: LocalArchive

    def lines(self, question: Question, *, limit: int, after: Place | None) -> Iterator[str]:
        return self.archive.lines(sql(question, limit=limit, after=after))


@dataclass(frozen=True, slots=True)
class _Remote:
    athena: Any
    hot: LocalArchive
    without: tuple[str, ...]

    def lines(self, question: Question, *, limit: int, after: Place | None) -> Iterator[str]:
        there = self.athena.lines(sql(question, limit=limit, after=after, without=self.without))
        here = self.hot.lines(sql(question, limit=limit, after=after))
        return heapq.merge(there, here, key=lambda line: _place(json.loads(line)), reverse=True)


@dataclass(frozen=True, slots=True)
class Search:
    """`scratch` is a folder that is removed afterwards."""

    hot: HotMessages
    archived: Archived
    scratch: Path

    @contextmanager
    def page(self, question: Question, lists: Mapping[str, Path], *, limit: int, after: Place | None = None) -> Iterator[Page]:
        """At most `limit` messages."""
        hot = self.hot.file(question, self.scratch / "hot")
        with self.archived.open(question, hot, lists) as opened:
            # Each may come twice, and one more tells whether there is a next page.
            found = once(map(json.loads, opened.lines(question, limit=2 * limit + 2, after=after)))
            page = Page(iter(()))
            page.messages = _counted(page, found, question, limit)
            yield page


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
