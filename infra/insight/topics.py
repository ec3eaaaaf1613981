"""Rising phrases: what people say more of than in the period before, per channel and label.

Candidates are runs of two to six Chinese characters and of one to three Latin words, counted once per message. They are ranked by the
log-odds ratio with an informative Dirichlet prior (Monroe, Colaresi and Quinn, "Fightin' Words", 2008): the prior is what both periods say
together, the score is in standard deviations. A phrase within a longer one of nearly the same count is left out.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from functions.common.folding import fold
from functions.common.masking import placeholders

_HAN_RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")
_WORDS = re.compile(r"[a-z][a-z'-]*(?: [a-z][a-z'-]*)*")
_LONGEST_HAN, _LONGEST_WORDS = 6, 3
# Words that hold others together: a phrase neither begins nor ends with one.
_FUNCTION_HAN = frozenset(
    "的了吗呢吧啊呀么是在就都也还又很太有我你您他她它们这那个一和与或把被给让对从到为于之而但请着过上下里"
)
_FUNCTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be but by can do does did for from had has have he her his how i if in is it its me my no not of on or our "
        "please she so thank thanks that the their them there they this to us was we were what when where which who why will with would "
        "you your hi hello just get got am any all been could very",
    )
)
_WEIGHT_OF_PRIOR = 100.0
_PRUNE_ABOVE = 400_000


@dataclass(slots=True)
class Period:
    """What was said in one period: in how many messages each phrase was, and how many messages there were."""

    phrases: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    pruned_below: int = 0

    def add(self, text: str | None) -> None:
        """Count one masked message."""
        self.messages += 1
        self.phrases.update(phrases(text or ""))
        if len(self.phrases) > _PRUNE_ABOVE:
            # What is rare so far cannot rise above the rest; memory stays flat whatever the volume.
            self.pruned_below += 1
            self.phrases = Counter({phrase: count for phrase, count in self.phrases.items() if count > self.pruned_below})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rising:
    """A phrase, in how many messages it is now and was before, and how surprising that is in standard deviations."""

    phrase: str
    now: int
    before: int
    score: float


def phrases(text: str) -> set[str]:
    """The candidate phrases of a masked text."""
    folded = fold(text, placeholders(text)).text
    found = {
        run[start : start + size]
        for run in _HAN_RUN.findall(folded)
        for size in range(2, min(_LONGEST_HAN, len(run)) + 1)
        for start in range(len(run) - size + 1)
    }
    kept = {phrase for phrase in found if phrase[0] not in _FUNCTION_HAN and phrase[-1] not in _FUNCTION_HAN}
    for words in (match.split(" ") for match in _WORDS.findall(folded)):
        for size in range(1, min(_LONGEST_WORDS, len(words)) + 1):
            for start in range(len(words) - size + 1):
                part = words[start : start + size]
                if part[0] not in _FUNCTION_WORDS and part[-1] not in _FUNCTION_WORDS and len(" ".join(part)) > 2:
                    kept.add(" ".join(part))
    return kept


def rising(now: Period, before: Period, *, top: int = 10, at_least: int = 3, score: float = 1.96) -> list[Rising]:
    """The phrases that rose most, most surprising first: in at least so many messages, by at least so many standard deviations."""
    found = []
    for phrase, count in now.phrases.items():
        if count >= at_least:
            surprise = _surprise(count, now.messages, before.phrases.get(phrase, 0), before.messages)
            if surprise >= score:
                found.append(Rising(phrase=phrase, now=count, before=before.phrases.get(phrase, 0), score=round(surprise, 2)))
    found.sort(key=lambda each: (-each.score, -len(each.phrase), each.phrase))
    return _apart(found, top)


def _surprise(now: int, messages_now: int, before: int, messages_before: int) -> float:
    """Standard deviations by which the phrase's log-odds rose, shrunk towards what both periods say together."""
    share = (now + before) / (messages_now + messages_before)
    prior = max(share * _WEIGHT_OF_PRIOR, 0.05)
    rest = _WEIGHT_OF_PRIOR - prior
    odds_now = math.log((now + prior) / (messages_now - now + rest))
    odds_before = math.log((before + prior) / (messages_before - before + rest))
    return (odds_now - odds_before) / math.sqrt(1 / (now + prior) + 1 / (before + prior))


def _apart(found: Iterable[Rising], top: int) -> list[Rising]:
    """The first `top`, without those that a better one holds or is held by: they are the same topic."""
    kept: list[Rising] = []
    for each in found:
        if len(kept) == top:
            break
        same = next((place for place, other in enumerate(kept) if _overlap(each.phrase, other.phrase)), None)
        if same is None:
            kept.append(each)
        elif kept[same].phrase in each.phrase and each.now >= 0.8 * kept[same].now:
            kept[same] = each
    return kept


def _overlap(one: str, other: str) -> bool:
    """Whether two phrases have most of the shorter one in common."""
    common = SequenceMatcher(None, one, other, autojunk=False).find_longest_match()
    return common.size >= 0.6 * min(len(one), len(other))
