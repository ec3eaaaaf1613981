"""Which words made the model say a label: asked for by people, and worked out then, for the same weights always say the same.

Each n-gram and each concept that speaks for a label lends its weight to the characters it is made of; the stretches with the most of it
are the label's spans. Features that have no one place (any two words, which rules fired) are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from zlib import crc32

from functions.classify.model import ngrams
from functions.classify.model.scoring import Scorer, view
from functions.classify.reading import Reading
from functions.common.judgement import Span

MOST_SPANS = 3
# A character counts if it has at least this share of the most that any has.
_SHARE = 0.4
_WORD = re.compile(ngrams.WORD)


def spans(scorer: Scorer, reading: Reading, label: str) -> tuple[Span, ...]:
    """The stretches of the message's masked text that speak most for `axis.value`; none for a label that has no lane."""
    if label not in scorer.lanes or len(reading.folded.text) > ngrams.LONGEST:
        return ()
    text = view(reading)
    credit = [0.0] * len(text)
    for kind, feature, start, end in _placed(scorer, text):
        worth = scorer.worth(kind, feature, label)
        for place in range(start, end) if worth > 0 else ():
            credit[place] += worth / (end - start)
    stretches = sorted(_stretches(text, credit), key=lambda stretch: -sum(credit[slice(*stretch)]))[:MOST_SPANS]
    return tuple(_span(reading, *stretch) for stretch in sorted(stretches))


def _placed(scorer: Scorer, text: str) -> Iterator[tuple[str, int, int, int]]:
    """Kind, hash, start and end of each feature that has a place."""
    for start, end, concept in scorer.concepts().find(text):
        yield "concepts", concept, start, end
    plain = ngrams.without_values(text)
    for word in _WORD.finditer(plain):
        yield "ngrams", crc32(word[0].encode(), ngrams.WORDS), *word.span()
    if not plain.isascii():
        coded = plain.encode("utf-16-le", "surrogatepass")
        # Of characters outside the first plane two units make one: places would not be those of the text.
        if len(coded) == 2 * len(plain):
            for size in range(1, 5):
                for at in range(len(plain) - size + 1):
                    yield "ngrams", crc32(coded[2 * at : 2 * (at + size)]), at, at + size


def _stretches(text: str, credit: list[float]) -> Iterator[tuple[int, int]]:
    """Runs of characters with enough credit, without the blanks around them."""
    least = max(credit, default=0.0) * _SHARE
    start: int | None = None
    for place, own in enumerate([*credit, 0.0]):
        counts = own > 0 and own >= least and (text[place : place + 1].strip() != "" or start is not None)
        if counts and start is None:
            start = place
        elif not counts and start is not None:
            yield start, place
            start = None


def _span(reading: Reading, start: int, end: int) -> Span:
    if reading.bare is not None:
        start, end = reading.bare.stretch(start, end)
    return reading.folded.span(start, end)
