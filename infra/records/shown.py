"""A found message as people, and programs that read `--json`, see it: masked text, veiled contact, unless somebody unmasks it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from functions.common import keys
from functions.common.clock import from_iso
from functions.common.judgement import CHINESE
from infra.records.labels import NEUTRAL
from infra.records.region import region_of
from infra.records.veil import veiled_contact, veiled_name

# What was taken out of each field of a message, received then, by its path; None when nothing was, or when it is no longer kept.
Originals = Callable[[str, datetime], dict[str, str] | None]


def shown(found: dict[str, Any], originals: Originals | None = None) -> dict[str, Any]:
    """One message for `--json`. `originals` unmasks: `original` says whether what was taken out of the text is still kept."""
    message, judgement, reply = found["message"], found["judgement"], found["reply"]
    contact = message["contact"]
    said = {
        "message_id": message["message_id"],
        "conversation": keys.split(message["message_id"]).conv,
        "received_at": message["received_at"],
        "channel": message["channel"],
        "account": message["account"],
        "contact": veiled_contact(contact["primary"]),
        "name": veiled_name(contact.get("name")),
        "region": region_of(message),
        "kind": message["kind"],
        "text": _text(message),
        "labels": {axis: judgement.get(axis, neutral) for axis, neutral in NEUTRAL.items()}
        | {"content": judgement.get("content", []), "risk": judgement.get("risk", [])},
        "team": found["routing"]["team"],
        "reply": reply and {name: reply.get(name) for name in ("state", "reason", "text")},
    }
    if originals is None:
        return said
    return said | _unmasked(found, originals(message["message_id"], from_iso(message["received_at"])))


def labels_in_chinese(labels: dict[str, Any]) -> str:
    """`投诉 物流 加急`: the business, the contents, and what is not neutral."""
    said = [CHINESE["business"][labels["business"]], *(CHINESE["content"][value] for value in labels["content"])]
    said += [CHINESE[axis][labels[axis]] for axis in ("urgency", "sentiment", "spam") if labels[axis] != NEUTRAL[axis]]
    return " ".join([*said, *(f"⚠{CHINESE['risk'][value]}" for value in labels["risk"])])


def _text(message: dict[str, Any]) -> str:
    heard = next((a["transcript"] for a in message.get("attachments", ()) if a.get("transcript")), "")
    return message.get("text") or heard


def _unmasked(found: dict[str, Any], originals: dict[str, str] | None) -> dict[str, Any]:
    message = found["message"]
    kept = originals or {}
    return {
        "contact": message["contact"]["primary"],
        "name": kept.get("contact.name", message["contact"].get("name")),
        "text": kept.get("text") or kept.get("attachments.0.transcript") or _text(message),
        "original": "kept" if originals is not None else "gone" if found.get("masked") else "nothing was masked",
    }
