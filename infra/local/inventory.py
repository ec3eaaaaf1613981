"""What is stored, as lists for people: the local stack's answer to GET /_local/conversations and /_local/messages.

It reads the whole table, which nothing but the local stack may do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from functions.common import keys
from functions.common.clock import to_iso
from functions.common.dynamo_items import conversation_from, judged_from_item
from functions.common.dynamo_links import DynamoLinks
from functions.common.dynamo_store import DynamoStore
from functions.common.identity import Link, People
from functions.common.judgement import Judged, Judgement
from functions.common.store import Conversation
from functions.common.summary import summarise
from functions.common.table import Item, Table, from_item
from functions.common.wire import plain

_REPLY_FIELDS = ("state", "reason", "text", "at", "template", "attempts", "outcome", "provider_id")


class Inventory:
    """The table's content. `client` is a boto3 DynamoDB client."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def conversations(self) -> list[dict[str, Any]]:
        """Every conversation, the longest known first."""
        found = [conversation_from(item) for item in self._items() if _is_conversation(item)]
        found.sort(key=lambda conversation: (conversation.first_at is None, conversation.first_at, conversation.conv))
        table = Table(self._client, self._table)
        people = People(DynamoStore(table, shards=1), DynamoLinks(table))
        return [_conversation(known, people.linked(known.conv)) for known in found]

    def messages(self, conv: str | None = None) -> list[dict[str, Any]]:
        """Every message, or one conversation's, with what was said of it and what it was answered; oldest first."""
        items = list(self._items())
        replies = {(item["pk"], item["sk"][2:]): item for item in items if item["sk"].startswith("R#")}
        messages = [item for item in items if item["sk"].startswith("M#")]
        wanted = [item for item in messages if conv is None or item["pk"] == keys.conversation_pk(conv)]
        judged = [(judged_from_item(item), replies.get((item["pk"], item["sk"][2:]))) for item in wanted]
        judged.sort(key=lambda pair: (pair[0].message.sent_at or pair[0].message.received_at, pair[0].seq))
        return [_message(found, reply) for found, reply in judged]

    def _items(self) -> Iterator[Item]:
        for page in self._client.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True):
            yield from map(from_item, page["Items"])


def _is_conversation(item: Item) -> bool:
    return bool(item["sk"] == keys.CONVERSATION_SK and item["pk"].startswith("C#"))


def _conversation(conversation: Conversation, linked: tuple[Link, ...]) -> dict[str, Any]:
    """`linked`: the other conversations with the same person."""
    known = _shown(asdict(conversation))
    return {"conversation": known.pop("conv"), **known, "linked": [link.party.conv for link in linked]}


def _message(judged: Judged, reply: Item | None) -> dict[str, Any]:
    message = judged.message
    return {
        "message_id": message.message_id,
        "native_id": message.native_id,
        "conversation": keys.split(message.message_id).conv,
        "channel": message.channel,
        "account": message.account,
        "contact": message.contact.primary,
        "name": message.contact.name,
        "kind": message.kind,
        "text": message.text,
        "summary": summary.line() if (summary := summarise(message.text)) else None,
        "attachments": plain(message.attachments),
        "labels": labels(judged.judgement),
        "also": list(judged.judgement.also),
        "scores": judged.judgement.scores,
        "routing": _shown(asdict(judged.routing)),
        "rules": [plain(firing) for firing in judged.judgement.firings],
        "masked": judged.masked,
        "reply": {name: reply.get(name) for name in _REPLY_FIELDS} if reply else None,
        "seq": judged.seq,
        "same_as": judged.same_as,
        "campaign": judged.campaign,
        "sent_at": to_iso(message.sent_at) if message.sent_at else None,
        "received_at": to_iso(message.received_at),
        "bundle": judged.bundle,
    }


def labels(judgement: Judgement) -> dict[str, Any]:
    """A judgement in the label sheet's form: every axis, neutral values too."""
    return {
        "business": judgement.business,
        "content": list(judgement.content),
        "urgency": judgement.urgency,
        "sentiment": judgement.sentiment,
        "spam": judgement.spam,
        "risk": list(judgement.risk),
        "wants_human": judgement.wants_human,
        "opt_out": judgement.opt_out,
        "language": judgement.language,
    }


def _shown(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: to_iso(value) if isinstance(value, datetime) else value for name, value in fields.items()}
