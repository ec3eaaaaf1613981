"""The demo's second half: what operators do with what is kept, by their own command, one process each.

The month's pack opened with its password, the archive checked, the table's items gone by expiry, one conversation brought back, messages
found, one person erased and not found again, not even by a restore. DynamoDB's time to live is played here: moto lets nothing expire.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from functions.common.clock import system_clock
from functions.common.table import from_item
from infra.local.engine import ROOT

if TYPE_CHECKING:
    from infra.local.stack import Stack

# The last working day of November, half past eight in the evening in Shanghai.
MONTH_END = datetime(2026, 11, 30, 12, 30, tzinfo=UTC)
# Everything that was archived has been in the table as long as it may.
EXPIRED = datetime(2027, 1, 13, 4, 0, tzinfo=UTC)
PACK = "month-end/2026-11.zip"
DAY = "2026-11-24"


class CommandFailed(Exception):
    """An operator's command ended with an error; the message is its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that was done: the command as it would be typed, and its answer."""

    command: str
    told: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """What the operators' half came to. `sheets` counts the rows of each CSV of the pack; `left` messages after expiry."""

    conversation: str
    person: str
    sheets: dict[str, int]
    left: int
    steps: dict[str, Step]


class Operator:
    """Somebody at a terminal beside the stack, in a folder of their own."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self.steps: dict[str, Step] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def types(self, name: str, *words: str) -> dict[str, Any]:
        """Run a command and keep its answer under a name; `CommandFailed`."""
        ahead = str((self._stack.now() - system_clock()).total_seconds())
        done = subprocess.run(
            [sys.executable, "-m", "infra.demo.command", ahead, *words, "--json"],
            cwd=self._folder,
            env=self._stack.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise CommandFailed(f"postroom {' '.join(words)}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
        *found, last = map(json.loads, done.stdout.splitlines())
        told: dict[str, Any] = {"found": found, **last["end"]} if "end" in last else last
        self.steps[name] = Step(command=f"postroom {' '.join(words)}", told=told)
        return told


def month_end(stack: Stack, operator: Operator, folder: Path) -> dict[str, int]:
    """Fetch the pack that the schedule made, open it, and count each CSV's rows."""
    body = stack.client("s3").get_object(Bucket=stack.environ["EXPORT_BUCKET"], Key=PACK)["Body"].read()
    pack = folder / Path(PACK).name
    pack.write_bytes(body)
    files = operator.types("unpack", "unpack", pack.name, "--to", "2026-11")["files"]
    return {Path(file).name: _rows(folder / file) for file in files}


def aftermath(
    stack: Stack,
    operator: Operator,
    conversations: list[dict[str, Any]],
    sheets: dict[str, int],
    say: Callable[[str], None],
) -> Drill:
    """Everything that follows the archive's run."""
    generic = [known for known in conversations if known["channel"] == "generic"]
    kept, gone = max(generic, key=lambda known: known["count"]), min(generic, key=lambda known: known["count"])
    operator.types("verify", "archive", "verify")
    say("Forty days later: what was archived leaves the table …")
    stack.set_clock(EXPIRED)
    left = expire(stack)
    say("One conversation is brought back, messages are found, one person is erased …")
    operator.types("restore", "restore", "--conversation", kept["conversation"])
    operator.types("search", "search", "--day", DAY, "--label", "投诉")
    whole = operator.types("whole", "search", "--day", DAY, "--limit", "500")["count"]
    operator.types("erase", "person", "erase", "generic", gone["account"], gone["contact"], "--yes")
    operator.types("search_again", "search", "--day", DAY, "--limit", "500")
    operator.types("restore_again", "restore", "--day", DAY, "--dry-run")
    assert whole
    return Drill(conversation=kept["conversation"], person=gone["conversation"], sheets=sheets, left=left, steps=operator.steps)


def expire(stack: Stack) -> int:
    """Play DynamoDB's time to live: remove what may go by now; how many messages are left."""
    client, table = stack.client("dynamodb"), stack.environ["TABLE_NAME"]
    left = 0
    for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        for raw in page["Items"]:
            item = from_item(raw)
            if item.get("exp", float("inf")) <= stack.now().timestamp():
                client.delete_item(TableName=table, Key={"pk": raw["pk"], "sk": raw["sk"]})
            else:
                left += item["sk"].startswith("M#")
    return left


def _rows(path: Path) -> int:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return sum(1 for _ in csv.DictReader(file))
