"""The one DynamoDB table behind a few verbs: values in and out as plain Python, faults as our own errors.

Numbers come back as int or float; a value of None is not stored. Every verb names its condition, and a condition that does
not hold is `ConditionFailed`, which carries the item that stood in the way (read for free with the refusal).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from functions.common.errors import Unavailable, aws_faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]


class ConditionFailed(Exception):
    """The item was not in the state that the write asked for; `item` is what stands there, or None."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("condition failed")
        self.item = item


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An update of one item, as `Table.update` takes it, for `Table.update_all`."""

    pk: str
    sk: str
    expression: str
    condition: str
    values: Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What must hold of an item that a transaction does not change, for `Table.update_all`."""

    pk: str
    sk: str
    condition: str = "attribute_exists(pk)"


def marshal(value: Any) -> dict[str, Any]:
    """Plain Python as DynamoDB's typed JSON."""
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int | float):
        return {"N": repr(value)}
    if isinstance(value, bytes | frozenset):
        return {"B": value} if isinstance(value, bytes) else {"SS": sorted(value)}
    if isinstance(value, list | tuple):
        return {"L": [marshal(item) for item in value]}
    if isinstance(value, dict):
        return {"M": {key: marshal(item) for key, item in value.items() if item is not None}}
    raise TypeError(f"cannot store {type(value).__name__}")


def unmarshal(value: dict[str, Any]) -> Any:
    """DynamoDB's typed JSON as plain Python."""
    ((kind, inner),) = value.items()
    if kind == "N":
        return float(inner) if not inner.lstrip("-").isdigit() else int(inner)
    if kind == "SS":
        return frozenset(inner)
    if kind == "L":
        return [unmarshal(item) for item in inner]
    if kind == "M":
        return from_item(inner)
    return inner


def to_item(item: Item) -> dict[str, Any]:
    """A whole item, None values left out."""
    return {key: marshal(value) for key, value in item.items() if value is not None}


def from_item(item: dict[str, Any]) -> Item:
    """A whole item as plain Python."""
    return {key: unmarshal(value) for key, value in item.items()}


class Table:
    """A DynamoDB table of `pk` and `sk`. `client` is boto3's low-level DynamoDB client."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self.client = client
        self.name = name

    def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None:
        """One item or None; half a read unit per 4 KB, a whole one when `consistent`."""
        with aws_faults("GetItem"):
            answer = self.client.get_item(
                TableName=self.name, Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=consistent
            )
        return from_item(answer["Item"]) if "Item" in answer else None

    def put_new(self, item: Item) -> None:
        """Write an item where none is; `ConditionFailed` with the one that is."""
        self.put(item, condition="attribute_not_exists(pk)")

    def put(self, item: Item, *, condition: str | None = None, values: Item | None = None) -> None:
        """Write a whole item. Every attribute is named in `condition` as it is, reserved words by `#word`."""
        arguments: dict[str, Any] = {"TableName": self.name, "Item": to_item(item)}
        if condition:
            arguments |= _condition(condition, values)
        self._write("PutItem", self.client.put_item, arguments)

    def update(self, pk: str, sk: str, expression: str, *, values: Item | None = None, condition: str | None = None) -> Item:
        """Apply an update expression and return the whole new item. `#word` in an expression stands for attribute `word`."""
        arguments: dict[str, Any] = {
            "TableName": self.name,
            "Key": {"pk": {"S": pk}, "sk": {"S": sk}},
            "UpdateExpression": expression,
            "ReturnValues": "ALL_NEW",
        }
        arguments |= _condition(condition, values, expression)
        answer = self._write("UpdateItem", self.client.update_item, arguments)
        return from_item(answer["Attributes"])

    def update_all(self, changes: list[Change], *checks: Check) -> None:
        """Several updates in one transaction, if `checks` hold: all of them, or `ConditionFailed` and none."""
        writes: Any = [
            {
                "Update": {
                    "TableName": self.name,
                    "Key": {"pk": {"S": change.pk}, "sk": {"S": change.sk}},
                    "UpdateExpression": change.expression,
                    **_condition(change.condition, change.values, change.expression),
                }
            }
            for change in changes
        ]
        for check in checks:
            key = {"pk": {"S": check.pk}, "sk": {"S": check.sk}}
            writes.append({"ConditionCheck": {"TableName": self.name, "Key": key, **_condition(check.condition, None)}})
        with aws_faults("TransactWriteItems"):
            try:
                self.client.transact_write_items(TransactItems=writes)
            except self.client.exceptions.TransactionCanceledException as refused:
                reasons = refused.response["CancellationReasons"]
                if any(reason.get("Code") == "ConditionalCheckFailed" for reason in reasons):
                    raise ConditionFailed(None) from None
                raise

    def delete(self, pk: str, sk: str, *, condition: str | None = None, values: Item | None = None) -> None:
        """Remove an item; no error when there is none, unless `condition` says so."""
        arguments: dict[str, Any] = {"TableName": self.name, "Key": {"pk": {"S": pk}, "sk": {"S": sk}}}
        if condition:
            arguments |= _condition(condition, values)
        self._write("DeleteItem", self.client.delete_item, arguments)

    def query(
        self,
        key: str,
        values: Item,
        *,
        index: str | None = None,
        descending: bool = False,
        limit: int | None = None,
        filter: str | None = None,
    ) -> Iterator[Item]:
        """Items of one partition in sort-key order, page by page as they are consumed; at most `limit` in all.

        Strongly consistent on the table, eventually on an index (DynamoDB has no other).
        """
        arguments: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": key,
            "ExpressionAttributeValues": to_item(values),
            "ScanIndexForward": not descending,
            **({"IndexName": index} if index else {"ConsistentRead": True}),
            **({"FilterExpression": filter} if filter else {}),
            **({"Limit": limit} if limit and not filter else {}),
        }
        names = _names(key, filter)
        if names:
            arguments["ExpressionAttributeNames"] = names
        return islice((from_item(raw) for raw in self._queried(arguments)), limit)

    def _queried(self, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        while True:
            with aws_faults("Query"):
                page = self.client.query(**arguments)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _write(self, operation: str, call: Any, arguments: dict[str, Any]) -> Any:
        from botocore.exceptions import ClientError

        if "ConditionExpression" in arguments:
            arguments["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        try:
            with aws_faults(operation):
                return call(**arguments)
        except Unavailable as fault:
            error = fault.__cause__
            if isinstance(error, ClientError) and error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                found: Any = error.response.get("Item")
                raise ConditionFailed(from_item(found) if found else None) from None
            raise


def _condition(condition: str | None, values: Item | None, expression: str | None = None) -> dict[str, Any]:
    names = _names(condition, expression)
    return {
        **({"ConditionExpression": condition} if condition else {}),
        **({"ExpressionAttributeValues": to_item(values)} if values else {}),
        **({"ExpressionAttributeNames": names} if names else {}),
    }


def _names(*expressions: str | None) -> dict[str, str]:
    import re

    return {word: word[1:] for text in expressions if text for word in re.findall(r"#\w+", text)}
