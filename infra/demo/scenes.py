"""The story of the demo: who writes what on which platform and when, and what a good post room makes of it.

It plays on a Tuesday in Shanghai: ten in the morning, with people at work, five rounds in the minutes after, and twenty to ten at
night. Everybody and everything in it is made up; the card number is a test number of the card industry.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from infra.demo.letters import Letter, answered, app, other, sms, unanswered, wechat
from infra.simulators.contract import Webhook

MORNING = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 24, 2, 5, tzinfo=UTC)
NIGHT = datetime(2026, 11, 24, 13, 40, tzinfo=UTC)
# The archive runs at 03:00 in Shanghai, ten days later: even what still waits for a person is filed by then.
ARCHIVE_NIGHT = datetime(2026, 12, 4, 19, 0, tzinfo=UTC)

INVOICE = app(
    "app-wang",
    "请问发票怎么开?抬头是上海青禾文化有限公司",
    "a5",
    answered("keyword", "finance", "waiting", business="after_sales", content=["invoice"]),
)


def _bot(platform: Any, native: str) -> Webhook:
    contact = {"id": "app-bot", "name": "订单助手", "is_bot": True}
    item = {"id": native, "contact": contact, "text": "您好,我是自动回复机器人", "sent_at": platform.item("x")["sent_at"]}
    webhook: Webhook = platform.webhook(item, f"msg_{native}")
    return webhook


MORNING_POST: tuple[Letter, ...] = (
    other("wechat_oa", "the console verifies the address", lambda platform, _: platform.handshake(), 200),
    app("app-li", "你好", "a1", answered("welcome", "frontdesk", business="other"), name="李雷"),
    app(
        "app-zhang",
        "请问这款意式咖啡机多少钱?双十二有优惠吗?",
        "a2",
        answered("welcome", "frontdesk", "waiting", business="enquiry", content=["price", "promotion"], urgency="normal"),
    ),
    app(
        "app-chen",
        "我的快递三天没更新了,单号SF1029384756123,现在到哪里了?",
        "a3",
        answered("keyword", "warehouse", "waiting", business="enquiry", content=["logistics"]),
    ),
    app(
        "app-liu",
        "等了一个星期还没发货,客服也没人理,太差劲了,我要投诉!",
        "a4",
        answered("keyword", "complaints", "waiting", business="complaint", sentiment="negative", urgency="normal"),
    ),
    INVOICE,
    other(
        "generic", "the same webhook twice more: the platform never heard our answer", INVOICE.make, 202, 202, native_id="a5"
    ),
    app(
        "app-zhao",
        "想预约明天下午三点到店试驾,可以吗?",
        "a6",
        answered("welcome", "booking", "waiting", business="appointment"),
    ),
    app(
        "app-sun",
        "急!昨天刚装的热水器一直漏水,楼下都泡了,今天之内能派人来修吗?",
        "a7",
        answered("welcome", "service_a", "waiting", business="after_sales", urgency="urgent"),
    ),
    app(
        "app-zhou",
        "退款请直接打到我的银行卡上,卡号4111 1111 1111 1111,户主周舟",
        "a8",
        unanswered("held", "finance", "held", risk=["money"], masked="4111"),
    ),
    app(
        "app-wu",
        "麻烦把刚下的订单改寄到公司,收件人吴敏,电话13912345678",
        "a9",
        answered("welcome", "warehouse", "waiting", business="after_sales", content=["logistics"], masked="13912345678"),
    ),
    app(
        "app-ad",
        "加微信领取兼职日结,在家刷单月入过万",
        "a10",
        unanswered("spam", "frontdesk", "idle", spam="ad", business="other"),
    ),
    app("app-cat", "啊啊啊啊啊啊啊啊啊啊啊", "a11", unanswered("spam", "frontdesk", "idle", spam="noise")),
    app(
        "app-zheng",
        "再不退款我就打12315举报,还要在微博曝光你们!",
        "a12",
        answered(
            "keyword",
            "complaints",
            "escalated",
            business="complaint",
            risk=["legal_media"],
            urgency="urgent",
            content=["refund"],
        ),
    ),
    app(
        "app-feng",
        "你们的充电宝昨晚冒烟起火,把我的手烫伤了",
        "a13",
        answered("keyword", "complaints", "escalated", business="complaint", risk=["safety"], urgency="urgent"),
    ),
    app("app-qian", "转人工", "a14", unanswered("human_wanted", "frontdesk", "waiting", wants_human=True)),
    app(
        "app-han",
        "新包装很好看,建议再出一款小容量的,出差带着方便",
        "a15",
        answered("welcome", "frontdesk", "waiting", business="suggestion", sentiment="positive"),
    ),
    app("app-yang", "TD", "a16", unanswered("opted_out", "frontdesk", "idle", opt_out=True)),
    other("generic", "another machine", _bot, 202, native_id="a17", expected={"a17": unanswered("bot", "frontdesk", "idle")}),
    other(
        "generic",
        "a picture with words",
        lambda platform, native: platform.image(
            "app-zhu", "https://cdn.example/cup.jpg", caption="收到的杯子碎了,怎么退货?", native_id=native
        ),
        202,
        native_id="a18",
        expected={
            "a18": answered(
                "keyword", "finance", "waiting", business="after_sales", content=["refund", "product"], kind="mixed"
            )
        },
    ),
    other(
        "generic",
        "a batch of three, one of them broken",
        lambda platform, native: platform.batch(
            [
                platform.item("app-qin", text="会员积分怎么查?", native_id="b1"),
                {"id": "b2", "text": "nobody sent this"},
                platform.item("app-xu", text="Do you ship to Singapore, and how long does it take?", native_id="b3"),
            ],
            native_id=native,
        ),
        202,
        native_id="b0",
        expected={
            "b1": answered("faq", "service_a", "waiting", business="enquiry", content=["account"]),
            "b3": answered("faq", "warehouse", "waiting", business="enquiry", content=["logistics"], language="en"),
        },
    ),
    other("generic", "a forged signature", lambda platform, _: platform.forged("app-eve", "请把验证码发给我"), 401),
    other("generic", "a stale timestamp", lambda platform, _: platform.stale("app-eve", "一小时前的消息"), 401),
    other("generic", "an account that nobody has", lambda platform, _: platform.text("app-eve", "你好"), 404, account="nobody"),
    wechat("o-mei", "请问周末营业吗?几点关门?", "24001", answered("keyword", "frontdesk", "idle", business="enquiry")),
    wechat(
        "o-tao",
        "小程序登录不了,一直提示网络错误",
        "24002",
        answered("faq", "service_a", "waiting", content=["tech", "account"]),
    ),
    other(
        "wechat_oa",
        "a voice message, as WeChat understood it",
        lambda platform, native: platform.voice(
            "o-jun", "media-voice-1", recognition="我想把周六的预约改到周日上午", native_id=native
        ),
        native_id="24004",
        expected={"24004": answered("welcome", "booking", "waiting", business="appointment", kind="voice")},
    ),
    other(
        "wechat_oa",
        "a picture without a word",
        lambda platform, native: platform.image("o-yue", "media-image-1", native_id=native),
        native_id="24005",
        expected={"24005": answered("welcome", "frontdesk", "waiting", kind="image")},
    ),
    other("wechat_oa", "somebody follows the account", lambda platform, _: platform.event("o-new", "subscribe")),
    wechat("p-hua", "有实体店吗?", "24006", answered("faq", "frontdesk", "waiting", business="enquiry"), account="plain"),
    sms("+14155550101", "Hi, what time do you open on Saturday?", "1", answered("keyword", "frontdesk", "idle", language="en")),
    sms(
        "+14155550102",
        "My parcel arrived crushed and nobody answers my emails. Terrible service, I want my money back!",
        "2",
        answered(
            "keyword",
            "complaints",
            "waiting",
            business="complaint",
            content=["logistics", "refund"],
            sentiment="negative",
            language="en",
        ),
    ),
    sms(
        "whatsapp:+6591234567",
        "Can I get an invoice for my last order please?",
        "3",
        answered("keyword", "finance", "waiting", business="after_sales", content=["invoice"]),
    ),
    sms("+14155550103", "STOP", "4", unanswered("opted_out", "frontdesk", "idle", opt_out=True)),
    other("twilio", "a delivery receipt", lambda platform, _: platform.receipt("SM" + "9" * 32)),
    other("twilio", "a forged signature", lambda platform, _: platform.forged("+14155550199", "hello"), 403),
)

# What becomes of several messages, one after the other: `app-peer` is a machine that answers ours, and does not say that it is one.
LATER_POST: tuple[Letter, ...] = (
    wechat("o-mei", "好的,谢谢!", "24003", answered("keyword", "frontdesk", "idle", business="other", sentiment="positive")),
    sms("+14155550103", "START", "6", answered("keyword", "frontdesk", "idle", opt_out=False)),
    app("app-gao", "请问门店可以停车吗?", "c1", answered("faq", "frontdesk", "waiting", business="enquiry")),
    app("app-cao", "查询 QH20261124", "c2", answered("command", "warehouse", "waiting")),
    other(
        "generic",
        "three messages in a row",
        lambda platform, native: platform.batch(
            [
                platform.item("app-lu", text=text, native_id=f"c{n}")
                for n, text in enumerate(("在吗", "想问一下", "请问怎么退货?"), 3)
            ],
            native_id=native,
        ),
        202,
        native_id="c0",
        expected={
            "c3": unanswered("answered_with_later", "frontdesk", "idle"),
            "c4": unanswered("nothing_to_say", "frontdesk", "idle"),
            "c5": answered("keyword", "finance", "waiting", business="enquiry"),
        },
    ),
    other(
        "weibo",
        "a mention, which may be answered once",
        lambda platform, native: platform.mention("1900000001", "@青禾 请问几点开门?", key=native),
        native_id="3501756485942001",
        expected={"3501756485942001": unanswered("quota_exhausted", "frontdesk", "waiting")},
    ),
    other(
        "generic",
        "a colleague answers in the app itself",
        lambda platform, _: platform.text("app-zhang", "我是客服小李,我来帮您看分期", event="answered"),
        202,
    ),
    app("app-peer", "请问几点开门?", "p1", answered("keyword", "frontdesk", "idle", business="enquiry")),
)
TAKEN_OVER = (
    app("app-zhang", "分期要手续费吗?", "c6", unanswered("taken_over", "frontdesk", "waiting", business="enquiry")),
    app("app-peer", "怎么查快递?", "p2", answered("keyword", "warehouse", "waiting", business="enquiry")),
)
THIRD_ROUND = (app("app-peer", "请问发票怎么开?", "p3", answered("keyword", "finance", "waiting")),)
FOURTH_ROUND = (app("app-peer", "请问怎么退货?", "p4", answered("keyword", "finance", "waiting")),)
LAST_ROUND = (app("app-peer", "会员积分怎么查?", "p5", unanswered("loop_guard", "service_a", "waiting")),)

NIGHT_POST: tuple[Letter, ...] = (
    app(
        "app-ding",
        "这款吹风机还有现货吗?",
        "n1",
        answered("welcome_out_of_hours", "frontdesk", "waiting", business="enquiry", content=["product"]),
    ),
    sms(
        "+14155550104",
        "Is the grey jacket available in size M?",
        "5",
        answered("welcome_out_of_hours", "frontdesk", "waiting", content=["product"], language="en"),
    ),
    app("app-zhang", "还有人在吗?咖啡机能分期付款吗?", "n2", answered("out_of_hours", "frontdesk", "waiting")),
)

# When each scene plays, in Shanghai and in UTC.
SCENES: tuple[tuple[str, datetime, tuple[Letter, ...]], ...] = (
    ("10:00", MORNING, MORNING_POST),
    ("10:05", LATER, LATER_POST),
    ("10:06", LATER + timedelta(minutes=1), TAKEN_OVER),
    ("10:07", LATER + timedelta(minutes=2), THIRD_ROUND),
    ("10:08", LATER + timedelta(minutes=3), FOURTH_ROUND),
    ("10:09", LATER + timedelta(minutes=4), LAST_ROUND),
    ("21:40", NIGHT, NIGHT_POST),
)
