"""Reply texts in two languages with strict variables, and times of day as people say them. Pure.

A variable that a text names and nobody supplies is `TemplateInvalid`: no reply is better than one that greets `{name}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from string import Formatter
from typing import Literal
from zlib import crc32
from zoneinfo import ZoneInfo

from functions.common.errors import Poison

Language = Literal["zh", "en"]

_HAN = re.compile(r"[㐀-䶿一-鿿豈-﫿\U00020000-\U0003ffff]")
_NAME = re.compile(r"[a-z][a-z_]*")
_WEEKDAYS = {
    "zh": ("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


class TemplateInvalid(Poison):
    """A template is missing, is no template, or names a variable that has no value. The message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """One wording in both languages. Variables stand in braces; `{{` is a brace."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Template(Texts):
    """One reply: a text, and perhaps buttons under it and a picture. `channels` have wordings of their own; of the `variants` each contact
    always gets the same one, the template's own among them under the name `a`. After its `review` day nobody vouches for it any more.
    """

    name: str
    owner: str = ""
    review: date | None = None
    channels: Mapping[str, Texts] = field(default_factory=dict)
    variants: Mapping[str, Texts] = field(default_factory=dict)
    buttons_zh: tuple[str, ...] = ()
    buttons_en: tuple[str, ...] = ()
    image_url: str | None = None

    def buttons(self, language: Language) -> tuple[str, ...]:
        """The titles of the buttons under the text."""
        return self.buttons_zh if language == "zh" else self.buttons_en

    def expired(self, today: date) -> bool:
        """Whether its review is overdue."""
        return self.review is not None and today > self.review

    def texts(self, channel: str, conv: str) -> tuple[str | None, Texts]:
        """The wording for one conversation on one channel, and the name of its variant where it has several."""
        if channel in self.channels:
            return None, self.channels[channel]
        if not self.variants:
            return None, self
        names = ("a", *sorted(self.variants))
        chosen = names[crc32(f"{self.name} {conv}".encode()) % len(names)]
        return chosen, self.variants.get(chosen, self)

    def render(self, language: Language, variables: Mapping[str, str], texts: Texts | None = None) -> str:
        """The text, of another wording if one is given; `TemplateInvalid` when it names a variable that has no value."""
        wording = texts or self
        text = wording.zh if language == "zh" else wording.en
        missing = sorted(variables_of(text) - variables.keys())
        if missing:
            raise TemplateInvalid(f"template {self.name}: no value for {', '.join(missing)}")
        return text.format_map(variables)


def variables_of(text: str) -> set[str]:
    """The variables that a text names; `TemplateInvalid` for anything but plain `{name}`: no formats, no attributes."""
    found = set()
    try:
        for _, name, spec, conversion in Formatter().parse(text):
            if name is None:
                continue
            if not _NAME.fullmatch(name) or spec or conversion:
                raise TemplateInvalid(f"not a variable: {{{name}}}")
            found.add(name)
    except ValueError as error:
        raise TemplateInvalid(f"not a template: {error}") from None
    return found


def language_of(judged: str, text: str | None) -> Language:
    """The language to answer in. Of a mixed text, or one in a language we have no texts for, Han characters decide."""
    if judged in ("zh", "en"):
        return "zh" if judged == "zh" else "en"
    return "zh" if _HAN.search(text or "") else "en"


def spoken_time(moment: datetime, *, now: datetime, zone: ZoneInfo, language: Language) -> str:
    """A time as one would say it at `now`: 今天下午3:00, 明天（周二）上午9:00, `Monday 5 October at 9:00 am (UTC+8)`."""
    there, here = moment.astimezone(zone), now.astimezone(zone)
    days = (there.date() - here.date()).days
    if language == "zh":
        return _day_zh(there, days) + _clock_zh(there)
    return f"{_day_en(there, days)} at {_clock_en(there)}"


def _day_zh(there: datetime, days: int) -> str:
    weekday = _WEEKDAYS["zh"][there.weekday()]
    if days == 0:
        return "今天"
    return f"明天（{weekday}）" if days == 1 else f"{there.month}月{there.day}日（{weekday}）"


def _clock_zh(there: datetime) -> str:
    hour = there.hour
    part = "凌晨" if hour < 6 else "上午" if hour < 12 else "中午" if hour < 13 else "下午" if hour < 18 else "晚上"
    return f"{part}{hour if hour < 13 else hour - 12}:{there.minute:02d}"


def _day_en(there: datetime, days: int) -> str:
    weekday = _WEEKDAYS["en"][there.weekday()]
    if days == 0:
        return "today"
    return f"tomorrow ({weekday})" if days == 1 else f"{weekday} {there.day} {_MONTHS[there.month - 1]}"


def _clock_en(there: datetime) -> str:
    # Who writes in English may well live in another zone.
    half = "am" if there.hour < 12 else "pm"
    return f"{there.hour % 12 or 12}:{there.minute:02d} {half} ({_offset(there)})"


def _offset(there: datetime) -> str:
    minutes = int((there.utcoffset() or there - there).total_seconds()) // 60
    hours, rest = divmod(abs(minutes), 60)
    sign = "+" if minutes >= 0 else "-"
    return "UTC" if minutes == 0 else f"UTC{sign}{hours}" + (f":{rest:02d}" if rest else "")
