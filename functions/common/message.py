"""The canonical message, version 1: what a platform said, in one shape for all platforms. Frozen; ids are always strings.

The fields are those of the platform sheet's section 2.3. Raw text lives here only between ingest and classify; from
classify on, `text` is the masked text (`pii_masked` tells which).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal[
    "text", "image", "voice", "video", "file", "sticker", "location", "link", "contact",
    "interactive", "order", "reaction", "mixed", "unsupported",
]  # fmt: skip
ReplyMode = Literal["passive", "token", "window", "open", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactId:
    """One id of a person. `scope` names the app, page or number within which the id is unique (openid is per app)."""

    kind: str
    value: str
    scope: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """The sender. `primary` is the platform's own id, the one a reply is addressed to."""

    primary: str
    ids: tuple[ContactId, ...] = ()
    name: str | None = None
    locale: str | None = None
    avatar_url: str | None = None
    is_bot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A picture, recording or file. Sizes in bytes and pixels; `needs_download` when the platform's link expires.

    `url_expires_at`: until when the platform hands it out, by its link or by its `media_id`, where it says so.
    """

    kind: str
    media_id: str | None = None
    url: str | None = None
    url_expires_at: datetime | None = None
    mime: str | None = None
    size: int | None = None
    filename: str | None = None
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    caption: str | None = None
    sha256: str | None = None
    transcript: str | None = None
    needs_download: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where the sender says to be: degrees, accuracy in metres."""

    lat: float
    lon: float
    accuracy: float | None = None
    label: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sticker:
    """A sticker, with the emoji that stands for it where the platform says so."""

    sticker_id: str | None = None
    pack_id: str | None = None
    emoji: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interactive:
    """A tap on something we offered: `type` is button, list, quick_reply, menu, postback or form."""

    type: str
    id: str | None = None
    title: str | None = None
    payload: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A shared page."""

    url: str
    title: str | None = None
    desc: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyTo:
    """The earlier message this one quotes."""

    native_id: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Referral:
    """What brought the sender here: `source` is ad, post, qr, link or share."""

    source: str
    ad_id: str | None = None
    campaign_id: str | None = None
    creative_id: str | None = None
    advertiser_id: str | None = None
    source_url: str | None = None
    headline: str | None = None
    click_id: str | None = None
    ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyWindow:
    """Until when and how often the platform lets us answer this message. `mode` none: it never does."""

    mode: ReplyMode = "open"
    token: str | None = None
    expires_at: datetime | None = None
    max_replies: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """How far the webhook can be trusted: not every platform signs the body or the time."""

    scheme: str
    body_signed: bool
    timestamped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of one person to one of our accounts.

    `message_id` is a pure function of the payload (see `keys`). `sent_at` is None where the platform gives no time;
    `raw_kind` names the platform's own kind when ours is `unsupported`.
    """

    message_id: str
    channel: str
    account: str
    contact: Contact
    kind: Kind
    received_at: datetime
    verification: Verification
    native_id: str | None = None
    native_event_id: str | None = None
    text: str | None = None
    attachments: tuple[Attachment, ...] = ()
    location: Location | None = None
    sticker: Sticker | None = None
    interactive: Interactive | None = None
    link: Link | None = None
    mentions: tuple[str, ...] = ()
    reply_to: ReplyTo | None = None
    referral: Referral | None = None
    conversation_kind: Literal["dm", "group", "channel"] = "dm"
    thread_id: str | None = None
    sent_at: datetime | None = None
    time_precision: Literal["ms", "s", "none"] = "ms"
    reply: ReplyWindow = ReplyWindow()
    raw_kind: str | None = None
    is_redelivery: bool = False
    pii_masked: bool = False
