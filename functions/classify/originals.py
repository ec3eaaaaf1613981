"""A message without personal data, and apart from it what was taken out, for the vault."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from functions.classify.masking import mask
from functions.common.message import Attachment, Contact, Interactive, Link, Location, Message, ReplyTo

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """`message` holds masked text only; `counts` says how much of each kind was masked; `originals` has each changed field as it was."""

    message: Message
    counts: dict[str, int]
    originals: dict[str, str]

    def for_vault(self) -> bytes:
        """The originals as JSON: `{"version": 1, "fields": {"text": "…", "attachments.0.caption": "…"}}`."""
        return json.dumps({"version": VERSION, "fields": self.originals}, ensure_ascii=False).encode("utf-8", "replace")


def clear(message: Message) -> Cleared:
    """Mask every field in which people write; ids, links and tokens stay as they are."""
    masker = _Masker()
    cleared = replace(
        message,
        contact=masker.contact(message.contact),
        text=masker.field("text", message.text),
        attachments=tuple(masker.attachment(place, item) for place, item in enumerate(message.attachments)),
        location=masker.location(message.location),
        interactive=masker.interactive(message.interactive),
        link=masker.link(message.link),
        reply_to=masker.reply_to(message.reply_to),
        pii_masked=True,
    )
    return Cleared(message=cleared, counts=masker.counts, originals=masker.originals)


class _Masker:
    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.originals: dict[str, str] = {}

    def field(self, path: str, text: str | None) -> str | None:
        if not text:
            return text
        masked = mask(text)
        if masked.findings:
            self.originals[path] = text
            for kind, count in masked.counts().items():
                self.counts[kind] = self.counts.get(kind, 0) + count
        return masked.text

    def contact(self, contact: Contact) -> Contact:
        return replace(contact, name=self.field("contact.name", contact.name)) if contact.name else contact

    def attachment(self, place: int, item: Attachment) -> Attachment:
        path = f"attachments.{place}"
        return replace(
            item,
            filename=self.field(f"{path}.filename", item.filename),
            caption=self.field(f"{path}.caption", item.caption),
            transcript=self.field(f"{path}.transcript", item.transcript),
        )

    def location(self, place: Location | None) -> Location | None:
        if place is None:
            return None
        return replace(
            place, label=self.field("location.label", place.label), address=self.field("location.address", place.address)
        )

    def interactive(self, tapped: Interactive | None) -> Interactive | None:
        return tapped and replace(tapped, title=self.field("interactive.title", tapped.title))

    def link(self, link: Link | None) -> Link | None:
        return link and replace(link, title=self.field("link.title", link.title), desc=self.field("link.desc", link.desc))

    def reply_to(self, quoted: ReplyTo | None) -> ReplyTo | None:
        return quoted and replace(quoted, text=self.field("reply_to.text", quoted.text))
