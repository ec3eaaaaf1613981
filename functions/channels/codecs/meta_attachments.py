"""The attachments of a Messenger or Instagram message.

Media lie behind signed links of Meta's CDN, which expire; a story's goes with the story, a day after it was posted.
https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks/webhook-events/messages
https://developers.facebook.com/docs/messenger-platform/instagram/features/story-mention
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from functions.channels.codecs import json_fields
from functions.channels.codecs.json_fields import Fields, degrees, loggable, optional_id, table, url
from functions.common.message import Attachment, Kind, Link, Location, Sticker

STORY = timedelta(hours=24)
MAX_ATTACHMENTS = 50

_MEDIA: dict[str, Kind] = {"image": "image", "video": "video", "audio": "voice", "file": "file"}
# Something of the platform's own, or of the web, that was shared into the conversation.
_SHARED = frozenset({"fallback", "share", "post", "ig_post", "reel", "ig_reel", "story_mention", "ig_story"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """What was attached. `unknown` is the platform's word for the first attachment that we have none for."""

    media: tuple[Attachment, ...] = ()
    location: Location | None = None
    sticker: Sticker | None = None
    link: Link | None = None
    unknown: str | None = None


def attached(items: Sequence[Fields], until: datetime) -> Attached:
    """The attachments of a message; links to stories expire at `until`."""
    items = items[:MAX_ATTACHMENTS]
    strange = (
        kind for kind in map(_kind, items) if kind not in _MEDIA and kind not in _SHARED and kind not in ("location", "sticker")
    )
    return Attached(
        media=tuple(dict.fromkeys(filter(None, (_medium(item, until) for item in items)))),
        location=next((_location(item) for item in items if _kind(item) == "location"), None),
        sticker=next(filter(None, map(_sticker, items)), None),
        link=next(filter(None, map(_link, items)), None),
        unknown=next(strange, None),
    )


def _kind(item: Fields) -> str:
    return loggable(item.get("type"))


def _medium(item: Fields, until: datetime) -> Attachment | None:
    kind, source = _kind(item), url(table(item, "payload"), "url")
    if _sticker(item) is not None:
        return Attachment(kind="sticker", url=source, needs_download=True) if source else None
    if kind == "story_mention":
        return Attachment(kind="story", url=source, url_expires_at=until, needs_download=True) if source else None
    if kind not in _MEDIA:
        return None
    return Attachment(kind=_MEDIA[kind], url=source, caption=json_fields.text(item, "title"), needs_download=source is not None)


def _sticker(item: Fields) -> Sticker | None:
    # The thumb and its like come as a picture with an id of its own; since 2026 as a type of their own, for a while as both.
    found = optional_id(table(item, "payload"), "sticker_id")
    return Sticker(sticker_id=found) if found or _kind(item) == "sticker" else None


def _location(item: Fields) -> Location:
    place = table(table(item, "payload"), "coordinates")
    return Location(
        lat=degrees(place, "lat", 90),
        lon=degrees(place, "long", 180),
        label=json_fields.text(item, "title"),
    )


def _link(item: Fields) -> Link | None:
    if _kind(item) not in _SHARED:
        return None
    payload = table(item, "payload")
    target = url(payload, "url") or url(item, "url")
    return Link(url=target, title=json_fields.text(payload, "title") or json_fields.text(item, "title")) if target else None
