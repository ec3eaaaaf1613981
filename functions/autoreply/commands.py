"""Fixed formats that customers type: 查询 12345, `CX 12345`. A format is literal words and `{names}`; a message must be all of it. Pure.

An argument is up to forty letters, digits, hyphens or underscores. Case, full-width forms and what stands between words and arguments
(spaces, a colon) make no difference. What was masked as personal data is no argument.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

LONGEST = 200
_ARGUMENT = re.compile(r"\{([a-z][a-z_]{0,19})\}")
_AROUND = " \t\r\n.。!！"


class FormatInvalid(ValueError):
    """A format that no message could follow, or that would follow from anything. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: the formats that it is typed in, compiled, and the template that answers it."""

    name: str
    formats: tuple[re.Pattern[str], ...]
    reply: str

    @property
    def arguments(self) -> frozenset[str]:
        """The arguments that every format has, and that the reply may therefore name."""
        return frozenset.intersection(*(frozenset(known.groupindex) for known in self.formats))

    def arguments_in(self, text: str) -> Mapping[str, str] | None:
        """What a message says, if it is this command; None if not."""
        found = (known.fullmatch(text) for known in self.formats)
        return next((match.groupdict() for match in found if match), None)


def compiled(text: str) -> re.Pattern[str]:
    """A format as what recognises it; `FormatInvalid` where there is no word in it, or a name stands twice."""
    pieces = _ARGUMENT.split(_plain(text))
    words, names = pieces[::2], pieces[1::2]
    if any("{" in word or "}" in word for word in words):
        raise FormatInvalid("braces hold a name of lower-case letters")
    if not words[0].strip():
        raise FormatInvalid("a format begins with a word")
    if len(set(names)) < len(names) or any(not between.strip() for between in words[1:-1]):
        raise FormatInvalid("arguments need different names, and a word between them")
    pattern = _literal(words[0])
    for name, word in zip(names, words[1:], strict=True):
        pattern += rf"[\s::]*(?P<{name}>[0-9a-z][0-9a-z_-]{{0,39}})" + (rf"\s*{_literal(word)}" if word.strip() else "")
    return re.compile(pattern, re.IGNORECASE | re.ASCII)


def command_in(commands: Iterable[Command], text: str | None) -> tuple[Command, Mapping[str, str]] | None:
    """The first command that a message is, with its arguments as they were typed."""
    if not text or len(text) > LONGEST:
        return None
    plain = _plain(text)
    for command in commands:
        arguments = command.arguments_in(plain)
        if arguments is not None:
            return command, arguments
    return None


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip(_AROUND)


def _literal(words: str) -> str:
    return r"\s*".join(map(re.escape, words.split()))
