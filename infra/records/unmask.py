"""Seeing what masking took out: every look is written down in the conversation before anything is shown.

The audit line is an item of the conversation (`Z#`, the moment, the message): who, when, why, what. It is written once and never changed,
and only while no erasure covers the message: a search may outlive one, which would not find the line any more.
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
from infra.records.guarded import Guarded


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmasking:
    """`by` is who looks, as AWS knows them; `random` makes the audit line's key its own."""

    table: Table
    guarded: Guarded
    vault: Vault
    by: str
    reason: str
    now: datetime
    random: Callable[[], str]

    def originals(self, message_id: str, received_at: datetime) -> dict[str, str] | None:
        """What was taken out of each field; None when nothing was, or when it has expired. The look is on record either way.
        `ErasedMeanwhile` when whoever wrote the message was erased since it was found: nothing of it may be shown, or written down.
        """
        self._record(message_id, received_at)
        sealed = DynamoStore(self.table, shards=1).original(message_id)
        if sealed is None:
            return None
        try:
            fields: dict[str, str] = json.loads(self.vault.open(message_id, sealed))["fields"]
        except SealBroken:
            return None
        return fields

    def _record(self, message_id: str, received_at: datetime) -> None:
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
        self.guarded.put(key.conv, line, received_at=received_at, condition="attribute_not_exists(pk)")


def caller(sts: Any) -> str:
    """Who AWS takes this machine for."""
    with aws_faults("GetCallerIdentity"):
        arn: str = sts.get_caller_identity()["Arn"]
    return arn
