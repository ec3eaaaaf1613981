"""Writes that an erasure forbids: each holds only while no tombstone covers it, in one transaction.

A look at the tombstone before the write would leave a moment in which an erasure begins and ends, and what is written then stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from functions.common.clock import to_iso
from functions.common.errors import Unavailable, aws_faults
from functions.common.table import ConditionFailed, Item, Table, from_item, to_item

_TRIES = 20
_NOT_COVERED = "attribute_not_exists(pk) OR #at < :received"


class ErasedMeanwhile(Exception):
    """A tombstone covers what was to be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """`tombstone` says where a conversation's would stand; as long as there can be none, where something does that an erasure writes before
    it. With `afresh` what it remembers does not count.
    """

    table: Table
    tombstone: Callable[..., tuple[str, str]]

    def put(self, conv: str, item: Item, *, received_at: datetime, condition: str, **given: Any) -> None:
        """Write an item of a conversation that says something received then. `ConditionFailed` with what stands there instead,
        `ErasedMeanwhile`, `Unavailable`. `given` are names and values of `condition`, as boto3 takes them.
        """
        put = {"TableName": self.table.name, "Item": to_item(item), "ConditionExpression": condition, **given}
        put["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        for _ in range(_TRIES):
            place = self.tombstone(conv)
            reasons = self._tried(_check(self.table, place, received_at), put)
            if reasons is None:
                return
            if reasons[0].get("Code") == "ConditionalCheckFailed":
                if self.tombstone(conv, afresh=True) == place:
                    raise ErasedMeanwhile(conv)
                continue  # the first erasure of all began: now there are tombstones to look for
            if reasons[1].get("Code") == "ConditionalCheckFailed":
                raise ConditionFailed(self._stands(reasons[1], item))
        raise Unavailable("TransactWriteItems: others kept writing the same items")

    def _tried(self, check: dict[str, Any], put: dict[str, Any]) -> list[dict[str, Any]] | None:
        """Why the transaction was refused; None when it was not."""
        client: Any = self.table.client
        with aws_faults("TransactWriteItems"):
            try:
                client.transact_write_items(TransactItems=[{"ConditionCheck": check}, {"Put": put}])
            except client.exceptions.TransactionCanceledException as refused:
                reasons: list[dict[str, Any]] = refused.response["CancellationReasons"]
                known = {"ConditionalCheckFailed", "TransactionConflict"}
                if known.isdisjoint(reason.get("Code", "") for reason in reasons):
                    raise  # throttling, an item that is too large
                return reasons
        return None

    def _stands(self, reason: dict[str, Any], item: Item) -> Item | None:
        if found := reason.get("Item"):
            return from_item(found)
        return self.table.get(item["pk"], item["sk"])  # an endpoint that does not return it with the refusal


def _check(table: Table, place: tuple[str, str], received_at: datetime) -> dict[str, Any]:
    pk, sk = place
    return {
        "TableName": table.name,
        "Key": to_item({"pk": pk, "sk": sk}),
        "ConditionExpression": _NOT_COVERED,
        "ExpressionAttributeNames": {"#at": "at"},
        "ExpressionAttributeValues": to_item({":received": to_iso(received_at)}),
    }
