"""What stops an operator's command, as facts: one line each, never a traceback."""

from __future__ import annotations


class RecordsFault(Exception):
    """The command cannot go on; the message says why, in one line."""


class PeriodInvalid(RecordsFault):
    """The time asked for is none, ends before it begins, or is longer than allowed."""


class PartUnsound(RecordsFault):
    """A part is missing, cut short, or not what its manifest says."""


class NothingChosen(RecordsFault):
    """A command that changes things was not told which, or in words that do not go together."""
