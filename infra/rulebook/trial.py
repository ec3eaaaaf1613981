"""One message judged as classify would, and everything about it that rules saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast, get_args

from functions.channels.registry import names
from functions.classify.contacts import with_heard
from functions.classify.conversations import new_conversation
from functions.classify.desk import Handbook
from functions.classify.originals import clear
from functions.classify.reading import read, words
from functions.classify.understanding import judge_message
from functions.common.judgement import Firing
from functions.common.message import Kind
from functions.common.store import Conversation
from functions.common.wire import plain
from infra.cli.bundle import ConfigInvalid
from infra.judgement.sureness import sureness
from infra.rulebook.loops import message


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a message came with; `earlier` messages came in the hour before it."""

    channel: str
    account: str
    kind: str
    tags: tuple[str, ...]
    earlier: int
    at: datetime


def trial(text: str, handbook: Handbook, came: Circumstances) -> dict[str, Any]:
    """What would be said of a text; `ConfigInvalid` for a kind of message or a channel that there is not."""
    if came.kind not in get_args(Kind):
        raise ConfigInvalid(f"no kind {came.kind}; there are {', '.join(get_args(Kind))}")
    if came.channel not in names():
        raise ConfigInvalid(f"no channel {came.channel}; there are {', '.join(sorted(names()))}")
    sent = replace(
        message(text),
        channel=came.channel,
        account=came.account,
        kind=cast("Kind", came.kind),
        received_at=came.at,
        sent_at=came.at,
    )
    cleared = clear(sent)
    judged = judge_message(cleared, _conversation(came, sent), handbook)
    reading, masked = read(cleared.message), words(cleared.message)
    return {
        "text": masked,
        "folded": reading.folded.text.replace("\ue000", "▢"),
        "without_disguise": reading.bare.text.replace("\ue000", "▢") if reading.bare else None,
        "rules": [_fired(firing, masked) for firing in judged.judgement.firings],
        "labels": {name: value for name, value in plain(judged.judgement).items() if name not in ("firings", "scores")},
        "scores": sureness(judged.judgement, reading, handbook),
        "routing": plain(judged.routing),
    }


def said(outcome: dict[str, Any]) -> str:
    """A trial for people."""
    lines = [f"folded    {outcome['folded']}"]
    if outcome["without_disguise"]:
        lines.append(f"bare      {outcome['without_disguise']}")
    for fired in outcome["rules"] or [{"rule": "none", "version": "", "words": []}]:
        found = "  ".join(f"“{stretch}”" for stretch in fired["words"])
        lines.append(f"rule      {fired['rule']} {found}".rstrip())
    lines += [f"label     {name}: {_scored(name, value, outcome['scores'])}" for name, value in outcome["labels"].items()]
    lines += [f"routing   {name}: {_listed(value)}" for name, value in outcome["routing"].items() if name != "points"]
    lines += [f"points    {points:+} {name}" for name, points in outcome["routing"].get("points", {}).items()]
    return "\n".join(lines)


def _conversation(came: Circumstances, sent: Any) -> Conversation:
    heard = ""
    for place in range(came.earlier):
        heard = with_heard(heard, came.at - timedelta(minutes=60 * (came.earlier - place) / (came.earlier + 1)))
    return replace(new_conversation(sent), count=came.earlier, tags=came.tags, heard=heard)


def _fired(firing: Firing, text: str) -> dict[str, Any]:
    spans = [[span.start, span.end] for span in firing.spans]
    return {"rule": firing.rule, "version": firing.version, "spans": spans, "words": [text[start:end] for start, end in spans]}


def _scored(axis: str, value: Any, scores: Mapping[str, float]) -> str:
    """The values of an axis, each with how sure it is where that is known."""
    values = [
        str(each).lower() if isinstance(each, bool) else str(each) for each in (value if isinstance(value, list) else [value])
    ]
    known = {each: scores.get(f"{axis}.{each}") for each in values}
    return ", ".join(each if score is None else f"{each} ({score:.2f})" for each, score in known.items())


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
