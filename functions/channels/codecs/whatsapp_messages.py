"""What one person said on WhatsApp: an item of `entry[].changes[].value.messages[]` in our words.

Media come as ids, good for seven days: Graph gives a link for one, good for minutes.
https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from functions.channels.codecs import json_fields
from functions.channels.codecs.json_fields import Fields, count, degrees, loggable, optional_id, required_id, rows, table, url
from functions.common.message import Attachment, Interactive, Kind, Link, Location, Referral, ReplyTo, Sticker

MAX_FORM = 4096
MAX_CARDS = 20
# What WhatsApp says about the conversation, not what the person says in it.
EVENTS = frozenset({"system", "edit", "revoke", "request_welcome", "ephemeral"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The content of a message, without who, where and when."""

    kind: Kind
    text: str | None = None
    attachments: tuple[Attachment, ...] = ()
    location: Location | None = None
    sticker: Sticker | None = None
    interactive: Interactive | None = None
    link: Link | None = None
    reply_to: ReplyTo | None = None
    raw_kind: str | None = None


def event(message: Fields) -> str | None:
    """The name of what is no message of a person: a changed number, an edit, a deletion, a reaction taken back."""
    kind = loggable(message.get("type"))
    if kind == "reaction" and not json_fields.text(table(message, "reaction"), "emoji"):
        return "unreaction"
    return kind if kind in EVENTS else None


def said(message: Fields) -> Said:
    """The content; `FieldUnreadable` when a field that it needs is missing. A type that is new to us is `unsupported`."""
    kind = loggable(message.get("type"))
    reader = _READERS.get(kind)
    if reader is None or not isinstance(message.get(kind), dict | list):
        # `interactive` without its object is how WhatsApp tells of something that it cannot show.
        return Said(kind="unsupported", raw_kind=kind)
    return reader(message)


def quoted(message: Fields) -> ReplyTo | None:
    """The message that this one answers, or the one of ours whose button was tapped."""
    found = optional_id(table(message, "context"), "id")
    return ReplyTo(native_id=found) if found else None


def referral(message: Fields) -> Referral | None:
    """The ad or post that brought the person here, with the click id that Meta's conversion reports ask for; or the product that they
    ask about, out of our catalogue.
    """
    node, product = table(message, "referral"), table(table(message, "context"), "referred_product")
    source_id, click_id, source_url = optional_id(node, "source_id"), optional_id(node, "ctwa_clid"), url(node, "source_url")
    if not (source_id or click_id or source_url):
        asked_about = optional_id(product, "product_retailer_id")
        return Referral(source="post", ref=asked_about) if asked_about else None
    post = node.get("source_type") == "post"
    return Referral(
        source="post" if post else "ad",
        ad_id=None if post else source_id,
        ref=source_id if post else None,
        source_url=source_url,
        headline=json_fields.text(node, "headline"),
        click_id=click_id,
    )


def _text(message: Fields) -> Said:
    return Said(kind="text", text=json_fields.text(table(message, "text"), "body"))


def _medium(kind: Kind) -> Callable[[Fields], Said]:
    def read(message: Fields) -> Said:
        name = loggable(message.get("type"))
        node = table(message, name)
        caption = json_fields.text(node, "caption")
        attachment = Attachment(
            kind=kind,
            media_id=required_id(node, "id"),
            url=url(node, "url"),
            mime=json_fields.text(node, "mime_type", 128),
            size=count(node, "file_size"),
            filename=json_fields.text(node, "filename", 255),
            caption=caption,
            sha256=json_fields.text(node, "sha256", 128),
            needs_download=True,
        )
        return Said(kind="mixed" if caption else kind, text=caption, attachments=(attachment,))

    return read


def _audio(message: Fields) -> Said:
    # A recording is marked as such; anything else that sounds was sent as a file.
    return _medium("voice" if table(message, "audio").get("voice") is True else "file")(message)


def _sticker(message: Fields) -> Said:
    found = required_id(table(message, "sticker"), "id")
    return Said(kind="sticker", sticker=Sticker(sticker_id=found), attachments=_medium("sticker")(message).attachments)


def _location(message: Fields) -> Said:
    node = table(message, "location")
    place = Location(
        lat=degrees(node, "latitude", 90),
        lon=degrees(node, "longitude", 180),
        label=json_fields.text(node, "name"),
        address=json_fields.text(node, "address"),
    )
    target = url(node, "url")
    return Said(kind="location", location=place, link=Link(url=target) if target else None)


def _contacts(message: Fields) -> Said:
    """Business cards: a line each, since there is a name and a number to read and nothing to fetch."""
    cards = rows(message, "contacts")[:MAX_CARDS]
    return Said(kind="contact", text="\n".join(filter(None, map(_card, cards))) or None)


def _card(card: Fields) -> str:
    numbers = [json_fields.text(phone, "phone", 64) or optional_id(phone, "wa_id") or "" for phone in rows(card, "phones")[:5]]
    return " ".join(filter(None, [json_fields.text(table(card, "name"), "formatted_name", 200), *numbers]))


def _button(message: Fields) -> Said:
    """A tap on a button of a template."""
    node = table(message, "button")
    title = json_fields.text(node, "text")
    return Said(
        kind="interactive",
        text=title,
        interactive=Interactive(type="button", title=title, payload=json_fields.text(node, "payload")),
    )


def _interactive(message: Fields) -> Said:
    node = table(message, "interactive")
    kind = loggable(node.get("type"))
    reply = table(node, kind)
    if kind in ("button_reply", "list_reply"):
        title = json_fields.text(reply, "title")
        tap = Interactive(type=kind.removesuffix("_reply"), id=optional_id(reply, "id"), title=title)
        return Said(kind="interactive", text=title, interactive=tap)
    if kind == "nfm_reply":
        title, filled = json_fields.text(reply, "body"), json_fields.text(reply, "response_json", MAX_FORM)
        form = Interactive(type="form", id=json_fields.text(reply, "name"), title=title, payload=filled)
        return Said(kind="interactive", text=title, interactive=form)
    return Said(kind="unsupported", raw_kind=f"interactive.{kind}"[:64])


def _reaction(message: Fields) -> Said:
    node = table(message, "reaction")
    quoted_id = required_id(node, "message_id")
    return Said(kind="reaction", text=json_fields.text(node, "emoji", 64), reply_to=ReplyTo(native_id=quoted_id))


def _order(message: Fields) -> Said:
    """A basket from the catalogue: the person's note, then a line per product."""
    node = table(message, "order")
    lines = [json_fields.text(node, "text"), *map(_product, rows(node, "product_items")[:100])]
    return Said(kind="order", text="\n".join(filter(None, lines)) or None)


def _product(item: Fields) -> str:
    name, quantity = optional_id(item, "product_retailer_id"), count(item, "quantity")
    return f"{quantity if quantity is not None else '?'} × {name}" if name else ""


_READERS: dict[str, Callable[[Fields], Said]] = {
    "text": _text,
    "image": _medium("image"),
    "video": _medium("video"),
    "audio": _audio,
    "document": _medium("file"),
    "sticker": _sticker,
    "location": _location,
    "contacts": _contacts,
    "button": _button,
    "interactive": _interactive,
    "reaction": _reaction,
    "order": _order,
}
