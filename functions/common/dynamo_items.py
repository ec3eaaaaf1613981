"""What stands in the table, as items and back: conversations, messages, replies' records, campaigns."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

from functions.common import keys
from functions.common.clock import from_iso, to_iso
from functions.common.judgement import Firing, Judged
from functions.common.message import Verification
from functions.common.store import PERSON_MUST_ACT, Campaign, Conversation, Reply
from functions.common.table import Item
from functions.common.wire import judged_from, plain

_TIMES = {"first_at", "last_at", "due_at", "unarchived_since", "escalated_for", "person_at", "waiting_since"}
# A conversation whose messages are all archived, which nobody must act on and which holds nothing that must last.
CONVERSATIONS_KEPT = timedelta(days=400)


def conversation_item(conversation: Conversation, shards: int) -> Item:
    """A conversation as its item, with the entries of the two indexes that it stands in."""
    item: Item = {key: value for key, value in plain(conversation).items() if key != "conv"}
    if conversation.status in PERSON_MUST_ACT and conversation.team and conversation.due_at:
        team, status = conversation.team, conversation.status
        item["work_pk"] = keys.work_pk(team, status, conversation.conv, shards)
        item["work_sk"] = to_iso(conversation.due_at)
    if conversation.unarchived_since:
        item["archive_pk"] = keys.archive_pk(conversation.conv, shards)
        item["archive_sk"] = to_iso(conversation.unarchived_since)
    elif conversation.last_at and conversation.may_go:
        item["exp"] = int((conversation.last_at + CONVERSATIONS_KEPT).timestamp())
    return item


def conversation_from(item: Item) -> Conversation:
    """A conversation out of its item."""
    known = {name: item[name] for name in _CONVERSATION_FIELDS if name in item}
    for name in _TIMES & known.keys():
        known[name] = from_iso(known[name])
    for name in ("hold", "problems", "applied", "vouched", "said", "replied", "recalled", "tags", "unarchived_few"):
        known[name] = tuple(known.get(name, ()))
    return Conversation(conv=item["pk"].removeprefix("C#"), **known)


def judged_from_item(item: Item) -> Judged:
    """A stored message out of its item."""
    known = {name: item[name] for name in _JUDGED_FIELDS if name in item}
    known["message"] = item["message"] | {"verification": _unpacked_verification(item["message"]["verification"])}
    firings = [_unpacked_firing(firing) for firing in item.get("judgement", {}).get("firings", ())]
    known["judgement"] = item.get("judgement", {}) | {"firings": firings}
    return judged_from(known)


def message_item(judged: Judged) -> Item:
    """The item, with what every message has in a form that lets most of them cost one write unit."""
    key = keys.split(judged.message.message_id)
    item: Item = {"pk": keys.conversation_pk(key.conv), "sk": keys.message_sk(key), **plain(judged)}
    item["message"]["verification"] = _packed_verification(judged.message.verification)
    if judged.judgement.firings:
        item["judgement"]["firings"] = [_packed_firing(firing) for firing in judged.judgement.firings]
    return item


def _packed_firing(firing: Firing) -> str:
    """`rule version start-end start-end`: a third of the bytes of a map."""
    return " ".join((firing.rule, firing.version, *(f"{span.start}-{span.end}" for span in firing.spans)))


def _unpacked_firing(packed: str) -> Item:
    rule, version, *spans = packed.split(" ")
    places = (span.split("-") for span in spans)
    return {"rule": rule, "version": version, "spans": [{"start": int(start), "end": int(end)} for start, end in places]}


def _packed_verification(verification: Verification) -> str:
    """`scheme`, then `body` and `time` where they are signed."""
    signed = ("body" * verification.body_signed, "time" * verification.timestamped)
    return " ".join(filter(None, (verification.scheme, *signed)))


def _unpacked_verification(packed: str) -> Item:
    scheme, *signed = packed.split(" ")
    return {"scheme": scheme, "body_signed": "body" in signed, "timestamped": "time" in signed}


def campaign_from(item: Item) -> Campaign:
    """A campaign out of its item."""
    return Campaign(
        fingerprint=item["sk"],
        senders=tuple(sorted(item["senders"])),
        channel=item["channel"],
        first_at=from_iso(item["at"]),
        sample=item["sample"],
    )


def reply_item(key: keys.MessageKey, reply: Reply) -> Item:
    """The item of a reply's record."""
    body = {name: value for name, value in plain(reply).items() if name != "message_id"}
    return {"pk": keys.conversation_pk(key.conv), "sk": keys.reply_sk(key), "attempts": reply.attempts, **body}


def reply_from(item: Item) -> Reply:
    """A reply's record out of its item."""
    _, ts13, h = item["sk"].split("#")
    known = {name: item[name] for name in REPLY_FIELDS if name in item}
    known["at"] = from_iso(known["at"])
    for name in ("suppressed", "suggestions", "buttons"):
        known[name] = tuple(known.get(name, ()))
    return Reply(message_id=f"{item['pk'].removeprefix('C#')}.{ts13}.{h}", **known)


_CONVERSATION_FIELDS = {field.name for field in fields(Conversation)} - {"conv"}
_JUDGED_FIELDS = {field.name for field in fields(Judged)}
REPLY_FIELDS = {field.name for field in fields(Reply)} - {"message_id"}
