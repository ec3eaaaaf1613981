"""Regular expressions of rules, run by RE2: its time is linear in the length of the text, whatever the pattern.

There are no back references and no looking around, which is what makes it so (https://github.com/google/re2/wiki/Syntax, ADR 0014). It is
imported when a rulebook has a pattern, so that others do not pay for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Any

from functions.classify.conditions import Case, Evidence, Test
from functions.common.errors import BundleInvalid
from functions.common.folding import fold_keyword

# As much of a text is read, a program may take so many bytes, and so many finds count.
READ = 4000
MEMORY = 256 * 1024
MOST = 3
_SURROGATE = re.compile("[\ud800-\udfff]")


def patterned(entries: Iterable[str], where: str) -> Test:
    """One of the patterns is in the folded text."""
    patterns = [_compiled(entry, f"{where}.{place}") for place, entry in enumerate(entries)]

    def holds(case: Case) -> Evidence | None:
        # RE2 reads UTF-8, which cannot carry half a character.
        text = _SURROGATE.sub("?", case.reading.folded.text[:READ])
        found = {hit.span() for pattern in patterns for hit in islice(pattern.finditer(text), MOST)}
        return tuple(sorted(stretch for stretch in found if stretch[0] < stretch[1])) or None

    return Test(holds, slow=True)


def _compiled(entry: str, where: str) -> Any:
    import re2

    options = re2.Options()
    options.max_mem, options.case_sensitive, options.log_errors = MEMORY, False, False
    try:
        pattern = re2.compile("".join(map(_folded, entry)), options=options)
        empty = pattern.search("")
    except (re2.error, UnicodeEncodeError) as error:
        raise BundleInvalid(f"{where}: {_reason(error)}") from None
    if empty:
        raise BundleInvalid(f"{where}: {entry!r} is found in every text, an empty one too")
    return pattern


def _folded(character: str) -> str:
    """Letters as they are in a folded text; what is ASCII may mean something in a pattern, and case makes no difference."""
    folded = character if character.isascii() else fold_keyword(character)
    return folded if len(folded) == 1 and folded.isalnum() else character


def _reason(error: Exception) -> str:
    said = error.args[0] if error.args else error
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
