"""What a person does with a conversation, step by step, each safe to repeat.

A reply is reserved in the conversation and in the audit, sent through the channel's adapter, and what became of it is written down. A
process that dies in between leaves a reserved line: the same text is then sent again where the platform takes an idempotency key, and
elsewhere only if the person says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from functions.autoreply.outgoing import Outgoing
from functions.channels import registry
from functions.channels.contract import Outbound, OutgoingReply, SendResult
from functions.common import keys
from functions.common.clock import Clock
from functions.common.credentials import CredentialStore
from functions.common.dynamo_actions import ConversationActions
from functions.common.dynamo_store import DynamoStore
from functions.common.errors import Poison, Unavailable
from functions.common.handling import Action, ActionState, answered, answering
from functions.common.judgement import Judged
from functions.common.ledger import ledger, released
from functions.common.masking import mask
from functions.common.store import Conversation, ConversationChanged

TAKEN = ("sent", "duplicate")
_TRIES = 5


class CannotAnswer(Poison):
    """The reply was not sent, and nothing was reserved; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleDesk:
    """What people work with. `by` is who acts; `random` names a line; `outbound` makes the way out for (channel, account, reply id)."""

    store: DynamoStore
    actions: ConversationActions
    credentials: CredentialStore
    outbound: Callable[[str, str, str], Outbound]
    outgoing: Outgoing
    clock: Clock
    random: Callable[[], str]
    by: str

    def conversation(self, conv: str) -> Conversation:
        """The conversation; `CannotAnswer` when there is none."""
        found = self.store.conversation(conv)
        if found is None:
            raise CannotAnswer(f"no conversation {conv}")
        return found

    def do(self, conv: str, verb: str, why: str, step: Callable[[Conversation, datetime], Conversation]) -> Conversation:
        """One step and its line; tried again with what somebody else made of the conversation meanwhile."""
        action = Action(id=self.random(), verb=verb, by=self.by, at=self.clock(), why=why)
        for _ in range(_TRIES):
            before = self.conversation(conv)
            after = step(before, action.at)
            try:
                self.actions.act(before, after, replace(action, status=after.status))
            except ConversationChanged:
                continue
            return after
        raise Unavailable(f"conversation {conv} kept changing")

    def reply(self, conv: str, text: str, *, anyway: bool = False, again: bool = False) -> Action:
        """Answer the newest message that can be answered; the line as it stands then.

        `anyway`: although the check of what goes out objects. `again`: although an earlier reply may be out.
        """
        self._checked(text, anyway=anyway)
        action = self._unfinished(conv, text, again=again) or self._reserved(conv, text)
        return self._concluded(conv, action, self._sent(conv, action, text))

    def _checked(self, text: str, *, anyway: bool) -> None:
        found = self.outgoing.objections(text)
        if not text.strip():
            raise CannotAnswer("there is nothing in it")
        if found and not anyway:
            said = ", ".join(f"{each.kind.replace('_', ' ')} ({each.found})" for each in found)
            raise CannotAnswer(f"{said}: --anyway sends it all the same")

    def _unfinished(self, conv: str, text: str, *, again: bool) -> Action | None:
        """A reply that was reserved, and whose end nobody knows, if it is this one and may be sent again."""
        lines = [each for each in self.actions.of(conv) if each.verb == "reply"]
        left = lines[-1] if lines else None
        if left is None or left.state != "reserved" or again:
            return None
        channel = self.conversation(conv).channel
        if registry.adapter(channel).idempotent_send and left.text == mask(text).text:
            return left
        raise CannotAnswer(
            f"a reply of {left.by} at {left.at:%H:%M}Z may be out; look on the platform. --again sends this one all the same"
        )

    def _reserved(self, conv: str, text: str) -> Action:
        for _ in range(_TRIES):
            before, now = self.conversation(conv), self.clock()
            message = self._answerable(before, now)
            name = self.random()
            key = keys.split(message.message.message_id)
            action = Action(
                id=name,
                verb="reply",
                by=self.by,
                at=now,
                status=before.status,
                text=mask(text).text,
                message_id=message.message.message_id,
                reply_id=f"{conv}.{key.ts13}.{keys.short_hash(key.h, name, size=6)}",
                state="reserved",
            )
            try:
                self.actions.act(before, answering(before, action), action)
            except ConversationChanged:
                continue
            return action
        raise Unavailable(f"conversation {conv} kept changing")

    def _answerable(self, conversation: Conversation, now: datetime) -> Judged:
        """The newest message whose window is open and whose quota is not used up: the last ones are people's."""
        why = "nothing in it can be answered: the platform's channel only receives, or nothing is in the table any more"
        for judged in reversed(self.store.messages(conversation.conv)):
            window = judged.message.reply
            if window.mode == "none":
                continue
            if window.expires_at is not None and now >= window.expires_at:
                why = f"the platform's window closed at {window.expires_at:%Y-%m-%d %H:%M}Z: the contact must write first"
                continue
            since = (each for each in ledger(conversation) if each.at >= judged.message.received_at)
            drawn = sum(each.parts for each in since if each.kind not in ("-", "+"))
            if window.max_replies is not None and drawn >= window.max_replies:
                why = f"the platform allows {window.max_replies} replies to a message, and they are used up"
                continue
            return judged
        raise CannotAnswer(why)

    def _sent(self, conv: str, action: Action, text: str) -> SendResult:
        conversation = self.conversation(conv)
        channel, account = conversation.channel, conversation.account
        answered_message = self.store.message(action.message_id or "")
        assert answered_message is not None and action.reply_id is not None, "it was reserved for that message"
        message, adapter = answered_message.message, registry.adapter(channel)
        outgoing = OutgoingReply(
            message_id=action.reply_id,
            native_id=message.native_id,
            contact=message.contact.primary,
            text=text,
            not_after=message.reply.expires_at,
            token=message.reply.token,
        )
        credentials: Any = self.credentials.current(channel, account)[0]
        outbound = self.outbound(channel, account, action.reply_id)
        result = adapter.send(outgoing, credentials, outbound)
        if result.outcome == "auth_expired":  # the adapter has dropped the token: the next one is new
            result = adapter.send(outgoing, credentials, outbound)
        return result

    def _concluded(self, conv: str, action: Action, result: SendResult) -> Action:
        state: ActionState = "sent" if result.outcome in TAKEN else "unknown" if result.outcome == "unknown" else "failed"
        final = replace(action, state=state, outcome=result.outcome)
        for _ in range(_TRIES):
            before = self.conversation(conv)
            after = before
            if state == "sent":
                after = answered(before)
            elif state == "failed":
                after = released(before, action.reply_id or "")
            try:
                self.actions.conclude(conv, final, before, after)
            except ConversationChanged:
                continue
            return final
        raise Unavailable(f"conversation {conv} kept changing")
