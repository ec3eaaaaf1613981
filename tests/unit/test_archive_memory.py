"""However much is due, the archive holds no more of it at a time."""

from __future__ import annotations

import tracemalloc

import pytest

from bench.archiving import cost
from bench.rig import filing


def peak(messages: int) -> int:
    """The most bytes that Python had at a time, beyond what it had before."""
    tracemalloc.start()
    try:
        filing.run(messages, messages=100)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_ten_times_the_messages_take_no_more_memory() -> None:
    filing.run(5_000, messages=100)  # what is imported and cached the first time, some of it by a large run only
    small, large = peak(500), peak(5_000)
    assert large < small * 1.3


@pytest.mark.parametrize("mix", filing.MIXES)
def test_no_item_is_read_that_is_not_filed_and_an_index_entry_for_each_conversation(mix: str) -> None:
    told = filing.run(2_000, mix)
    assert told["read"] == told["filed"]
    assert told["read"] + told["entries"] <= 1.34 * told["filed"], "at worst, where everybody wrote once: four for three"
    assert 0 < cost(told) < 5


@pytest.mark.parametrize(("mix", "units"), [("first", 2), ("single", 3)])
def test_the_index_is_next_to_nothing_of_what_is_billed(mix: str, units: int) -> None:
    """The conversation, its message and its reply: by two requests where it is new, by three where there is more behind."""
    told = filing.run(1_000, mix)
    assert told["calls"]["GetItem"] + told["calls"]["Query"] < units * 1_000 + 20
    assert units <= told["units"] / 1_000 <= units * 1.02
