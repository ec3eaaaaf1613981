"""A long message in a line, in its own words: the numbers it names, what it asks, and by when.

Nothing is written anew: each part is a stretch of the masked text. It is worked out where it is shown, and not stored: it follows from
the text alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SHORTEST = 60
# In Chinese; a clause in Latin letters takes twice as many to say as much.
_LONGEST_ASK = 48
_MOST_NUMBERS = 3
_READ = 4000

_NUMBER = re.compile(
    r"(?<![\w/.-])(?:[A-Za-z]{1,5}[-_]?)?\d{2,}[-_]?\d{4,}(?:[-_]\d{3,})*(?![\w/])"
    r"|(?<=[#＃])\w{3,20}"
    r"|(?:单号|订单号|编号|工单|案件号"
    r"|(?i:order|ticket|case|invoice|tracking"
    r"|booking|reservation|confirmation|reference|ref) ?(?i:no\.?|number|id|#)?)[ .:：#]*(?P<named>(?=[\w-]*\d)[A-Za-z0-9-]{4,24})"
)
_YEAR = re.compile(r"(?:19|20)\d\d(?:[-/]?(?:0?[1-9]|1[0-2])(?:[-/]?(?:0?[1-9]|[12]\d|3[01]))?)?")

_CLAUSE = re.compile(r"[^,，;；。.!！?？\n~…]+(?:\.(?=\d)[^,，;；。!！?？\n~…]+)*[?？]?")
_ASKS = (
    (re.compile(r"[?？]$"), 4),
    (
        re.compile(r"能不能|能否|可不可以|可否|是否|怎么|如何|什么时候|多久|多少|为什么|哪里|几点|有没有|还有.{0,6}吗|[吗么]$"),
        4,
    ),
    (
        re.compile(
            r"(?:我|咱们?|们)?(?:想|要|需要|希望|要求|申请|打算)(?!不要)|帮我|帮忙|麻烦|给我|给个|必须|请(?!问)|尽快|赶紧"
        ),
        3,
    ),
    (
        re.compile(
            r"退[款货钱换]|换[货成一个]|取消|改[成到签期]|补[发寄]|赔|开.{0,4}发票|预约|预定|预订|修|催|查一?下|查询|投诉|解释|回复|处理|解决|注销|解绑"
        ),
        3,
    ),
    (
        re.compile(
            r"\b(?:can|could|would|will|do|does|is|are) (?:you|i|we|it|there|the)\b"
            r"|\b(?:how|when|where|why|what|which)\b|\b(?:please|pls|kindly)\b",
            re.I,
        ),
        4,
    ),
    (
        re.compile(
            r"\b(?:i|we)(?:'d| would)? (?:want|need|like|expect|demand)\b"
            r"|\b(?:refund|cancel|exchange|replace|reschedule|return|book|fix|send|call|invoice)\b",
            re.I,
        ),
        3,
    ),
)
_PLEASANTRY = re.compile(
    r"^(?:你好|您好|在吗|谢谢|多谢|感谢|辛苦了?|拜托了?|麻烦(?:您|你)?了|hi|hello|hey|thanks?|thank you|dear|regards|best|cheers)\b",
    re.I,
)

_DAY = (
    r"(?:(?:今|明|后)(?:天|晚|早|儿|日)(?:上午|下午|晚上|早上|中午|一早)?|(?:这|本|下)?(?:周|星期|礼拜)[一二三四五六日天末]"
    r"|(?:下|本|这)个?(?:周|月)|月底|年底|节前|国庆|春节|中秋|\d{1,2}月\d{1,2}[日号]?|\d{1,2}[日号](?!楼|线|店)|\d{1,2}/\d{1,2})"
)
_HOUR = (
    r"(?:(?:凌晨|早上|上午|中午|下午|晚上|今晚)?(?:\d{1,2}|[一二三四五六七八九十]{1,3})(?:点半?|[:：]\d{2}|时)(?:\d{1,2}分)?)"
)
_DEADLINE = (
    re.compile(rf"(?:{_DAY})?的?(?:{_HOUR})?(?:之前|以前|前|之内|以内|内)(?<=..)(?<![前内]..)"),
    re.compile(r"(?:\d{1,3}|[一二两三四五六七八九十半]{1,3})个?(?:小时|钟头|分钟|工作日|天|周|星期|月)(?:之内|以内|内)"),
    re.compile(
        r"\b(?:by|before|until|till|no later than|within)(?: the)?(?: end of| close of| next| this)? "
        r"(?:\d[\d:.]*(?:st|nd|rd|th)?(?: ?(?:am|pm|hours?|hrs?|days?|weeks?|minutes?|mins?|o'clock))?|noon|midnight|today|tonight|tomorrow"
        r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day|(?:this |next )?(?:week|month|weekend|day|business|morning|afternoon|evening)"
        r"|(?:jan|febr|march|april|may|june|july|aug|sept|octo|novem|decem)\w*)"
        r"(?: (?:at|on|morning|afternoon|evening|noon|\d)[\w: ]{0,10}\b)?",
        re.I,
    ),
    re.compile(rf"{_DAY}的?{_HOUR}?|{_HOUR}"),
    re.compile(
        r"\b(?:today|tonight|tomorrow(?: (?:morning|afternoon|evening|night))?|this (?:morning|afternoon|evening|week|weekend)"
        r"|next (?:week|month|\w+day)|asap|(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b",
        re.I,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Stretches of a masked text: `numbers` of orders, parcels and the like, the clause that asks, and when it is to be done by."""

    numbers: tuple[str, ...] = ()
    asks: str | None = None
    by: str | None = None

    def line(self) -> str:
        """In one line."""
        return " · ".join(filter(None, (", ".join(self.numbers), self.asks, self.by and f"⏰ {self.by}")))


def summarise(text: str | None) -> Summary | None:
    """The summary of a masked text; None for one that is short enough to be read whole. Linear in the length of the text."""
    if text is None or len(text) <= SHORTEST:
        return None
    text = text[:_READ]
    asks = _asks(text)
    return Summary(numbers=_numbers(text), asks=asks, by=_by(text, asks))


def _numbers(text: str) -> tuple[str, ...]:
    found = (match["named"] or match[0] for match in _NUMBER.finditer(text))
    return tuple(dict.fromkeys(number for number in found if not _YEAR.fullmatch(number)))[:_MOST_NUMBERS]


def _asks(text: str) -> str | None:
    """The clause that asks most plainly; of equals the last, for people come to the point at the end."""
    clauses = [clause for match in _CLAUSE.finditer(text) if (clause := match[0].strip(" ~-—:：\"'“”")) and len(clause) > 1]
    plain = [clause for clause in clauses if not _PLEASANTRY.match(clause)] or clauses
    if not plain:
        return None
    scored = [(sum(points for pattern, points in _ASKS if pattern.search(clause)), place) for place, clause in enumerate(plain)]
    best, place = max(scored)
    clause = plain[place] if best else max(plain, key=len)
    most = 2 * _LONGEST_ASK if clause.isascii() else _LONGEST_ASK
    return clause if len(clause) <= most else clause[:most] + "…"


def _by(text: str, asks: str | None) -> str | None:
    """When it is to be done by: a deadline before a mere time, the asking clause before the rest."""
    for pattern in _DEADLINE:
        for where in filter(None, (asks, text)):
            found = [match[0].strip() for match in pattern.finditer(where) if len(match[0].strip()) > 1]
            if found:
                return found[-1]
    return None
