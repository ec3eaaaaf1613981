"""From conditions as the configuration writes them to tests that can be asked of a message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from functions.classify.circumstances import of_circumstance
from functions.classify.conditions import Test, all_of, any_of, none_of
from functions.classify.config import Condition
from functions.classify.keywords import Edges, Keyword
from functions.classify.patterns import patterned
from functions.classify.phrases import Words, mentions, near, only, phrased, valued
from functions.classify.substance import Vocabulary
from functions.common.errors import BundleInvalid
from functions.common.folding import fold_keyword


@dataclass(frozen=True, slots=True)
class Lexicons:
    """The word lists of the rules, and the names of those whose words add nothing to a message."""

    lists: Mapping[str, list[str]]
    filler: list[str] = field(default_factory=list)
    known: dict[str, Words] = field(default_factory=dict)

    def words(self, names: Iterable[str], where: str) -> Words:
        """Their entries as keywords; `BundleInvalid` at `where` for a name that no list has."""
        names = list(names)
        unknown = sorted(set(names) - self.lists.keys())
        if unknown:
            raise BundleInvalid(f"{where}: unknown {', '.join(unknown)}")
        return frozenset[Keyword]().union(*map(self._of_list, names))

    def _of_list(self, name: str) -> Words:
        """One list's keywords, folded once however many rules name it."""
        if name not in self.known:
            self.known[name] = frozenset(keyword_of(entry, f"rules.lexicons.{name}") for entry in self.lists[name])
        return self.known[name]

    def vocabulary(self, names: Iterable[str], where: str) -> Vocabulary:
        """Their words and the filler, as what a message may be made of."""
        filler = self.words(self.filler, "rules.filler")
        return Vocabulary.of(keyword.text for keyword in self.words(names, where) | filler)


def compiled(condition: Condition, lexicons: Lexicons, where: str) -> Test:
    """A condition ready to be asked; `BundleInvalid` at `where` for an unknown lexicon or a keyword with nothing in it."""
    parts = [*_nested(condition, lexicons, where), *_of_text(condition, lexicons, where), *of_circumstance(condition)]
    return parts[0] if len(parts) == 1 else all_of(parts)


def keyword_of(entry: str, where: str, *, edges: Edges | None = None) -> Keyword:
    """A keyword as the configuration writes it. `refund*` need only begin a word; a lexicon's Latin entries are whole words."""
    folded = fold_keyword(entry.rstrip("*"))
    if not folded:
        raise BundleInvalid(f"{where}: {entry!r} leaves nothing to look for")
    if edges is None:
        edges = "both" if folded.isascii() else "none"
    return Keyword(folded, "start" if entry.endswith("*") and edges == "both" else edges)


def _nested(condition: Condition, lexicons: Lexicons, where: str) -> Iterator[Test]:
    if condition.all:
        yield all_of([compiled(part, lexicons, f"{where}.all.{place}") for place, part in enumerate(condition.all)])
    if condition.any:
        yield any_of([compiled(part, lexicons, f"{where}.any.{place}") for place, part in enumerate(condition.any)])
    if condition.not_:
        yield none_of(compiled(condition.not_, lexicons, f"{where}.not"))


def _of_text(condition: Condition, lexicons: Lexicons, where: str) -> Iterator[Test]:
    excepted = _keywords(condition.except_, f"{where}.except")
    if condition.contains:
        yield mentions(_keywords(condition.contains, f"{where}.contains", edges="none"), excepted)
    if condition.word:
        yield mentions(_keywords(condition.word, f"{where}.word", edges="both"), excepted)
    if condition.exactly:
        yield mentions(_keywords(condition.exactly, f"{where}.exactly", edges="whole"), excepted)
    if condition.lexicon:
        yield mentions(lexicons.words(condition.lexicon, f"{where}.lexicon"), excepted)
    if condition.near:
        pair, at = condition.near, f"{where}.near"
        yield near(_keywords(pair.first, f"{at}.first"), _keywords(pair.then, f"{at}.then"), pair.within, excepted)
    if condition.valued:
        yield valued(_keywords(condition.valued, f"{where}.valued"), excepted)
    if condition.phrase:
        yield phrased([_parts(entry, f"{where}.phrase") for entry in condition.phrase], excepted)
    if condition.regex:
        yield patterned(condition.regex, f"{where}.regex")
    if condition.only:
        yield only(lexicons.vocabulary(condition.only, f"{where}.only"))


def _parts(entry: str, where: str) -> list[list[Keyword]]:
    """A phrase in parts, at `…`, each a row of words; between Chinese characters no space is needed, and one makes two words."""
    parts = re.split(r"…|\.{3}", entry)
    return [[keyword_of(word, where) for word in part.split()] or [keyword_of(part, where)] for part in parts]


def _keywords(entries: Iterable[str] | None, where: str, *, edges: Edges | None = None) -> Words:
    return frozenset(keyword_of(entry, where, edges=edges) for entry in entries or ())
