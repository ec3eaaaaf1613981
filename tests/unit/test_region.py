"""Where a contact may be: what numbers and locales tell, and nothing where they tell nothing."""

from __future__ import annotations

from typing import Any

import pytest

from infra.records.question import PREFIX_LENGTH
from infra.records.region import RegionUnknown, region, region_of


def contact(number: str | None = None, locale: str | None = None) -> dict[str, Any]:
    ids = [{"kind": "phone_e164", "value": number}] if number else [{"kind": "openid", "value": "o1"}]
    return {"contact": {"primary": "x", "ids": ids, **({"locale": locale} if locale else {})}}


@pytest.mark.parametrize(
    ("message", "known"),
    [
        (contact("+8613912345678"), "江苏省常州市"),
        (contact("+8613912345678", "en_US"), "江苏省常州市"),
        (contact(locale="zh_CN"), "CN"),
        (contact(locale="en-GB"), "GB"),
        (contact(locale="zh"), None),
        (contact(), None),
        (contact("+999999"), None),
        ({}, None),
    ],
)
def test_what_a_contact_tells(message: dict[str, Any], known: str | None) -> None:
    assert region_of(message) == known


def test_a_province_holds_its_cities_and_either_is_named_with_or_without_its_kind() -> None:
    province, city = region("江苏"), region("常州市")
    assert set(city.prefixes) < set(province.prefixes)
    assert region("江苏省") == province
    assert region("Changzhou").prefixes == city.prefixes
    assert "+861391234" in city.prefixes
    assert {len(prefix) for prefix in province.prefixes} == {PREFIX_LENGTH}


def test_a_city_that_is_called_as_its_province_is_not_lost_in_it() -> None:
    assert set(region("海南").prefixes).isdisjoint(region("西宁").prefixes)


def test_a_country_has_its_calling_code() -> None:
    assert (region("CN").country, region("CN").calling_code) == ("CN", "86")
    assert region("ZZ").calling_code is None


def test_a_place_that_is_none_is_named() -> None:
    with pytest.raises(RegionUnknown, match="Atlantis"):
        region("Atlantis")
