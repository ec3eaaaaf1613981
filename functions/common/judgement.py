"""What is said of a message: the axes and values of the label sheet, who handles it, by when, and why.

Machine names are stable; `CHINESE` is what people see.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from functions.common.message import Message

Business = Literal["enquiry", "complaint", "appointment", "after_sales", "suggestion", "other"]
Content = Literal["tech", "price", "logistics", "invoice", "refund", "account", "promotion", "product"]
Urgency = Literal["urgent", "normal"]
Sentiment = Literal["negative", "positive", "neutral"]
Spam = Literal["none", "ad", "scam", "noise"]
Risk = Literal["money", "credentials", "legal_media", "safety"]

CHINESE: dict[str, dict[str, str]] = {
    "business": {
        "enquiry": "咨询", "complaint": "投诉", "appointment": "预约", "after_sales": "售后", "suggestion": "建议", "other": "其他",
    },
    "content": {
        "tech": "技术", "price": "价格", "logistics": "物流", "invoice": "发票", "refund": "退款",
        "account": "账户", "promotion": "优惠活动", "product": "商品",
    },
    "urgency": {"urgent": "加急", "normal": "常规"},
    "sentiment": {"negative": "负面", "positive": "正面", "neutral": "中性"},
    "spam": {"none": "正常", "ad": "广告", "scam": "诈骗", "noise": "无意义"},
    "risk": {"money": "转账汇款", "credentials": "验证码密码", "legal_media": "法律媒体", "safety": "人身安全"},
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of the message's text: Unicode code points, `end` exclusive."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """A rule that fired, with the version of the rule set and the text that made it fire."""

    rule: str
    version: str
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Every axis of the label sheet; `scores` holds 0…1 for each value a machine set, keyed `axis.value`.

    `uncertain` names the axes on which the model was not sure enough and no rule had a say.
    """

    business: Business = "other"
    also: tuple[Business, ...] = ()
    content: tuple[Content, ...] = ()
    urgency: Urgency = "normal"
    sentiment: Sentiment = "neutral"
    spam: Spam = "none"
    risk: tuple[Risk, ...] = ()
    wants_human: bool = False
    opt_out: bool = False
    language: str = "zh"
    scores: dict[str, float] = field(default_factory=dict)
    uncertain: tuple[str, ...] = ()
    firings: tuple[Firing, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """Who handles the message and by when. `hold` lists why it waits for review; `points` explains the priority.

    `needs_person` false means a machine's answer settles it; `reply` names the template a rule chose for that. `opt_in`: who wanted no
    messages wants them again.
    """

    team: str
    priority: int
    due_at: datetime
    hold: tuple[str, ...] = ()
    escalate: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    points: dict[str, int] = field(default_factory=dict)
    needs_person: bool = True
    reply: str | None = None
    no_reply: bool = False
    suggest: tuple[str, ...] = ()
    service: str | None = None
    opt_in: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A message with everything said of it. `message.text` is masked; `masked` counts what was taken out, by kind.

    `seq` is the message's place in its conversation, from 1; `bundle` is the hash of the configuration that judged it. `same_as` is the
    message that this one repeats; `campaign` names a text that many senders sent. `late_at` is when it was stored, where that was long
    after its receipt (`store.LATE`).
    """

    message: Message
    judgement: Judgement
    routing: Routing
    bundle: str
    seq: int
    masked: dict[str, int] = field(default_factory=dict)
    same_as: str | None = None
    campaign: str | None = None
    late_at: datetime | None = None
