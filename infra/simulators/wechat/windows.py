"""The vendor's quota: each thing that a person does opens a window of its own, with a number of replies in it.

https://developers.weixin.qq.com/doc/subscription/guide/product/kf/intro.md
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


class Refused(Exception):
    """The vendor refuses a call with this code."""

    def __init__(self, errcode: int) -> None:
        super().__init__(errcode)
        self.errcode = errcode


@dataclass(slots=True)
class Window:
    """Until when, and how often still, the account may answer a person."""

    until: datetime
    left: int


class Windows:
    """Every person's windows, by what opened them."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, Window]] = {}

    def knows(self, contact: str) -> bool:
        """Whether the person ever did anything."""
        return contact in self._of

    def open(self, contact: str, reason: str, at: datetime, duration: timedelta, replies: int) -> None:
        """Open a window, or the same one anew; an older thing than the last opens nothing."""
        windows, opened = self._of.setdefault(contact, {}), Window(at + duration, replies)
        if reason not in windows or windows[reason].until <= opened.until:
            windows[reason] = opened

    def close(self, contact: str) -> None:
        """The person left."""
        self._of.get(contact, {}).clear()

    def use(self, contact: str, now: datetime) -> None:
        """Take one reply out of an open window, or `Refused`."""
        in_time = [window for window in self._of[contact].values() if window.until >= now]
        if not in_time:
            raise Refused(45015)  # out of time, or the person left
        open_one = next((window for window in in_time if window.left), None)
        if open_one is None:
            raise Refused(45047)  # out of count
        open_one.left -= 1
