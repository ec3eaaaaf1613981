"""The whole story of a message, or of a conversation, for people: masked as it is stored, and as one JSON object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from functions.autoreply.suggestions import Suggestion
from functions.classify.reading import words
from functions.common.clock import from_iso, to_iso
from functions.common.handling import Action
from functions.common.judgement import CHINESE, Firing, Judged, Judgement
from functions.common.ledger import entry_of, ledger
from functions.common.store import Conversation, Reply
from functions.common.wire import plain

_AXES = ("business", "also", "content", "urgency", "sentiment", "spam", "risk", "wants_human", "opt_out", "language")


def message_story(judged: Judged, reply: Reply | None, conversation: Conversation | None) -> dict[str, Any]:
    """What was said of a message and why, what was decided about an answer, what else could have been said, and what became of it."""
    message = judged.message
    return {
        "message_id": message.message_id,
        "conversation": conversation and conversation.conv,
        "channel": message.channel,
        "account": message.account,
        "kind": message.kind,
        "text": words(message) or None,
        "masked": judged.masked,
        "received_at": to_iso(message.received_at),
        "judged_by": judged.bundle,
        "labels": labels_of(judged.judgement) | {"scores": judged.judgement.scores},
        "rules": [_firing(firing, judged) for firing in judged.judgement.firings],
        "routing": plain(judged.routing) | {"due_at": to_iso(judged.routing.due_at)},
        "reply": None if reply is None else _reply(reply),
        "ledger": _ledger(conversation, message.message_id),
        "now": None if conversation is None else {"status": conversation.status, "hold": list(conversation.hold)},
    }


def labels_of(judgement: Judgement) -> dict[str, Any]:
    """The value of every axis, in plain form."""
    return {axis: plain(getattr(judgement, axis)) for axis in _AXES}


def in_words(kind: str, said: str | None) -> str:
    """`(voice) 我想改预约`: what was said, and how if it was not in writing."""
    return " ".join(filter(None, ("" if kind == "text" else f"({kind})", said)))


def conversation_story(
    conversation: Conversation,
    messages: Iterable[Judged],
    reply: Callable[[str], Reply | None],
    actions: Iterable[Action],
    suggestions: Iterable[Suggestion],
) -> dict[str, Any]:
    """A conversation's messages, each with its reply, what people did, and what could be answered to the newest."""
    known = plain(conversation)
    left_out = ("applied", "replied", "said", "vouched", "unarchived_from", "unarchived_few")
    return {
        "conversation": {name: value for name, value in known.items() if name not in left_out},
        "messages": [_line(judged, reply(judged.message.message_id)) for judged in messages],
        "actions": [plain(action) for action in actions],
        "suggestions": [plain(each) for each in suggestions],
    }


def told(story: dict[str, Any], zone: ZoneInfo) -> str:
    """A conversation's story as lines, with the times of a zone."""
    about = story["conversation"]
    head = f"{about['conv']}  {about['channel']}/{about['account']}  {about.get('status', 'idle')}"
    extra = [f"team {about['team']}"] if about.get("team") else []
    extra += [f"due {_there(about['due_at'], zone)}"] if about.get("due_at") else []
    extra += [f"taken by {about['taken_by']}"] if about.get("taken_by") else []
    extra += [f"{name} {', '.join(about[name])}" for name in ("hold", "problems") if about.get(name)]
    lines = [" · ".join((head, *extra))]
    for message in story["messages"]:
        lines.append(
            f"{_there(message['at'], zone)}  ← {in_words(message['kind'], message['text'])}   [{message['message_id']}]"
        )
        if (answer := message["reply"]) is not None:
            lines.append(f"{'':18}→ {answer['state']} ({answer['reason']}) {answer.get('text') or ''}".rstrip())
    for action in story["actions"]:
        said = f" “{action['text']}” {action.get('state', '')}" if action.get("text") else ""
        said += "".join(f" {axis} {value}" for axis, value in action.get("labels", {}).items())
        said += f" ({action.get('sent_parts', 0)} of {action['parts']} parts)" if action.get("parts") else ""
        why = f": {action['why']}" if action.get("why") else ""
        lines.append(f"{_there(action['at'], zone)}  {action['verb']} by {action['by']}{why}{said}")
    lines += [f"suggested: {each['text']}  ({each['source']} {each['name']})" for each in story["suggestions"]]
    return "\n".join(lines)


def explained(story: dict[str, Any], zone: ZoneInfo) -> str:
    """A message's story as lines, with the times of a zone."""
    lines = [
        f"{story['message_id']}  {story['channel']}/{story['account']}  {_there(story['received_at'], zone)}  bundle {story['judged_by']}",
        f"text       {in_words(story['kind'], story['text'])}",
        f"masked     {', '.join(f'{kind} {count}' for kind, count in story['masked'].items()) or 'nothing'}",
        f"labels     {_labels(story['labels'])}",
        *(f"rule       {rule['rule']} (version {rule['version']}): {_quoted(rule['words'])}" for rule in story["rules"]),
        f"routing    {_routed(story['routing'], zone)}",
    ]
    if story["reply"] is None:
        return "\n".join([*lines, "reply      nothing is decided yet"])
    now = [f"now        {story['now']['status']}"] if story["now"] else []
    return "\n".join([*lines, *_answered(story["reply"], zone), *now])


def _routed(routing: dict[str, Any], zone: ZoneInfo) -> str:
    points = ", ".join(f"{name} {value}" for name, value in routing.get("points", {}).items())
    said = [f"team {routing['team']}", f"due {_there(routing['due_at'], zone)}"]
    said.append(f"priority {routing['priority']}" + (f" ({points})" if points else ""))
    said += [f"{name} {', '.join(routing[name])}" for name in ("hold", "escalate", "tags") if routing.get(name)]
    said += [f"reply {routing['reply']}"] if routing.get("reply") else []
    return "; ".join([*said, *(["no reply"] if routing.get("no_reply") else [])])


def _answered(reply: dict[str, Any], zone: ZoneInfo) -> Iterator[str]:
    why = f" ({reply['detail']})" if reply.get("detail") else ""
    yield f"decision   {reply['reason']}{why}, {_there(reply['at'], zone)}"
    yield from (f"not said   {each['reason']} {each['template']}: {each['because']}" for each in reply["suppressed"])
    sent = "".join(f", {name} {reply[name]}" for name in ("template", "variant", "attempts", "outcome") if reply.get(name))
    yield f"reply      {reply['state']}{sent}; decided by bundle {reply.get('bundle')}"
    if reply.get("text"):
        yield f"           {reply['text']}"
    yield from (f"suggested  {mark}" for mark in reply.get("suggestions", ()))


def _quoted(found: Iterable[str]) -> str:
    return "  ".join(f"“{each}”" for each in found) or "no words"


def _there(at: str, zone: ZoneInfo) -> str:
    return f"{from_iso(at).astimezone(zone):%Y-%m-%d %H:%M}"


def _firing(firing: Firing, judged: Judged) -> dict[str, Any]:
    said = words(judged.message)
    spans = [{"start": span.start, "end": span.end} for span in firing.spans]
    return {
        "rule": firing.rule,
        "version": firing.version,
        "spans": spans,
        "words": [said[s.start : s.end] for s in firing.spans],
    }


def _reply(reply: Reply) -> dict[str, Any]:
    suppressed = [dict(zip(("reason", "template", "because"), each.split(" "), strict=False)) for each in reply.suppressed]
    known: dict[str, Any] = plain(reply)
    return known | {"suppressed": suppressed}


def _ledger(conversation: Conversation | None, message_id: str) -> dict[str, Any] | None:
    entry = entry_of(conversation, message_id)
    return None if entry is None else {"at": to_iso(entry.at), "kind": entry.kind, "of": len(ledger(conversation))}


def _line(judged: Judged, reply: Reply | None) -> dict[str, Any]:
    message = judged.message
    return {
        "message_id": message.message_id,
        "at": to_iso(message.received_at),
        "kind": message.kind,
        "text": words(message) or None,
        "reply": None if reply is None else _reply(reply),
    }


def _labels(labels: dict[str, Any]) -> str:
    neutral = labels_of(Judgement())
    said = [f"{axis} {_value(axis, labels[axis])}" for axis in _AXES[1:] if labels[axis] != neutral[axis]]
    return "; ".join((f"business {_value('business', labels['business'])}", *said))


def _value(axis: str, value: Any) -> str:
    """`refund 退款`: by its name and, where the label sheet has one, in Chinese."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    chinese: Mapping[str, str] = CHINESE.get("business" if axis == "also" else axis, {})
    each = value if isinstance(value, list) else [value]
    return ", ".join(f"{name} {chinese[name]}" if name in chinese else str(name) for name in each)
