"""A platform that only configuration knows: writes JSON of the configured shape and signs it as configured.

Reads the account's `signature` and `fields` as data; shares no code with the channel. Only the forms whose key both sides hold can be
simulated: `hmac` and `digest`.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

WRONG_KEY = b"not the secret of this account"


class UnknownForm(ValueError):
    """The account's signature is of a form that takes the platform's own key."""


def signed_headers(
    signature: Mapping[str, Any], body: bytes, webhook_id: str, at: datetime, *, forged: bool = False
) -> dict[str, str]:
    """The headers of a webhook with this body."""
    if signature["scheme"] not in ("hmac", "digest"):
        raise UnknownForm(signature["scheme"])
    unit = 1000 if signature.get("timestamp_unit") == "ms" else 1
    timestamp = str(int(at.timestamp() * unit))
    key = WRONG_KEY if forged else _key(signature)
    values = {"id": webhook_id.encode(), "timestamp": timestamp.encode(), "body": body, "key": key}
    digest = _digest(signature, key, _filled(signature.get("signed", "{body}"), values))
    written = digest.hex() if signature.get("encoding", "hex") == "hex" else b64encode(digest).decode()
    value = signature.get("prefix", "") + written
    if "part" in signature:
        timed = f"{signature['timestamp_part']}={timestamp}," if "timestamp_part" in signature else ""
        value = f"{timed}{signature['part']}={value}"
    headers = {signature["header"].lower(): value}
    for name, said in (("id_header", webhook_id), ("timestamp_header", timestamp)):
        headers |= {signature[name].lower(): said} if name in signature else {}
    return headers


def is_timed(signature: Mapping[str, Any]) -> bool:
    """Whether the platform signs a time."""
    return "timestamp_header" in signature or "timestamp_part" in signature


def enveloped(fields: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The body with these items (as the channel's own format has them); None for several where the platform sends one at a time."""
    body: dict[str, Any] = {}
    shaped = [_shaped(fields, item, body) for item in items]
    if "messages" not in fields:
        return {**body, **shaped[0]} if len(shaped) == 1 else None
    node: Any = shaped
    for step in reversed(fields["messages"].split(".")):
        node = [node] if step == "*" else {step: node}
    return body | dict(node)


def _shaped(fields: Mapping[str, Any], item: Mapping[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    shaped: dict[str, Any] = {}
    ours = {kind: theirs for theirs, kind in fields.get("kinds", {}).items()}
    contact, kind = item["contact"], item.get("kind", "text")
    said = {
        "id": item["id"],
        "contact": contact["id"],
        "name": contact.get("name"),
        "text": item.get("text"),
        "kind": ours.get(kind, kind),
        "sent_at": _written(fields, datetime.fromisoformat(item["sent_at"])),
    }
    placed = [(fields[name], value) for name, value in said.items() if name in fields and value is not None]
    for path, value in [*placed, *((path, values[0]) for path, values in fields.get("only", {}).items())]:
        first = path.split("|")[0]
        _place(body if first.startswith("$.") else shaped, first.removeprefix("$.").split("."), value)
    return shaped


def _place(node: dict[str, Any], steps: Sequence[str], value: Any) -> None:
    for step in steps[:-1]:
        node = node.setdefault(step, {})
    node[steps[-1]] = value


def _written(fields: Mapping[str, Any], at: datetime) -> Any:
    unit = fields.get("sent_at_unit", "s")
    if unit == "iso":
        return at.astimezone(timezone(timedelta(hours=fields.get("utc_offset_hours", 0)))).isoformat()
    milliseconds = round(at.astimezone(UTC).timestamp() * 1000)
    return milliseconds if unit == "ms" else milliseconds // 1000


def _key(signature: Mapping[str, Any]) -> bytes:
    reading = {"text": str.encode, "hex": bytes.fromhex, "base64": b64decode}[signature.get("key_encoding", "text")]
    return bytes(reading(signature["key"]))


def _filled(template: str, values: Mapping[str, bytes]) -> bytes:
    filled = b""
    while template:
        literal, opened, rest = template.partition("{")
        name, _, template = rest.partition("}")
        filled += literal.encode() + (values[name] if opened else b"")
    return filled


def _digest(signature: Mapping[str, Any], key: bytes, message: bytes) -> bytes:
    algorithm = signature.get("algorithm", "sha256")
    if signature["scheme"] == "hmac":
        return hmac.digest(key, message, algorithm)
    return hashlib.new(algorithm, message, usedforsecurity=False).digest()
