"""What finding keywords costs as their number grows: the automaton, and beside it a loop that looks for one keyword after another."""

from __future__ import annotations

import random
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import yaml

from bench.rig.figures import Figures, aim
from functions.classify.config import RulesSection
from functions.classify.judging import judge
from functions.classify.keywords import Automaton, Keyword
from functions.classify.reading import read
from functions.classify.rules import RuleBook, read_rules
from infra.cli.bundle import CONFIG
from infra.rulebook.loops import message

COUNTS = (10, 100, 1_000, 10_000, 100_000)
TEXT = "你好，我上周在你们店里买的那件外套尺码不合适，想换一件大一码的，请问怎么操作呢，运费谁出？谢谢老板啦麻烦了"
LETTERS = "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多"
ROUNDS, REPEATS = 7, 200


def measure() -> Figures:
    """Microseconds a text, by number of keywords; the whole of the shipped rules for comparison."""
    keywords = _keywords(max(COUNTS))
    found = [(count, *_times(keywords[:count])) for count in COUNTS]
    first = found[0]
    rows = [
        (
            f"{count:,} keywords",
            f"{automaton:.1f}",
            f"{automaton / first[1]:.2f}",
            f"{loop:.1f}",
            f"{loop / first[2]:.1f}",
            f"{built:.0f}",
        )
        for count, automaton, loop, built in found
    ]
    rows.append(_shipped())
    return Figures(
        title="Keywords found in a text",
        how=f"a text of {len(TEXT)} characters, keywords of two to five Chinese characters drawn at random; "
        f"median of {ROUNDS} rounds of {REPEATS}; "
        "the loop asks `keyword in text` and does not even say where",
        columns=("keywords", "automaton µs", "ratio", "plain loop µs", "ratio", "built in ms"),
        rows=tuple(rows),
        aims=(aim("100,000 keywords against 10", found[-1][1] / first[1], 2.0),),
    )


def _keywords(count: int) -> list[str]:
    chance, words = random.Random(7), dict[str, None]()
    while len(words) < count:
        words["".join(chance.choices(LETTERS, k=chance.randint(2, 5)))] = None
    return list(words)


def _times(keywords: list[str]) -> tuple[float, float, float]:
    began = perf_counter()
    automaton = Automaton(map(Keyword, keywords))
    built = (perf_counter() - began) * 1000
    repeats = max(2, REPEATS * 1000 // max(1000, len(keywords)))
    return (
        _median(lambda: automaton.find(TEXT), REPEATS),
        _median(lambda: [word for word in keywords if word in TEXT], repeats),
        built,
    )


def _shipped() -> tuple[str, ...]:
    raw = yaml.safe_load((CONFIG / "rules.yaml").read_text(encoding="utf-8"))
    section = RulesSection.model_validate(raw)
    book, reading = read_rules(raw), read(message(TEXT))
    built = _median(lambda: RuleBook(section), 1) / 1000
    return (
        f"the shipped rules, all of judging ({len(section.rules)} rules)",
        f"{_median(lambda: judge(book, reading), REPEATS):.1f}",
        "",
        "",
        "",
        f"{built:.0f}",
    )


def _median(what: Callable[[], Any], repeats: int) -> float:
    """Microseconds of one call."""
    return median(_round(what, repeats) for _ in range(ROUNDS))


def _round(what: Callable[[], Any], repeats: int) -> float:
    began = perf_counter()
    for _ in range(repeats):
        what()
    return (perf_counter() - began) / repeats * 1e6
