"""What people did with conversations, in DynamoDB: each step changes the conversation and adds its line, in one transaction.

A line is the item `Z#` of the conversation, the moment and the line's own id. Lines are never changed, but for what became of a reply.
"""

from __future__ import annotations

from dataclasses import fields

from functions.common import keys
from functions.common.clock import from_iso, to_ms
from functions.common.dynamo_store import DynamoStore
from functions.common.handling import Action, ActionState
from functions.common.store import Conversation, ConversationChanged
from functions.common.table import Change, Check, ConditionFailed, Item
from functions.common.wire import plain


class MessageGone(Exception):
    """The message that a step is about is no longer in the table."""


class ConversationActions:
    """The audit of one stack, beside its store."""

    def __init__(self, store: DynamoStore) -> None:
        self._store = store

    def act(self, before: Conversation, after: Conversation, action: Action) -> None:
        """Change a conversation and say who did; `ConversationChanged` when it is no longer `before`, and nothing is written then."""
        try:
            self._store.table.update_all([self._store.change(before, after), _line(before.conv, action)])
        except ConditionFailed:
            raise ConversationChanged(before.conv) from None

    def correct(self, conv: str, action: Action, correction: Item) -> None:
        """Write down labels that a person corrected, and beside the line, under its month, what training learns from; `MessageGone` when
        the message is no longer in the table, and nothing is written then: an erasure has taken it, and would not find this.
        """
        pk, sk = keys.correction_key(action.at, action.id)
        message = Check(pk=keys.conversation_pk(conv), sk=keys.message_sk(keys.split(action.message_id or "")))
        try:
            self._store.table.update_all([_line(conv, action), _new(pk, sk, correction)], message)
        except ConditionFailed:
            raise MessageGone(action.message_id) from None

    def conclude(self, conv: str, action: Action, before: Conversation, after: Conversation, *, was: ActionState) -> None:
        """Say what became of a reply that `was` reserved, or failed halfway, with the conversation as it is then; `ConversationChanged` as
        for `act`.
        """
        values = {":state": action.state, ":outcome": action.outcome or "", ":sent_parts": action.sent_parts, ":was": was}
        line = Change(
            pk=keys.conversation_pk(conv),
            sk=_sk(action),
            expression="SET #state = :state, #outcome = :outcome, #sent_parts = :sent_parts",
            condition="#state = :was",
            values=values,
        )
        try:
            self._store.table.update_all([self._store.change(before, after), line])
        except ConditionFailed:
            raise ConversationChanged(conv) from None

    def of(self, conv: str) -> list[Action]:
        """What people did with a conversation, oldest first; looks at masked texts (`unmask`) too."""
        found = self._store.table.query("pk = :pk AND begins_with(sk, :z)", {":pk": keys.conversation_pk(conv), ":z": "Z#"})
        return list(map(_action, found))


def _line(conv: str, action: Action) -> Change:
    item = {"action": action.verb} | {name: value for name, value in plain(action).items() if name not in ("id", "verb")}
    return _new(keys.conversation_pk(conv), _sk(action), item)


def _new(pk: str, sk: str, item: Item) -> Change:
    return Change(
        pk=pk,
        sk=sk,
        expression="SET " + ", ".join(f"#{name} = :{name}" for name in item),
        condition="attribute_not_exists(pk)",
        values={f":{name}": value for name, value in item.items()},
    )


def _sk(action: Action) -> str:
    return f"Z#{to_ms(action.at):013d}#{action.id}"


def _action(item: Item) -> Action:
    known = {field.name: item[field.name] for field in fields(Action) if field.name in item}
    known |= {"id": item["sk"].rpartition("#")[2], "verb": item["action"], "at": from_iso(item["at"])}
    known["buttons"] = tuple(known.get("buttons", ()))
    return Action(**({"why": item.get("reason", "")} | known))
