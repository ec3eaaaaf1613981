"""Doing the same to many things, a few at a time: what the archive marks it marks by single requests, and each takes milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
_AHEAD = 32


class Crew:
    """`writers` at a time; one does it in this thread, in order."""

    def __init__(self, writers: int) -> None:
        self.writers = writers

    def each(self, work: Callable[[T], None], things: Iterable[T]) -> None:
        """Do `work` to each, and return when all is done. What one raises is raised here, after those that were under way."""
        if self.writers == 1:
            for thing in things:
                work(thing)
            return
        left = iter(things)
        with ThreadPoolExecutor(self.writers) as pool:
            # A few at a time: whatever the number of things, only these are held.
            while some := list(islice(left, self.writers * _AHEAD)):
                list(pool.map(work, some))
