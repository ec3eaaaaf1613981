"""How far long work has come: a bar at a terminal, a plain line now and then elsewhere. On stderr: stdout is for the result."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import repeat
from typing import IO, TypeVar

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 5.0


def told(
    work: Iterable[T],
    what: str,
    *,
    total: int | None = None,
    size: Callable[[T], int] = lambda _: 1,
    stream: IO[str] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[T, None, None]:
    """The same things, one at a time, while people are told how many are done. `size` is what one of them counts for in `total`."""
    stream = stream or sys.stderr
    if stream.isatty():
        return _bar(work, what, total, size, stream)
    return _lines(work, what, total, size, say=lambda line: print(line, file=stream, flush=True), clock=clock)


@contextmanager
def ticks(what: str) -> Iterator[Callable[[object], None]]:
    """The same for work that calls what it is given each time that something is done."""
    passing = told(repeat(None), what)
    next(passing)
    try:
        yield lambda _: next(passing)
    finally:
        passing.close()


def _bar(
    work: Iterable[T], what: str, total: int | None, size: Callable[[T], int], stream: IO[str]
) -> Generator[T, None, None]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=stream), transient=True) as progress:
        task = progress.add_task(what, total=total)
        for item in work:
            yield item
            progress.advance(task, size(item))


def _lines(
    work: Iterable[T],
    what: str,
    total: int | None,
    size: Callable[[T], int],
    *,
    say: Callable[[str], None],
    clock: Callable[[], float],
) -> Generator[T, None, None]:
    done, said = 0, clock()
    for item in work:
        yield item
        done += size(item)
        if clock() - said >= SECONDS_BETWEEN_LINES:
            said = clock()
            say(f"{what}: {done}" + (f" of {total}" if total is not None else ""))
    if done:
        say(f"{what}: {done}, done")
