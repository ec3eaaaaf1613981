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


@pytest.mark.parametrize("mix", ["busy", "mixed"])
def test_what_is_read_beside_what_is_filed_and_what_it_costs(mix: str) -> None:
    told = filing.run(2_000, mix)
    assert told["read"] / told["filed"] <= 1.2
    assert 0 < cost(told) < 5


def test_at_worst_an_entry_of_the_index_is_read_for_every_message_and_nothing_else() -> None:
    """Every conversation wrote once: beside what is filed only the index's keys are read."""
    told = filing.run(500, "single")
    assert told["read"] - told["entries"] == told["filed"] == 3 * 500
