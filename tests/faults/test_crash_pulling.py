"""Invariant 4 for channels that only announce: the process dies around every call of ingest, pull and what follows, and nothing is lost,
nothing is stored twice, and the cursor ends where the platform's list does."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.house import House
from tests.faults.test_crash_anywhere import AT, deaths, hear, pump, same_as_undisturbed

CHANNEL = "wecom_kf"


def cursors(house: House) -> list[Any]:
    return [item["cursor"] for item in house.items() if item["pk"].startswith("K#")]


def same_place_too(house: House, undisturbed: dict[str, Any], where: str) -> None:
    same_as_undisturbed(house, undisturbed, where)
    history = house.simulators[CHANNEL]
    assert cursors(house) == [history._cursor(len(history._history))], where
    assert len(house.of_kind("M#")) == 3, where


def three_pages(simulator: Any) -> Any:
    """Three texts of two people, an event and an echo between them, listed two by two."""
    simulator.page = 2
    texts = [simulator.item(f"wm{n % 2}", "text", {"content": f"谢谢 {n}"}, native_id=f"k{n}", at=AT) for n in range(3)]
    event = simulator.event("wm0", "enter_session", at=AT)
    return simulator.batch([event, *texts[:2], simulator.servicer("wm0", "您好", at=AT), texts[2]], at=AT)


@pytest.mark.timeout(280)
@pytest.mark.parametrize("when", ["before", "after"])
def test_what_was_announced(tmp_path: Path, when: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # What a dead process held is free again soon.
    monkeypatch.setattr("functions.common.token_lease.LEASE", timedelta(milliseconds=300))
    deaths(tmp_path, when, [hear(CHANNEL, three_pages), pump], CHANNEL, same_place_too)
