"""How fast the other side answers. Two post rooms that take each other for customers answer sooner than people read and type. Pure.

A message is quick if it is as long as replies are, and came within the time that even a fast writer needs to read what we said and to type
it. One quick message means little: somebody pasted, or had begun before. Two in a row, each the only one since our last word, are a
machine's. Where several came since then the time to type the last one counts alone. Short texts are never quick: people who tap through a
menu, and programs that try things out, send three of them in as many seconds; what loops in short texts the other limits end.
"""

from __future__ import annotations

import re
from datetime import timedelta

from functions.autoreply.case import Case
from functions.common.ledger import TURNS, Said

READ = timedelta(seconds=2)
# Strokes in a second, a Han character being three: faster than almost everybody types, by hand or with suggestions.
STROKES = 12
# Twenty Han characters, sixty letters: hardly a reply is shorter, and most of what customers write is.
LONG = timedelta(seconds=5)
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003134f]")


def typing_time(text: str) -> timedelta:
    """How long a fast writer needs for a text, at least."""
    letters = sum(map(str.isalnum, text))
    return timedelta(seconds=(letters + 2 * len(_HAN.findall(text))) / STROKES)


def is_quick(case: Case, said: list[Said]) -> bool:
    """Whether the message came sooner after our last word than a person reads and types. `said`: what counts against the message."""
    message, before = case.message, [each for each in said if each.kind != "+"]
    took = typing_time(message.text or "")
    if took < LONG or not before or before[-1].kind == "p":
        return False
    last, since = before[-1], message.received_at - before[-1].at
    only_one = last.turn is not None and (last.turn + 1) % TURNS == case.judged.seq % TURNS and not case.later
    return timedelta() <= since < (READ + took if only_one else took)
