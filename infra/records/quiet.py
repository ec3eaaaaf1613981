"""What the functions' own code logs while an operator's command runs it: to stderr, for stdout is the command's result."""

from __future__ import annotations

import json
import sys
from typing import Any

from functions.common.telemetry import Telemetry


class OnStderr(Telemetry):
    """One JSON line per outcome on stderr; nothing is counted, for nobody collects a command's metrics."""

    def __init__(self) -> None:
        self.service = "cli"

    def info(self, outcome: str, **keys: Any) -> None:
        """One line."""
        print(json.dumps({"message": outcome, **keys}, default=str), file=sys.stderr, flush=True)

    def warning(self, outcome: str, **keys: Any) -> None:
        """One line."""
        self.info(outcome, **keys)

    def error(self, outcome: str, fault: BaseException, **keys: Any) -> None:
        """One line, with the fault's type."""
        self.info(outcome, fault=type(fault).__name__, **keys)

    def count(self, counts: dict[str, int], **dimensions: str) -> None:
        """Nothing."""
