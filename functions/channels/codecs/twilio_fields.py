"""The fields of Twilio's messaging webhooks as a message: SMS, MMS and WhatsApp.

https://www.twilio.com/docs/messaging/guides/webhook-request has the fields. Values are texts, blank or absent where there is
nothing to say. `MalformedPayload` names the field that could not be read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from functions.channels.contract import TEXT_ONLY, Ignored, RawRequest, Shows
from functions.common import keys
from functions.common.errors import MalformedPayload
from functions.common.message import (
    Attachment,
    Contact,
    ContactId,
    Interactive,
    Kind,
    Location,
    Message,
    Referral,
    ReplyTo,
    ReplyWindow,
    Verification,
)

WHATSAPP = "whatsapp:"
MMS = "mms"
WHATSAPP_WINDOW = timedelta(hours=24)  # https://www.twilio.com/docs/api/errors/63016
MAX_TEXT = 65_536
MAX_MEDIA = 10

_PHONE = re.compile(r"\+[1-9][0-9]{4,14}")
_DEGREES = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,20})?")
_MEDIA_KINDS: dict[str, Kind] = {"image": "image", "audio": "voice", "video": "video"}

Fields = Mapping[str, str]


def native_id(fields: Fields) -> str | None:
    """Twilio's id of the message, by its present name or an older one."""
    return fields.get("MessageSid") or fields.get("SmsMessageSid") or fields.get("SmsSid") or None


def ignored(fields: Fields, number: str) -> Ignored | None:
    """Why this is no message: a receipt, an event, an echo of `number`, which is ours. A message carries `SmsStatus=received`."""
    status = fields.get("MessageStatus") or fields.get("SmsStatus") or "received"
    if status not in ("received", "receiving"):
        return Ignored("receipt", native_id(fields))
    if native_id(fields) is None and ("CallSid" in fields or "EventType" in fields):
        return Ignored("event", fields.get("CallSid"))
    if fields.get("From", "").removeprefix(WHATSAPP) == number:
        return Ignored("echo", native_id(fields))
    return None


def shown(message: Message) -> Shows:
    """Pictures to WhatsApp, and by MMS where the account says that its number sends them. Buttons need a template that was approved."""
    takes = message.contact.primary.startswith(WHATSAPP) or message.reply.token == MMS
    return Shows(image=True) if takes else TEXT_ONLY


def message(
    fields: Fields, *, account: str, number: str, mms: bool, request: RawRequest, verification: Verification
) -> Message:
    """The message. Twilio says nothing of when it was sent."""
    sender, sid, text = fields.get("From"), native_id(fields), fields.get("Body") or None
    if not sid or len(sid) > 64:
        raise MalformedPayload("MessageSid")
    if not sender or len(sender) > 256:
        raise MalformedPayload("From")
    if text and len(text) > MAX_TEXT:
        raise MalformedPayload("Body")
    attachments, location, interactive = _attachments(fields), _location(fields), _interactive(fields)
    kind = _kind(text, attachments, location, interactive)
    said = fields.get("MessageType") or "text"  # WhatsApp only
    strange = kind == "text" and not text and said != "text"
    quoted = fields.get("OriginalRepliedMessageSid")
    return Message(
        message_id=keys.message_id("twilio", account, sender, None, sid),
        channel="twilio",
        account=account,
        contact=_contact(fields, sender, number),
        kind="unsupported" if strange else kind,
        raw_kind=said[:64] if strange else None,
        native_id=sid,
        native_event_id=request.headers.get("i-twilio-idempotency-token"),
        text=text,
        attachments=attachments,
        location=location,
        interactive=interactive,
        reply_to=ReplyTo(native_id=quoted) if quoted else None,
        referral=_referral(fields),
        time_precision="none",
        received_at=request.received_at,
        reply=_reply_window(sender, request.received_at, mms),
        verification=verification,
    )


def _contact(fields: Fields, sender: str, number: str) -> Contact:
    """A WhatsApp user may have no phone number, only an id of the business' own (trap T21)."""
    bare = sender.removeprefix(WHATSAPP)
    phone = bare if _PHONE.fullmatch(bare) else ""
    ids = [("phone_e164", phone)]
    if bare != sender:
        bsuid = fields.get("ExternalUserId", "").removeprefix(WHATSAPP) or ("" if phone else bare)
        ids = [("wa_id", fields.get("WaId") or phone.removeprefix("+")), ("bsuid", bsuid), *ids]
    known = tuple(ContactId(kind=kind, value=value, scope=number) for kind, value in ids if value)
    return Contact(
        primary=sender,
        ids=known or (ContactId(kind="uid", value=sender, scope=number),),
        name=fields.get("ProfileName", "")[:200] or None,
    )


def _reply_window(sender: str, received_at: datetime, mms: bool) -> ReplyWindow:
    if sender.startswith(WHATSAPP):
        return ReplyWindow(mode="window", expires_at=received_at + WHATSAPP_WINDOW)
    # Messenger and RCS have senders of their own, which are not our number.
    return ReplyWindow(mode="none") if ":" in sender else ReplyWindow(mode="open", token=MMS if mms else None)


def _kind(
    text: str | None, attachments: tuple[Attachment, ...], location: Location | None, interactive: Interactive | None
) -> Kind:
    if interactive:
        return "interactive"
    if location:
        return "location"
    if attachments:
        return "mixed" if text else _media_kind(attachments[0].mime)
    return "text"


def _media_kind(mime: str | None) -> Kind:
    if mime and "vcard" in mime.lower():
        return "contact"
    return _MEDIA_KINDS.get((mime or "").partition("/")[0].lower(), "file")


def _attachments(fields: Fields) -> tuple[Attachment, ...]:
    count = fields.get("NumMedia") or "0"
    if not re.fullmatch(r"[0-9]{1,2}", count) or int(count) > MAX_MEDIA:
        raise MalformedPayload("NumMedia")
    return tuple(_attachment(fields, place) for place in range(int(count)))


def _attachment(fields: Fields, place: int) -> Attachment:
    # Twilio keeps media until they are deleted: there is no hurry to fetch them.
    url, mime = fields.get(f"MediaUrl{place}") or None, fields.get(f"MediaContentType{place}") or None
    media_id = (url or "").rpartition("/")[2][:256] or None
    return Attachment(kind=_media_kind(mime), media_id=media_id, url=url, mime=mime)


def _location(fields: Fields) -> Location | None:
    latitude, longitude = fields.get("Latitude"), fields.get("Longitude")
    if not latitude and not longitude:
        return None
    lat, lon = _degrees(latitude, 90, "Latitude"), _degrees(longitude, 180, "Longitude")
    return Location(lat=lat, lon=lon, label=fields.get("Label") or None, address=fields.get("Address") or None)


def _degrees(text: str | None, limit: int, name: str) -> float:
    if not text or not _DEGREES.fullmatch(text) or abs(float(text)) > limit:
        raise MalformedPayload(name)
    return float(text)


def _interactive(fields: Fields) -> Interactive | None:
    if fields.get("ListId"):
        return Interactive(type="list", id=fields["ListId"], title=fields.get("ListTitle") or None)
    payload, title = fields.get("ButtonPayload") or None, fields.get("ButtonText") or None
    return Interactive(type="button", id=payload, title=title, payload=payload) if payload or title else None


def _referral(fields: Fields) -> Referral | None:
    """The ad or post that brought a WhatsApp user; `ReferralNumMedia=0` comes with every message and says nothing."""
    source_id, click_id = fields.get("ReferralSourceId") or None, fields.get("ReferralCtwaClid") or None
    url = fields.get("ReferralSourceUrl") or None
    if not (source_id or click_id or url):
        return None
    post = fields.get("ReferralSourceType") == "post"
    return Referral(
        source="post" if post else "ad",
        ad_id=None if post else source_id,
        ref=source_id if post else None,
        source_url=url,
        headline=fields.get("ReferralHeadline") or None,
        click_id=click_id,
    )
