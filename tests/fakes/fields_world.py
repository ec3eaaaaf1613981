"""What the other platforms send and what is kept of it: rows as `field_rows` has them."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any

from infra.simulators.contract import Webhook
from tests.fakes.field_rows import Make, Row, said


def holding(**fields: Any) -> Make:
    """A message of a platform whose messages are the fields themselves."""
    return lambda sim, who: sim.message(who, fields)


def reply(**more: Any) -> Make:
    """A text with further fields."""
    return lambda sim, who: sim.text(who, "hi", **more)


def attached(kind: str, **payload: Any) -> Make:
    return lambda sim, who: sim.attachment(who, kind, payload)


BASE: dict[str, tuple[str, dict[str, str]]] = {
    "telegram": ("native_id native_event_id contact:name,locale reply:token", {"tg_id": ""}),
    "messenger": ("sent_at reply:mode,expires_at", {"psid": "106540352242922"}),
    "instagram": ("sent_at reply:mode,expires_at", {"igsid": "17841405822304914"}),
    "whatsapp": (
        "native_id sent_at contact:name reply:mode,expires_at",
        {"wa_id": "102290129340398", "phone_e164": "102290129340398"},
    ),
    "twilio": ("native_id", {"phone_e164": "+15005550006"}),
    "line": ("native_event_id sent_at reply:mode,token", {"user_id": "1000000001"}),
    "slack": ("native_id sent_at reply:token", {"user_id": "T0DEMO001"}),
    "email": ("native_id sent_at reply:mode", {"email": ""}),
    "tiktok_business": ("thread_id sent_at contact:name reply:mode", {"uid": "local-demo-tiktok-open-id"}),
    "generic": ("native_id native_event_id sent_at contact:name,locale", {"uid": "demo"}),
}

PLACE = {"latitude": 31.2, "longitude": 121.5}
AD = {"ad_id": "604", "ref": "REF", "source": "ADS", "type": "OPEN_THREAD", "ads_context_data": {"ad_title": "Shoes"}}
BY_AD = "referral:source,ad_id,ref,headline"
CLICKED = {"source_url": "https://fb.me/1", "source_id": "120", "source_type": "ad", "headline": "Shoes", "ctwa_clid": "ARA"}
ASKED = {"from": "1", "id": "wamid.0", "referred_product": {"catalog_id": "1", "product_retailer_id": "P"}}
META = "native_id attachments:kind,url,needs_download"
WA = "attachments:kind,media_id,mime,sha256,url,url_expires_at,needs_download"
WA_ASSET = {"id": "m1", "mime_type": "a/b", "sha256": "c2hh", "url": "https://lookaside.example/1"}
CARD = [{"name": {"formatted_name": "A"}, "phones": [{"phone": "1"}]}]
FLOW = {"name": "flow", "body": "Sent", "response_json": "{}"}
TG = "sent_at attachments:kind,media_id,mime,size"
TG_ASSET = {"file_id": "F", "file_unique_id": "u", "mime_type": "a/b", "file_size": 9}
VENUE = {"location": {**PLACE, "horizontal_accuracy": 12.5}, "title": "t", "address": "a"}
MEDIA, TWILIO = "https://api.twilio.com/ME1", "attachments:kind,media_id,url,mime"
TWILIO_AD = {"ReferralSourceId": "120", "ReferralSourceType": "ad", "ReferralSourceUrl": "https://fb.me/1", "ReferralHeadline": "Shoes",
             "ReferralCtwaClid": "ARA"}  # fmt: skip
LINE = "native_id attachments:kind,media_id,needs_download"
SLACK = "native_event_id attachments:kind,media_id,url,mime,size,filename"
SLACK_ASSET = {"id": "F1", "url_private": "https://files.slack.com/1", "mimetype": "image/png", "size": 9, "name": "a.png"}
MAILED = "attachments:kind,media_id,mime,size,filename,sha256"
TIKTOK = "native_id reply:token,expires_at,max_replies"
TIKTOK_AD = {"source": "ad", "ad": {"ad_id": "9", "ad_name": "Shoes", "embed_url": "https://t/9"}}
ANN = {"name": "Ann", "locale": "en"}
FILED = {"kind": "image", "url": "https://e/1", "url_expires_at": "2026-12-01T00:00:00Z", "media_id": "m", "mime": "a/b", "size": 9,
         "filename": "a", "caption": "c", "duration_ms": 5}  # fmt: skip
CAME = {"source": "ad", "ad_id": "1", "campaign_id": "2", "creative_id": "3", "advertiser_id": "4", "source_url": "https://e/",
        "headline": "h", "click_id": "5", "ref": "r"}  # fmt: skip

MESSAGING: list[Row] = [
    ("text", "text", lambda sim, who: sim.text(who, "hi"), "native_id text"),
    ("an answer to a message", "text", reply(reply_to={"mid": "m_0"}), "native_id text reply_to:native_id"),
    ("a text by an ad", "text", reply(referral=AD), f"native_id text {BY_AD}"),
    ("a quick reply", "interactive", reply(quick_reply={"payload": "P"}), "native_id text interactive:type,title,payload"),
    ("a postback by an ad", "interactive", lambda sim, who: sim.postback(who, "Start", "GO", referral=AD),
     f"native_id text interactive:type,title,payload {BY_AD}"),
    ("an arrival by an ad", "interactive", lambda sim, who: sim.event(who, "referral", AD), f"interactive:type,id {BY_AD}"),
    ("image", "image", attached("image", url="https://cdn/1"), META),
    ("video", "video", attached("video", url="https://cdn/1"), META),
    ("voice", "voice", attached("audio", url="https://cdn/1"), META),
    ("file", "file", attached("file", url="https://cdn/1"), META),
    ("a captioned picture", "mixed", lambda sim, who: sim.image(who, "https://cdn/1", caption="look"), f"{META} text"),
    ("a shared page", "link", attached("fallback", url="https://e/", title="t"), "native_id link:url,title"),
]  # fmt: skip


def sent(mime: str) -> Make:
    return lambda sim, who: sim.message(who, "", {"NumMedia": "1", "MediaUrl0": MEDIA, "MediaContentType0": mime})


def mail(**more: Any) -> Make:
    return lambda sim, who: sim.mail(sim.written(who, "words", **more))


def mail_with_file(words: str) -> Make:
    def made(sim: Any, who: str) -> Webhook:
        written: EmailMessage = sim.written(who, words)
        written.add_attachment(b"pdf", maintype="application", subtype="pdf", filename="a.pdf", cid="<c1>")
        found: Webhook = sim.mail(written)
        return found

    return made


ROWS: dict[str, list[Row]] = {
    "telegram": [
        ("text", "text", holding(text="hi"), "text sent_at"),
        ("an answer to a message", "text", holding(text="hi", reply_to_message={"message_id": 3, "text": "?"}),
         "text sent_at reply_to:native_id,text"),
        ("a first message by a link", "text", holding(text="/start ad-9"), "text sent_at referral:source,ref"),
        ("image", "image", lambda sim, who: sim.image(who, "F"), f"{TG} attachments:width,height"),
        ("a captioned picture", "mixed", lambda sim, who: sim.image(who, "F", caption="look"), f"{TG} attachments:width,height text"),
        ("voice", "voice", holding(voice={**TG_ASSET, "duration": 2}), f"{TG} attachments:duration_ms"),
        ("video", "video", holding(video={**TG_ASSET, "duration": 2, "width": 3, "height": 4}),
         f"{TG} attachments:duration_ms,width,height"),
        ("file", "file", holding(document={**TG_ASSET, "file_name": "a.pdf"}), f"{TG} attachments:filename"),
        ("a sticker", "sticker", holding(sticker={"file_id": "F", "set_name": "S", "emoji": "😀"}),
         "sent_at sticker:sticker_id,pack_id,emoji"),
        ("a venue", "location", holding(venue=VENUE), "sent_at location:lat,lon,accuracy,label,address"),
        ("a card", "contact", holding(contact={"first_name": "A", "phone_number": "+1"}), "sent_at text"),
        ("a button", "interactive", lambda sim, who: sim.tap(who, "D"), "interactive:type,id,title,payload reply_to:native_id,text"),
        ("a form", "interactive", holding(web_app_data={"button_text": "b", "data": "d"}), "sent_at interactive:type,title,payload"),
    ],
    "messenger": [
        *MESSAGING,
        ("location", "location", attached("location", coordinates={"lat": 31.2, "long": 121.5}), "native_id location:lat,lon"),
        ("a sticker", "sticker", attached("image", url="https://cdn/1", sticker_id=369), f"{META} sticker:sticker_id"),
    ],
    "instagram": [
        *MESSAGING,
        ("an answer to a story", "text", lambda sim, who: sim.story_reply(who, "nice", "S1", "https://cdn/1"),
         "native_id text reply_to:native_id referral:source,ref,source_url"),
        ("a mention in a story", "link", lambda sim, who: sim.story_mention(who, "https://cdn/1"),
         f"{META} attachments:url_expires_at link:url"),
    ],
    "whatsapp": [
        ("text", "text", said("text", body="hi"), "text"),
        ("an answer to a message", "text", reply(context={"from": "1", "id": "wamid.0"}), "text reply_to:native_id"),
        ("a text by an ad", "text", reply(referral=CLICKED), "text referral:source,ad_id,source_url,headline,click_id"),
        ("a question about a product", "text", reply(context=ASKED), "text reply_to:native_id referral:source,ref"),
        ("image", "image", said("image", **WA_ASSET), WA),
        ("a captioned picture", "mixed", said("image", **WA_ASSET, caption="look"), f"{WA} attachments:caption text"),
        ("video", "video", said("video", **WA_ASSET), WA),
        ("voice", "voice", said("audio", **WA_ASSET, voice=True), WA),
        ("sound that was not recorded", "file", said("audio", **WA_ASSET, voice=False), WA),
        ("file", "file", said("document", **WA_ASSET, filename="a.pdf"), f"{WA} attachments:filename"),
        ("a sticker", "sticker", said("sticker", **WA_ASSET, animated=False), f"{WA} sticker:sticker_id"),
        ("location", "location", said("location", **PLACE, name="n", address="a", url="https://e/"),
         "location:lat,lon,label,address link:url"),
        ("a card", "contact", lambda sim, who: sim.message(who, "contacts", CARD), "text"),
        ("a button", "interactive", lambda sim, who: sim.button(who, "Yes", "b0", replied="wamid.0"),
         "text interactive:type,id,title reply_to:native_id"),
        ("a template's button", "interactive", said("button", text="Yes", payload="P"), "text interactive:type,title,payload"),
        ("a form", "interactive", said("interactive", type="nfm_reply", nfm_reply=FLOW), "text interactive:type,id,title,payload"),
        ("a reaction", "reaction", lambda sim, who: sim.reaction(who, "👍", to="wamid.0"), "text reply_to:native_id"),
        ("an order", "order", said("order", text="soon", product_items=[{"product_retailer_id": "P", "quantity": 2}]), "text"),
    ],
    "twilio": [
        ("text", "text", lambda sim, who: sim.text(who, "hi"), "text"),
        ("image", "image", lambda sim, who: sim.image(who, MEDIA), TWILIO),
        ("a captioned picture", "mixed", lambda sim, who: sim.image(who, MEDIA, caption="look"), f"{TWILIO} text"),
        ("voice", "voice", sent("audio/ogg"), TWILIO),
        ("video", "video", sent("video/mp4"), TWILIO),
        ("file", "file", sent("application/pdf"), TWILIO),
        ("a card", "contact", sent("text/vcard"), TWILIO),
        ("location", "location", lambda sim, who: sim.location(who, "31.2", "121.5", label="t"), "location:lat,lon,label"),
        ("a button", "interactive", lambda sim, who: sim.button(who, "Yes", "P", replied="SM0"),
         "text interactive:type,id,title,payload reply_to:native_id"),
        ("a text by an ad", "text", lambda sim, who: sim.message(who, "hi", TWILIO_AD),
         "text referral:source,ad_id,source_url,headline,click_id"),
    ],
    "line": [
        ("text", "text", holding(type="text", text="hi"), "native_id text"),
        ("an answer to a message", "text", holding(type="text", text="hi", quotedMessageId="1"), "native_id text reply_to:native_id"),
        ("a mention", "text", holding(type="text", text="@A", mention={"mentionees": [{"userId": "U2"}]}), "native_id text mentions"),
        ("image", "image", lambda sim, who: sim.image(who), LINE),
        ("video", "video", holding(type="video", duration=9), f"{LINE} attachments:duration_ms"),
        ("voice", "voice", holding(type="audio", duration=9), f"{LINE} attachments:duration_ms"),
        ("file", "file", holding(type="file", fileName="a.pdf", fileSize=9), f"{LINE} attachments:filename,size"),
        ("location", "location", holding(type="location", title="t", address="a", **PLACE), "native_id location:lat,lon,label,address"),
        ("a sticker", "sticker", holding(type="sticker", packageId="1", stickerId="2", text="w"),
         "native_id text sticker:sticker_id,pack_id"),
        ("a postback", "interactive", lambda sim, who: sim.postback(who, "D"), "interactive:type,payload"),
    ],
    "slack": [
        ("text", "text", holding(text="hi"), "native_event_id text"),
        ("an answer in a thread", "text", holding(text="hi", thread_ts="1795334000.000100"),
         "native_event_id text thread_id reply_to:native_id"),
        ("a mention", "text", holding(text="<@U0BOT0001> hi"), "native_event_id text mentions"),
        ("image", "image", holding(text="", files=[{**SLACK_ASSET, "original_w": 1, "original_h": 2}]),
         f"{SLACK} attachments:width,height"),
        ("file", "file", holding(text="", files=[{**SLACK_ASSET, "mimetype": "application/pdf"}]), SLACK),
        ("words with a file", "mixed", holding(text="hi", files=[SLACK_ASSET]), f"{SLACK} text"),
        ("a button", "interactive", lambda sim, who: sim.tap(who, "v"),
         "contact:name interactive:type,id,title,payload reply_to:native_id"),
    ],
    "email": [
        ("text", "text", mail(), "native_event_id text"),
        ("an answer to a mail", "text", mail(In_Reply_To="<1@x>", References="<0@x> <1@x>"),
         "native_event_id text thread_id reply_to:native_id"),
        ("a mail in a language", "text", mail(Content_Language="de-DE"), "native_event_id text contact:locale"),
        ("words with a file", "mixed", mail_with_file("words"), f"native_event_id text {MAILED}"),
        ("a file alone", "file", mail_with_file(""), f"native_event_id {MAILED}"),
        ("the topic's confirmation", "link", lambda sim, who: sim.handshake(),
         "text link:url,title contact:name,is_bot -contact.ids"),
    ],
    "tiktok_business": [
        ("text", "text", lambda sim, who: sim.text(who, "hi"), f"{TIKTOK} text"),
        ("a button's tap", "text", reply(reply_source_payload={"reply_source_unique_id": "退货"}),
         f"{TIKTOK} text interactive:type,id,payload"),
        ("an answer to a message", "text", reply(referenced_message_info={"referenced_message_id": "m0"}),
         f"{TIKTOK} text reply_to:native_id"),
        ("image", "image", lambda sim, who: sim.image(who, "m"), f"{TIKTOK} attachments:kind,media_id,needs_download"),
        ("a shared post", "link", said("share_post", embed_url="https://t/1"), f"{TIKTOK} link:url"),
        ("an arrival by an ad", "interactive", lambda sim, who: sim.arrival(who, TIKTOK_AD),
         "interactive:type,id referral:source,ad_id,headline,source_url"),
    ],
    "generic": [
        ("text", "text", reply(**ANN), "text"),
        ("an answer by an ad with a file", "image",
         reply(**ANN, kind="image", attachments=[FILED], reply_to={"id": "m0", "text": "?"}, referral=CAME),
         "text attachments:kind,url,url_expires_at,media_id,mime,size,filename,caption,duration_ms,needs_download reply_to:native_id,text "
         "referral:source,ad_id,campaign_id,creative_id,advertiser_id,source_url,headline,click_id,ref"),
    ],
}  # fmt: skip
