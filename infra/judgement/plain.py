"""A plain text as rules and model read it, without a message around it."""

from __future__ import annotations

from functions.classify.language import detect
from functions.classify.reading import Reading
from functions.common.folding import fold
from functions.common.masking import Masked, mask, placeholders, without


def plain_text(text: str, *, first_contact: bool = False) -> tuple[Masked, Reading]:
    """A text message of a channel without ways of its own: masked, and its reading."""
    masked = mask(text)
    blanks = placeholders(masked.text)
    reading = Reading(
        folded=fold(masked.text, blanks),
        channel="generic",
        kind="text",
        attachments=(),
        language=detect(without(masked.text, blanks), fallback=None),
        first_contact=first_contact,
        masked=tuple(masked.counts()),
    )
    return masked, reading
