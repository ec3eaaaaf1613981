"""One answer as the platform takes it: what it cannot show becomes words, what is too long becomes parts.

Parts go in order: the text's, with the buttons under its last one, then the picture. Each has an idempotency key of its own. After a part
that the platform took, and before the next, the record says how many are out: whoever goes on later begins there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from functions.autoreply.case import Case
from functions.autoreply.replybook import ReplyBook
from functions.autoreply.templates import Language
from functions.channels import registry
from functions.channels.codecs import plain_form, text_parts
from functions.channels.contract import Adapter, OutgoingReply, Shows
from functions.common.message import Message
from functions.common.origin import MARK, UNMARKED


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is to be said: `buttons` are titles, and whoever taps one says it; `image_url` is a picture's address."""

    text: str
    buttons: tuple[str, ...] = ()
    image_url: str | None = None


def answer_of(book: ReplyBook, template: str | None, text: str, language: Language) -> Answer:
    """A text with what its template has beside it; an answer that no template gave has nothing beside it."""
    known = book.templates.get(template or "")
    if known is None:
        return Answer(text=text)
    return Answer(text=text, buttons=known.buttons(language), image_url=known.image_url)


def parts_of(case: Case, template: str | None, text: str) -> int:
    """How many of the platform's messages an answer takes."""
    answer = answer_of(case.policy.book, template, text, case.language)
    return len(parcels(case.message, answer, registry.adapter(case.message.channel)))


def parcels(
    message: Message, answer: Answer, adapter: Adapter, *, mark: str = MARK, reply_id: str | None = None
) -> tuple[OutgoingReply, ...]:
    """The parts of an answer to a message, in order. A person's has no mark, and an id of its own in the place of the message's."""
    shows = adapter.shows.to(message)
    image = answer.image_url if shows.image else None
    buttons = answer.buttons if _fit(answer, shows, adapter) else ()
    address = answer.image_url if image is None and shows.links else None
    words = plain_form.in_words(answer.text, () if buttons else answer.buttons, address)
    whole = OutgoingReply(
        message_id=reply_id or message.message_id,
        native_id=message.native_id,
        contact=message.contact.primary,
        text=words,
        not_after=message.reply.expires_at,
        token=message.reply.token,
    )
    # What the platform refuses to show is said under the text: there must be room for it.
    texts = _texts(words, "" if message.channel in UNMARKED else mark, adapter, beside=plain_form.in_words("", buttons))
    said = [replace(whole, text=text, part=place) for place, text in enumerate(texts)]
    said[-1] = replace(said[-1], buttons=buttons)
    if image:
        said.append(replace(whole, text="", image_url=image, part=len(said)))
    return tuple(said)


def _texts(text: str, mark: str, adapter: Adapter, *, beside: str) -> list[str]:
    """The text in as many parts as it takes, each with the mark: an echo of any part must be known. `beside` fits under any."""
    unit, limit = adapter.max_text_unit, adapter.max_text if adapter.shows.parts else None
    taken = text_parts.size(f"{mark}\n{beside}" if beside else mark, unit)
    parts = text_parts.split(text, limit - taken, unit) if limit else (text,)
    return [mark + part for part in parts]


def _fit(answer: Answer, shows: Shows, adapter: Adapter) -> bool:
    """Whether the platform shows these buttons under this text."""
    fits = len(answer.buttons) <= shows.buttons and all(len(title) <= shows.button_title for title in answer.buttons)
    beside = text_parts.size(MARK + answer.text, adapter.max_text_unit)
    return fits and (shows.text_beside_buttons is None or beside <= shows.text_beside_buttons)
