"""A message without personal data, and apart from it what was taken out, for the vault."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from functions.common.masking import mask
from functions.common.message import Attachment, Contact, Interactive, Link, Location, Message, Referral, ReplyTo

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
    """Mask every field in which people write, and every address; ids and tokens stay as they are."""
    masker = _Masker()
    cleared = replace(
        message,
        contact=masker.contact(message.contact),
        text=masker.field("text", message.text),
        attachments=tuple(masker.attachment(place, item) for place, item in enumerate(message.attachments)),
        location=masker.location(message.location),
        interactive=masker.interactive(message.interactive),
        link=masker.link(message.link),
        mentions=tuple(masker.text(f"mentions.{place}", name) for place, name in enumerate(message.mentions)),
        reply_to=masker.reply_to(message.reply_to),
        referral=masker.referral(message.referral),
        raw_kind=masker.field("raw_kind", message.raw_kind),
        pii_masked=True,
    )
    return Cleared(message=cleared, counts=masker.counts, originals=masker.originals)


class _Masker:
    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.originals: dict[str, str] = {}

    def field(self, path: str, text: str | None, *, is_address: bool = False) -> str | None:
        return text and self.text(path, text, is_address=is_address)

    def text(self, path: str, text: str, *, is_address: bool = False) -> str:
        masked = mask(text, in_paths=is_address)
        if masked.findings:
            self.originals[path] = text
            for kind, count in masked.counts().items():
                self.counts[kind] = self.counts.get(kind, 0) + count
        return masked.text

    def address(self, path: str, url: str | None) -> str | None:
        return self.field(path, url, is_address=True)

    def contact(self, contact: Contact) -> Contact:
        return replace(contact, name=self.field("contact.name", contact.name)) if contact.name else contact

    def attachment(self, place: int, item: Attachment) -> Attachment:
        path = f"attachments.{place}"
        return replace(
            item,
            url=self.address(f"{path}.url", item.url),
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
        return tapped and replace(
            tapped,
            title=self.field("interactive.title", tapped.title),
            payload=self.field("interactive.payload", tapped.payload),
        )

    def link(self, link: Link | None) -> Link | None:
        return link and replace(
            link,
            url=self.text("link.url", link.url, is_address=True),
            title=self.field("link.title", link.title),
            desc=self.field("link.desc", link.desc),
        )

    def reply_to(self, quoted: ReplyTo | None) -> ReplyTo | None:
        return quoted and replace(quoted, text=self.field("reply_to.text", quoted.text))

    def referral(self, referral: Referral | None) -> Referral | None:
        return referral and replace(
            referral,
            source_url=self.address("referral.source_url", referral.source_url),
            headline=self.field("referral.headline", referral.headline),
            ref=self.field("referral.ref", referral.ref),
        )
