"""What a person does with a conversation, step by step, each safe to repeat.

A reply is reserved in the conversation and in the audit, sent as a machine's is (functions/autoreply/delivery.py), and what became of it
is written down. A process that dies in between leaves a reserved line: the same reply is then sent again where the platform takes an
idempotency key, and elsewhere only if the person says so. A reply of which some parts are out when the platform refuses the next goes on
there when it is given again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from functions.autoreply.delivery import Answer, parcels
from functions.autoreply.outgoing import Outgoing
from functions.channels import registry
from functions.channels.codecs import plain_form
from functions.channels.contract import Outbound, SendResult
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
_PICTURE = re.compile(r"https://[^\s<>\"]{1,1000}")


class CannotAnswer(Poison):
    """The reply was not sent, and nothing was reserved; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleDesk:
    """What people work with. `by` is who acts; `random` names a line; `outbound` makes the way out for (channel, reply id)."""

    store: DynamoStore
    actions: ConversationActions
    credentials: CredentialStore
    outbound: Callable[[str, str], Outbound]
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

    def reply(self, conv: str, answer: Answer, *, anyway: bool = False, again: bool = False) -> Action:
        """Answer the newest message that can be answered; the line as it stands then.

        It goes out as a machine's answer does: in parts where the platform takes no more at once, what it cannot show as words.
        `anyway`: although the check of what goes out objects. `again`: although an earlier reply may be out.
        """
        self._checked(answer, anyway=anyway)
        left = self._unfinished(conv, answer, again=again)
        action = left or self._reserved(conv, answer)
        return self._concluded(
            conv, action, self._sent(conv, action, answer, resumed=left is not None and left.state == "reserved")
        )

    def _checked(self, answer: Answer, *, anyway: bool) -> None:
        if not answer.text.strip():
            raise CannotAnswer("there is nothing in it")
        if answer.image_url and not _PICTURE.fullmatch(answer.image_url):
            raise CannotAnswer("a picture is named by its https:// address")
        if not all(title.strip() for title in answer.buttons):
            raise CannotAnswer("a button has no title")
        found = self.outgoing.objections("\n".join((answer.text, *answer.buttons, answer.image_url or "")))
        if found and not anyway:
            said = ", ".join(f"{each.kind.replace('_', ' ')} ({each.found})" for each in found)
            raise CannotAnswer(f"{said}: --anyway sends it all the same")

    def _unfinished(self, conv: str, answer: Answer, *, again: bool) -> Action | None:
        """A reply that was reserved and whose end nobody knows, or that stopped halfway, if it is this one and may go on."""
        lines = [each for each in self.actions.of(conv) if each.verb == "reply"]
        left = lines[-1] if lines else None
        if left is None or again or (left.state != "reserved" and not _halfway(left)):
            return None
        channel, same = self.conversation(conv).channel, _recorded(answer) == (left.text, left.buttons, left.image_url)
        if _halfway(left):
            return left if same else None
        if registry.adapter(channel).idempotent_send and same:
            return left
        raise CannotAnswer(
            f"a reply of {left.by} at {left.at:%H:%M}Z may be out; look on the platform. --again sends this one all the same"
        )

    def _reserved(self, conv: str, answer: Answer) -> Action:
        for _ in range(_TRIES):
            before, now = self.conversation(conv), self.clock()
            if self._credentials(before).receive_only:
                raise CannotAnswer("nothing is sent from this account: its settings say receive_only")
            message, parts = self._answerable(before, answer, now)
            name = self.random()
            key = keys.split(message.message.message_id)
            text, buttons, image_url = _recorded(answer)
            action = Action(
                id=name,
                verb="reply",
                by=self.by,
                at=now,
                status=before.status,
                text=text,
                message_id=message.message.message_id,
                reply_id=f"{conv}.{key.ts13}.{keys.short_hash(key.h, name, size=6)}",
                state="reserved",
                buttons=buttons,
                image_url=image_url,
                parts=parts,
            )
            try:
                self.actions.act(before, answering(before, action), action)
            except ConversationChanged:
                continue
            return action
        raise Unavailable(f"conversation {conv} kept changing")

    def _answerable(self, conversation: Conversation, answer: Answer, now: datetime) -> tuple[Judged, int]:
        """The newest message whose window is open and whose quota has room for the answer, the last replies being people's; its parts."""
        why = "nothing in it can be answered: the platform's channel only receives, or nothing is in the table any more"
        for judged in reversed(self.store.messages(conversation.conv)):
            window = judged.message.reply
            if window.mode == "none":
                continue
            if window.expires_at is not None and now >= window.expires_at:
                why = f"the platform's window closed at {window.expires_at:%Y-%m-%d %H:%M}Z: the contact must write first"
                continue
            parts = len(parcels(judged.message, answer, registry.adapter(conversation.channel), mark=""))
            since = (each for each in ledger(conversation) if each.at >= judged.message.received_at)
            drawn = sum(each.parts for each in since if each.kind not in ("-", "+"))
            if window.max_replies is not None and drawn + parts > window.max_replies:
                why = _used_up(window.max_replies, drawn, parts)
                continue
            return judged, parts
        raise CannotAnswer(why)

    def _sent(self, conv: str, action: Action, answer: Answer, *, resumed: bool) -> tuple[Action, SendResult]:
        """Send what is left of the reply, part by part; how many are out then, and what the platform said last."""
        conversation = self.conversation(conv)
        asked = self.store.message(action.message_id or "")
        assert asked is not None and action.reply_id is not None, "it was reserved for that message"
        adapter, result = registry.adapter(conversation.channel), SendResult(outcome="sent")
        credentials = self._credentials(conversation)
        outbound = self.outbound(conversation.channel, action.reply_id)
        for parcel in parcels(asked.message, answer, adapter, mark="", reply_id=action.reply_id)[action.sent_parts :]:
            # Of a reply that was reserved before this try nobody knows whether its next part is out.
            result = plain_form.send(adapter, parcel, credentials, outbound, doubtful=resumed)
            if result.outcome not in TAKEN:
                break
            action, resumed = replace(action, sent_parts=parcel.part + 1), False
        return action, result

    def _concluded(self, conv: str, action: Action, sent: tuple[Action, SendResult]) -> Action:
        after_it, result = sent
        state: ActionState = "sent" if result.outcome in TAKEN else "unknown" if result.outcome == "unknown" else "failed"
        final = replace(after_it, state=state, outcome=result.outcome)
        for _ in range(_TRIES):
            before = self.conversation(conv)
            after = before
            if state == "sent":
                after = answered(before)
            elif state == "failed" and not final.sent_parts:
                after = released(before, action.reply_id or "")
            try:
                self.actions.conclude(conv, final, before, after, was=action.state or "reserved")
            except ConversationChanged:
                continue
            return final
        raise Unavailable(f"conversation {conv} kept changing")

    def _credentials(self, conversation: Conversation) -> Any:
        return self.credentials.current(conversation.channel, conversation.account)[0]


def _halfway(action: Action) -> bool:
    """Whether some of a reply's parts are out, and it is known that the rest is not."""
    return action.state == "failed" and 0 < action.sent_parts < action.parts


def _recorded(answer: Answer) -> tuple[str, tuple[str, ...], str | None]:
    """What the audit keeps of an answer: its text masked."""
    return mask(answer.text).text, answer.buttons, answer.image_url


def _used_up(allowed: int, drawn: int, parts: int) -> str:
    if parts == 1:
        return f"the platform allows {allowed} replies to a message, and they are used up"
    return f"it takes {parts} of the platform's messages, which allows {allowed} in answer to one; {drawn} are used up"
