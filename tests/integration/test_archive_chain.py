"""The archive calls itself again until its work is done, and not for ever."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from gzip import decompress
from json import loads
from pathlib import Path
from typing import Any

import pytest

from functions.archive.relay import LONGEST_CHAIN
from tests.fakes.house import House, open_house

LATER = {"now": (datetime.now(UTC) + timedelta(days=20)).isoformat()}
# Time enough to collect two conversations, and then to write, prove and mark what was collected.
SHORT = [10_000] * 5 + [4_000] * 999
NONE_TO_COLLECT = [10_000] + [4_000] * 999


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path, only=("generic",)) as opened:
        generic = opened.simulators["generic"]
        for n in range(12):
            opened.receive("generic", generic.text(f"u{n}", "谢谢", native_id=f"m{n}"))
        opened.pump()
        yield opened


def filed(house: House) -> int:
    return sum(item["count"] for item in house.items() if item["pk"].startswith("A#2") and item["state"] == "done")


def test_an_archive_cut_short_five_times_calls_itself_until_all_is_filed(house: House) -> None:
    first = house.invoke("archive", LATER, remaining=SHORT)
    assert first["more"] and first["relayed"]
    assert house.relayed == [("archive", {"action": "archive", "link": 2, "now": house.relayed[0][1]["now"]})]
    assert house.go_on(remaining=SHORT) >= 5
    assert filed(house) == 12
    assert all("exp" in item for item in house.of_kind("M#"))


def test_a_watch_cut_short_goes_on_after_the_last_part_that_it_proved(house: House) -> None:
    for n in range(3):
        house.invoke("archive", {"now": (datetime.now(UTC) + timedelta(days=20, hours=n)).isoformat()})
        generic = house.simulators["generic"]
        house.receive("generic", generic.text(f"v{n}", "谢谢", native_id=f"n{n}"))
        house.pump()
    parts = sorted(item["sk"] for item in house.items() if item["pk"].startswith("A#2"))
    assert len(parts) == 3
    near = {"action": "watch", "now": (datetime.now(UTC) + timedelta(days=29)).isoformat()}
    one_part = [10_000, 10_000, *[0] * 99]
    assert house.invoke("archive", near, remaining=one_part)["proven"] == 1
    (event,) = (event for _, event in house.relayed)
    assert event["after"].endswith(f"#{parts[0].partition('#')[2]}") and event["link"] == 2
    assert house.go_on(remaining=one_part) == 2
    told = house.invoke("archive", {**event, "after": f"{event['after'][:10]}#~"})
    assert (told["proven"], told["more"]) == (0, False)


def test_an_archive_that_is_done_calls_nobody(house: House) -> None:
    told = house.invoke("archive", LATER)
    assert not told["more"] and not told["relayed"]
    assert house.relayed == []


def test_a_chain_ends_and_says_so(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.invoke("archive", LATER, remaining=NONE_TO_COLLECT)
    assert house.go_on(remaining=NONE_TO_COLLECT) == LONGEST_CHAIN - 1
    assert '"ArchiveBehind":[1.0]' in capsys.readouterr().out
    assert "archive_chain_ended" in house.log.getvalue()
    house.invoke("archive", LATER)
    assert filed(house) == 12


def test_two_chains_become_one(house: House) -> None:
    for _ in range(2):
        house.invoke("archive", LATER, remaining=SHORT)
    links = house.go_on(remaining=SHORT)
    assert links <= 2 * LONGEST_CHAIN
    assert filed(house) == 12


@pytest.mark.parametrize("event", [{"link": 0}, {"link": "x"}, {"action": "dance"}, {"now": "yesterday"}])
def test_an_event_that_means_nothing_is_refused_by_name(house: House, event: dict[str, Any]) -> None:
    from functions.common.schedule import MalformedSchedule

    with pytest.raises(MalformedSchedule, match=next(iter(event))):
        house.invoke("archive", event)


def test_what_days_of_outage_left_is_filed_night_by_night_to_the_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chains are short, and so is each link: every night goes on where the last one ended, and nothing is filed twice."""
    monkeypatch.setattr("functions.archive.relay.LONGEST_CHAIN", 2)
    left, now = [12], datetime.now(UTC) + timedelta(days=20)
    while left[-1]:
        now += timedelta(days=1)
        house.invoke("archive", {"now": now.isoformat()}, remaining=SHORT)
        house.go_on(remaining=SHORT)
        left.append(12 - filed(house))
        assert left[-1] < left[-2], "every night files something"
        assert len(left) < 12
    assert len(left) > 3, "one night was not enough"
    lines = [line for key, body in house.archived().items() if key.startswith("dt=") for line in decompress(body).splitlines()]
    assert len(lines) == len({loads(line)["message"]["message_id"] for line in lines}) == 12
    assert not house.invoke("archive", {"now": (now + timedelta(days=1)).isoformat()})["more"]
