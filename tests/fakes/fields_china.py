"""What the Chinese platforms send and what is kept of it: rows as `field_rows` has them."""

from __future__ import annotations

from typing import Any

from tests.fakes.field_rows import Make, Row, said

BASE: dict[str, tuple[str, dict[str, str]]] = {
    "wechat_oa": ("sent_at reply:mode,expires_at,max_replies", {"openid": "wx0000000000000demo"}),
    "wecom": ("sent_at", {"user_id": "ww0000000000000demo"}),
    "wecom_kf": ("native_id native_event_id thread_id sent_at reply:mode", {"external_userid": "ww0000000000000demo"}),
    "weibo": ("sent_at reply:mode,expires_at", {"uid": "weibo"}),
    "douyin": (
        "native_id native_event_id thread_id sent_at contact:name,avatar_url reply:mode,token,expires_at,max_replies",
        {"open_id": "awlocaldemo0000000"},
    ),
    "qq": ("native_id native_event_id sent_at reply:mode,expires_at,max_replies", {"openid": "102000001", "unionid": ""}),
    "aliyun_sms": ("native_id thread_id sent_at", {"phone_e164": ""}),
    "tencent_sms": ("thread_id sent_at", {"phone_e164": ""}),
    "feishu": ("native_id native_event_id thread_id sent_at", {"open_id": "cli_localdemo0000000", "unionid": ""}),
    "dingtalk": (
        "native_id thread_id sent_at contact:name reply:mode,token,expires_at",
        {"sender_id": "dinglocaldemo0000000", "staff_id": "dingcorp"},
    ),
}

WX = "native_id attachments:kind,media_id,url_expires_at,needs_download"
OFFICIAL: list[Row] = [
    ("text", "text", said("text", Content="你好"), "native_id text"),
    ("image", "image", said("image", PicUrl="http://p/1", MediaId="m"), f"{WX} attachments:url"),
    ("voice", "voice", said("voice", MediaId="m", Format="amr"), f"{WX} attachments:mime"),
    ("video", "video", said("video", MediaId="m", ThumbMediaId="t"), WX),
    ("location", "location", said("location", Location_X="31.2", Location_Y="121.5", Scale=16, Label="外滩"),
     "native_id location:lat,lon,label"),
    ("link", "link", said("link", Title="题", Description="述", Url="http://e/"), "native_id link:url,title,desc"),
    ("a menu's entry", "interactive", lambda sim, who: sim.menu_click(who, "K1"), "interactive:type,payload"),
]  # fmt: skip
OPEN = "reply:token,expires_at,max_replies"
KF = f"{OPEN} attachments:kind,media_id,url_expires_at,needs_download"
LOCAL = "attachments:kind,media_id,needs_download"
QQ = "attachments:kind,url,size,filename,needs_download"
PICTURE = {"content_type": "image/jpeg", "filename": "1.jpg", "height": 6, "width": 4, "size": 10, "url": "https://q/1"}
VOICE = {"content_type": "voice", "filename": "1.amr", "size": 10, "url": "https://q/1", "asr_refer_text": "你好"}
AD = {"adv_id": 1, "ad_id": 2, "ad_name": "鞋", "creative_id": 3, "promotion_id": 4}
QUOTING = {
    "text": {
        "content": "好",
        "isReplyMsg": True,
        "repliedMsg": {"msgId": "m0", "msgType": "text", "senderId": "s", "content": {"text": "几点?"}},
    }
}
QUOTING_RICH = {
    "text": {
        "content": "好",
        "isReplyMsg": True,
        "repliedMsg": {"msgId": "m0", "msgType": "richText", "content": {"richText": [{"type": "text", "text": "几点?"}]}},
    }
}
ORDER = {"order_id": "1", "product_titles": "鞋", "price_wording": "99", "state": "待发货"}


def visit(**event: Any) -> Make:
    return lambda sim, who: sim.batch([sim.event(who, "enter_session", **event)])


def files(*found: dict[str, Any], text: str = "") -> Make:
    return lambda sim, who: sim.files(who, list(found), text=text)


ROWS: dict[str, list[Row]] = {
    "wechat_oa": [
        *OFFICIAL,
        ("recognised voice", "voice", said("voice", MediaId="m", Format="amr", Recognition="你好"),
         f"{WX} attachments:mime,transcript"),
        ("a menu message's entry", "text", said("text", Content="满意", bizmsgmenuid="1"),
         "native_id text interactive:type,id,title"),
    ],
    "wecom": [
        *OFFICIAL,
        ("a card's tap", "interactive", lambda sim, who: sim.tap(who, "退货"), "interactive:type,id,title,payload"),
    ],
    "wecom_kf": [
        ("text", "text", said("text", content="你好"), f"{OPEN} text"),
        ("a menu's entry", "text", said("text", content="满意", menu_id="101"), f"{OPEN} text interactive:type,id,title"),
        ("image", "image", said("image", media_id="m"), KF),
        ("voice", "voice", said("voice", media_id="m"), f"{KF} attachments:mime"),
        ("video", "video", said("video", media_id="m"), KF),
        ("file", "file", said("file", media_id="m"), KF),
        ("location", "location", said("location", latitude=31.2, longitude=121.5, name="外滩", address="中山东一路"),
         f"{OPEN} location:lat,lon,label,address"),
        ("link", "link", said("link", title="题", desc="述", url="http://e/", pic_url="http://p/"), f"{OPEN} link:url,title,desc"),
        ("a card", "contact", said("business_card", userid="zhangsan"), OPEN),
        ("an order", "order", said("channels_shop_order", **ORDER), f"{OPEN} text"),
        ("a visit by a link with a parameter", "interactive", visit(scene="ad1", scene_param="click=9"),
         "interactive:type,id referral:source,ref"),
        ("a visit from a Channels account", "interactive", visit(scene="", wechat_channels={"nickname": "示例", "scene": 1}),
         "interactive:type,id referral:source,ref,headline"),
    ],
    "weibo": [
        ("text", "text", lambda sim, who: sim.text(who, "你好"), "text"),
        ("image", "image", lambda sim, who: sim.image(who, "1"), f"{LOCAL} attachments:caption"),
        ("voice", "voice", lambda sim, who: sim.voice(who, "1"), f"{LOCAL} attachments:caption"),
        ("location", "location", lambda sim, who: sim.location(who, 31.2, 121.5), "location:lat,lon,label"),
        ("a menu's entry", "interactive", lambda sim, who: sim.event(who, "click", key="K"), "interactive:type,payload"),
        ("a mention", "text", lambda sim, who: sim.mention(who, "@us"), "text native_id conversation_kind reply:max_replies"),
    ],
    "douyin": [
        ("text", "text", lambda sim, who: sim.text(who, "你好"), "text"),
        ("a picture of one's own", "image", lambda sim, who: sim.image(who), LOCAL),
        ("a film of one's own", "video", said("user_local_video"), LOCAL),
        ("a shared video", "video", lambda sim, who: sim.video(who, "7"), "attachments:kind,media_id"),
        ("a sticker", "sticker", lambda sim, who: sim.emoji(who, "https://p3/1"),
         "sticker attachments:kind,url,width,height,needs_download"),
        ("a lead card", "interactive", lambda sim, who: sim.card(who, [("姓名", "王芳")]), "text interactive:type,id"),
        ("a visit by an ad", "interactive", lambda sim, who: sim.entered(who, ad=AD),
         "interactive:type,id referral:source,ad_id,creative_id,advertiser_id,headline,ref"),
    ],
    "qq": [
        ("text", "text", lambda sim, who: sim.text(who, "你好"), "text"),
        ("an answer to a message", "text",
         lambda sim, who: sim.message(who, {"content": "好", "message_reference": {"message_id": "1"}}), "text reply_to:native_id"),
        ("image", "image", files(PICTURE), f"{QQ} attachments:mime,width,height"),
        ("a captioned picture", "mixed", files(PICTURE, text="看"), f"{QQ} attachments:mime,width,height text"),
        ("voice", "voice", files(VOICE), f"{QQ} attachments:transcript"),
        ("video", "video", files({**PICTURE, "content_type": "video/mp4"}), f"{QQ} attachments:mime,width,height"),
        ("file", "file", files({**VOICE, "content_type": "file", "asr_refer_text": ""}), QQ),
        ("a text in a group", "text", lambda sim, who: sim.at_group(who, "G1", "你好"),
         "text thread_id conversation_kind reply:token -contact.ids"),
    ],
    "aliyun_sms": [("text", "text", lambda sim, who: sim.text(who, "你好"), "text")],
    "tencent_sms": [("text", "text", lambda sim, who: sim.text(who, "你好"), "text")],
    "feishu": [
        ("a button's tap", "interactive", lambda sim, who: sim.tap(who, "om_1", {"say": "退货", "chat": "p2p"}),
         "interactive:type,title,payload reply_to:native_id"),
        ("text", "text", said("text", text="你好"), "text"),
        ("an answer to a message", "text",
         lambda sim, who: sim.message(who, "text", {"text": "好"}, parent_id="om_0", root_id="om_0"), "text reply_to:native_id"),
        ("a mention", "text",
         lambda sim, who: sim.message(
             who, "text", {"text": "@_user_1 好"}, mentions=[{"key": "@_user_1", "id": {"open_id": "ou_2"}, "name": "B"}]),
         "text mentions"),
        ("image", "image", said("image", image_key="k"), LOCAL),
        ("voice", "voice", said("audio", file_key="k", duration=2000), f"{LOCAL} attachments:duration_ms"),
        ("video", "video", said("media", file_key="k", image_key="i", file_name="a.mp4", duration=2000),
         f"{LOCAL} attachments:duration_ms,filename"),
        ("file", "file", said("file", file_key="k", file_name="a.pdf"), f"{LOCAL} attachments:filename"),
        ("a sticker", "sticker", said("sticker", file_key="k"), "sticker:sticker_id"),
        ("location", "location", said("location", name="n", longitude="121.5", latitude="31.2"), "location:lat,lon,label"),
        ("a card", "contact", said("share_user", user_id="ou_1"), "raw_kind"),
        ("rich text", "mixed", said("post", title="t", content=[[{"tag": "img", "image_key": "k"}]]), f"{LOCAL} text"),
    ],
    "dingtalk": [
        ("text", "text", lambda sim, who: sim.text(who, "你好"), "text"),
        ("an answer to a message", "text", lambda sim, who: sim.message(who, "text", QUOTING), "text reply_to:native_id,text"),
        ("an answer to rich text", "text", lambda sim, who: sim.message(who, "text", QUOTING_RICH), "text reply_to:native_id,text"),
        ("image", "image", lambda sim, who: sim.content(who, "picture", {"downloadCode": "d"}), LOCAL),
        ("voice", "voice",
         lambda sim, who: sim.content(who, "audio", {"downloadCode": "d", "duration": 2000, "recognition": "你好"}),
         f"{LOCAL} attachments:duration_ms,transcript"),
        ("video", "video", lambda sim, who: sim.content(who, "video", {"downloadCode": "d", "videoType": "mp4"}), LOCAL),
        ("file", "file", lambda sim, who: sim.content(who, "file", {"downloadCode": "d", "fileName": "a.pdf"}),
         f"{LOCAL} attachments:filename"),
        ("rich text", "mixed",
         lambda sim, who: sim.content(who, "richText", {"richText": [{"text": "看"}, {"downloadCode": "d", "type": "picture"}]}),
         f"{LOCAL} text"),
        ("a mention in a group", "text", lambda sim, who: sim.in_group(who, "你好"), "text mentions conversation_kind"),
    ],
}  # fmt: skip
