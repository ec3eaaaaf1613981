"""Archived messages by the hundred thousand, by the archive's own part writer: nine days, three channels, a reply to every second."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from functions.archive.bucket import part_key
from functions.archive.manifests import Manifest, intent
from functions.archive.parts import Filed, Part, PartWriter
from functions.common import keys
from functions.common.judgement import Firing, Judged, Judgement, Routing, Span
from functions.common.message import Contact, ContactId, Message, Verification
from functions.common.store import Reply

SINCE = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
DAYS = 9
CHANNELS = ("aliyun_sms", "generic", "wechat_oa")
PART = 20_000
RARE = "发票抬头写错了"
TEXTS = (
    "你好,我上周在你们店里买的电饭煲到现在还没有发货,麻烦帮我查一下物流单号,谢谢",
    "请问这款还有没有现货?大概什么时候可以到货?我想先预订两台,付款方式有哪些",
    "收到的时候外箱已经破了,里面的说明书也没有,我要求换一台新的,不然就退款",
    "Could you tell me whether the warranty covers a broken handle? I bought it in June.",
    "明天下午三点可以预约上门安装吗?地址还是上次那个,[address],电话 [phone]",
    "退订",
    "你们的客服态度太差了,打了三次电话都没有人接,我要投诉到12315",
)
_JUDGEMENTS = (
    Judgement(business="enquiry", content=("logistics",), scores={"business.enquiry": 0.91, "content.logistics": 0.88}),
    Judgement(business="enquiry", content=("product", "price"), scores={"business.enquiry": 0.94}),
    Judgement(business="complaint", content=("product",), sentiment="negative", scores={"business.complaint": 0.87}),
    Judgement(business="enquiry", content=("product",), language="en", scores={"business.enquiry": 0.9}),
    Judgement(business="appointment", scores={"business.appointment": 0.97}),
    Judgement(opt_out=True),
    Judgement(business="complaint", urgency="urgent", sentiment="negative", risk=("legal_media",)),
)
_FIRING = Firing(rule="shipped.keywords.logistics", version="7", spans=(Span(start=3, end=9), Span(start=21, end=23)))


def parts(messages: int, *, every: int = 1000) -> Iterator[Part]:
    """So many messages in parts of up to `PART`; every `every`th says `RARE`."""
    numbers = count()
    for day in range(DAYS):
        for channel in CHANNELS:
            writer, held = _writer(day, channel), 0
            for _ in range(messages // (DAYS * len(CHANNELS))):
                writer.add(_filed(next(numbers), day, channel, every))
                held += 1
                if held == PART:
                    yield writer.close()
                    writer, held = _writer(day, channel), 0
            if held:
                yield writer.close()


def _writer(day: int, channel: str) -> PartWriter:
    return PartWriter((SINCE + timedelta(days=day)).date().isoformat(), channel)


def _person(number: int) -> str:
    return f"+8613{number % 50_000 + 900_000_000:09d}"


def _filed(number: int, day: int, channel: str, every: int) -> Filed:
    received = SINCE + timedelta(days=day, milliseconds=number * 7 % 36_000_000)
    person = _person(number)
    message_id = keys.message_id(channel, "shop", person, received, str(number))
    message = Message(
        message_id=message_id,
        channel=channel,
        account="shop",
        contact=Contact(primary=person, ids=(ContactId(kind="phone_e164", value=person),), name=f"客户{number % 50_000}"),
        kind="text",
        native_id=str(10**12 + number),
        text=TEXTS[number % len(TEXTS)] + (RARE if number % every == 0 else f" {number}"),
        sent_at=received,
        received_at=received + timedelta(milliseconds=300),
        verification=Verification(scheme="hmac", body_signed=True, timestamped=True),
    )
    judgement = replace(_JUDGEMENTS[number % len(TEXTS)], firings=(_FIRING,))
    routing = Routing(
        team="frontdesk", priority=25, due_at=received + timedelta(hours=24), points={"business": 20, "first_contact": 5}
    )
    judged = Judged(message=message, judgement=judgement, routing=routing, bundle="561cf00b8391", seq=number % 9 + 1)
    if number % 2:
        return Filed(judged=judged, reply=None)
    said = "您好,您的消息已经收到,客服会在24小时之内联系您。"
    reply = Reply(message_id=message_id, state="sent", reason="receipt", at=received, text=said, template="receipt", attempts=1)
    return Filed(judged=judged, reply=reply)


def shelved(directory: Path, messages: int) -> list[Manifest]:
    """So many messages as files, laid out as in the bucket; their manifests."""
    made = []
    for number, part in enumerate(parts(messages)):
        key = part_key(part.day, part.channel, f"bench-{number}")
        path = directory / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(part.body)
        made.append(intent(part, name=f"bench-{number}", key=key, run="bench", began=SINCE))
    return made


def conversation(messages: int) -> str:
    """The key of a conversation with messages, among so many."""
    return keys.conversation_key("generic", "shop", _person(messages // (DAYS * len(CHANNELS))))
