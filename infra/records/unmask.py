"""Seeing what masking took out: every look is written down in the conversation before anything is shown.

The audit line is an item of the conversation (`Z#`, the moment, the message): who, when, why, what. It is written once and never changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from functions.common import keys
from functions.common.clock import to_iso, to_ms
from functions.common.dynamo_store import DynamoStore
from functions.common.errors import aws_faults
from functions.common.table import Table
from functions.common.vault import SealBroken, Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmasking:
    """`by` is who looks, as AWS knows them; `random` makes the audit line's key its own."""

    table: Table
    vault: Vault
    by: str
    reason: str
    now: datetime
    random: Callable[[], str]

    def originals(self, message_id: str) -> dict[str, str] | None:
        """What was taken out of each field; None when nothing was, or when it has expired. The look is on record either way."""
        self._record(message_id)
        sealed = DynamoStore(self.table, shards=1).original(message_id)
        if sealed is None:
            return None
        try:
            fields: dict[str, str] = json.loads(self.vault.open(message_id, sealed))["fields"]
        except SealBroken:
            return None
        return fields

    def _record(self, message_id: str) -> None:
        key = keys.split(message_id)
        line = {
            "pk": keys.conversation_pk(key.conv),
            "sk": f"Z#{to_ms(self.now):013d}#{self.random()}",
            "action": "unmask",
            "by": self.by,
            "at": to_iso(self.now),
            "reason": self.reason,
            "message_id": message_id,
        }
        self.table.put_new(line)


def caller(sts: Any) -> str:
    """Who AWS takes this machine for."""
    with aws_faults("GetCallerIdentity"):
        arn: str = sts.get_caller_identity()["Arn"]
    return arn
