"""Whether markdown would leave a text as it is: what platforms show beside plain text some show in markdown only."""

from __future__ import annotations

import re

# Emphasis, code, headings, quotes, links and pictures, tables; lists, rules and underlined headings; code by indentation.
_ACTIVE = re.compile(r"[*_`#<>\[\]|~\\]|^[ \t]{0,9}(?:[-+=]|[0-9]{1,9}[.)]\s)|^(?: {4}|\t)", re.MULTILINE)


def reads_as_itself(*texts: str) -> bool:
    """Whether markdown has nothing to read in any of the texts."""
    return not any(_ACTIVE.search(text) for text in texts)
