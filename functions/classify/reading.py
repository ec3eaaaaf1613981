"""What rules may ask of a message: its folded text and the circumstances it came in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from functions.classify import language
from functions.classify.contacts import count
from functions.classify.disguises import Bare, bare
from functions.common.calendar import Calendars
from functions.common.folding import Folded, fold, fold_keyword
from functions.common.masking import placeholders, without
from functions.common.message import Contact, Message

_LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A masked message as rules see it.

    `masked` names the kinds of personal data that were in it, `names` the sender and those addressed; `encloses` says that there is
    more to it than its words: a picture, a file, a place, a page. `tags` are the conversation's, `heard` the minutes of its last messages.
    """

    folded: Folded
    channel: str
    kind: str
    attachments: tuple[str, ...]
    language: str
    first_contact: bool
    masked: tuple[str, ...]
    names: tuple[str, ...] = ()
    encloses: bool = False
    account: str = ""
    contact: Contact | None = None
    tags: tuple[str, ...] = ()
    heard: tuple[int, ...] = ()
    received_at: datetime = _LONG_AGO
    calendars: Calendars | None = None

    @cached_property
    def bare(self) -> Bare | None:
        """The folded text without its disguises, None when it has none."""
        return bare(self.folded.text)

    def contacts(self, within: timedelta) -> int:
        """How many messages of the conversation came within so long, this one counted."""
        return count(self.heard, self.received_at, within)

    def is_open(self, team: str | None) -> bool:
        """Whether the team, or where None is named the house, works at the time of receipt; without a calendar nobody does."""
        return self.calendars is not None and self.calendars.of(team).is_open(self.received_at)


_IN_WORDS = frozenset({"text", "mixed", "voice", "interactive"})
_GESTURES = frozenset({"sticker", "reaction"})


def read(
    message: Message,
    *,
    masked: tuple[str, ...] = (),
    first_contact: bool = False,
    locale: str | None = None,
    tags: tuple[str, ...] = (),
    heard: tuple[int, ...] = (),
    calendars: Calendars | None = None,
) -> Reading:
    """The reading of a masked message; `locale`, `tags` and `heard` are the conversation's."""
    said = words(message)
    blanks = placeholders(said)
    folded = fold(said, blanks)
    return Reading(
        folded=folded,
        channel=message.channel,
        kind=message.kind,
        attachments=tuple(attachment.kind for attachment in message.attachments),
        language=language.detect(without(said, blanks), fallback=locale),
        first_contact=first_contact,
        masked=masked,
        names=tuple(filter(None, map(fold_keyword, (message.contact.name or "", *message.mentions)))),
        encloses=_encloses(message, said),
        account=message.account,
        contact=message.contact,
        tags=tags,
        heard=heard,
        received_at=message.received_at,
        calendars=calendars,
    )


def _encloses(message: Message, said: str) -> bool:
    if message.kind in _GESTURES:
        return False
    beside = [
        attachment for attachment in message.attachments if attachment.transcript is None or attachment.transcript != said
    ]
    return bool(message.kind not in _IN_WORDS or message.location or message.link or beside)


def words(message: Message) -> str:
    """What the sender said in words; the spans of firings refer to it.

    The text, or where there is none the title of what was tapped, a recording's transcript, a picture's caption, a shared page's title.
    """
    if message.text:
        return message.text
    tapped = (message.interactive.title,) if message.interactive else ()
    spoken = tuple(said for attachment in message.attachments for said in (attachment.transcript, attachment.caption))
    shared = (message.link.title,) if message.link else ()
    return next(filter(None, (*tapped, *spoken, *shared)), "")
