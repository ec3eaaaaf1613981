"""Where a contact may be, as far as that is known, which is not far.

A number tells its country, and a mobile number of mainland China the province and city to which its block was given. That is where the
number was sold: people move and keep it. A locale tells a country. Nothing else that platforms send says where somebody is, and most of
their ids say nothing: those contacts have no region. The blocks are those of Google's libphonenumber (package `phonenumbers`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from infra.records.errors import RecordsFault

_PROVINCES = (
    *(
        "北京",
        "天津",
        "河北",
        "山西",
        "内蒙古",
        "辽宁",
        "吉林",
        "黑龙江",
        "上海",
        "江苏",
        "浙江",
        "安徽",
        "福建",
        "江西",
        "山东",
        "河南",
    ),
    *("湖北", "湖南", "广东", "广西", "海南", "重庆", "四川", "贵州", "云南", "西藏", "陕西", "甘肃", "青海", "宁夏", "新疆"),
)
_KINDS = re.compile(r"(省|市|壮族自治区|回族自治区|维吾尔自治区|自治区|特别行政区)$")
_BLOCKS = range(1_300_000, 2_000_000)
_COUNTRY = re.compile(r"[A-Z]{2}")


class RegionUnknown(RecordsFault):
    """No country, province or city of this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Either a country, with its calling code if it has one, or the `prefixes` of a place's mobile numbers, `+861300000` and so on."""

    country: str | None = None
    calling_code: str | None = None
    prefixes: tuple[str, ...] = ()


def region(name: str) -> Region:
    """`CN`, or a province or city of mainland China, in Chinese or in English; `RegionUnknown`."""
    import phonenumbers

    name = name.strip()
    if _COUNTRY.fullmatch(name):
        code = phonenumbers.country_code_for_region(name)
        return Region(country=name, calling_code=str(code) if code else None)
    prefixes = tuple(f"+86{block}" for block in _blocks(name))
    if not prefixes:
        raise RegionUnknown(f"no country (two letters, as in CN) and no province or city of mainland China is called {name}")
    return Region(prefixes=prefixes)


def write_prefixes(found: Region, target: Path) -> None:
    """The prefixes, one per line."""
    target.write_text("".join(f"{prefix}\n" for prefix in found.prefixes), encoding="utf-8")


def region_of(message: dict[str, Any]) -> str | None:
    """What a message's contact tells: the number's place or country, else the locale's country, else nothing."""
    contact = message.get("contact", {})
    number = next((i["value"] for i in contact.get("ids", ()) if i.get("kind") == "phone_e164"), None)
    territory = re.search(r"[-_]([A-Z]{2})$", contact.get("locale") or "")
    return (number and _place(number)) or (territory[1] if territory else None)


def _place(number: str) -> str | None:
    import phonenumbers
    from phonenumbers import geocoder

    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return None
    found: str = geocoder.description_for_number(parsed, "zh") or phonenumbers.region_code_for_number(parsed) or ""
    return found or None


def _blocks(name: str) -> Iterator[int]:
    """The first seven digits of every mobile number of a place; the longest known prefix decides, as in libphonenumber."""
    from phonenumbers.geodata import GEOCODE_DATA

    known: dict[str, dict[str, str]] = GEOCODE_DATA
    wanted = _KINDS.sub("", name) or name
    for block in _BLOCKS:
        digits = f"86{block}"
        found = next((known[digits[:length]] for length in range(9, 3, -1) if digits[:length] in known), None)
        if found is not None and _is_in(found.get("zh", ""), found.get("en", ""), wanted):
            yield block


@cache
def _is_in(chinese: str, english: str, wanted: str) -> bool:
    if wanted.casefold() in (part.strip().casefold() for part in english.split(",")):
        return True
    province = next((known for known in _PROVINCES if chinese.startswith(known)), "")
    city = chinese[len(province) :].removeprefix("省")
    return bool(wanted) and (wanted == province or (len(wanted) > 1 and city.startswith(wanted)))
