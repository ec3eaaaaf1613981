"""Payloads made absurd: a JSON value with another in one of its places, or with none there."""

from __future__ import annotations

import json
from typing import Any

Path = tuple[Any, ...]


def paths(node: Any, here: Path = ()) -> list[Path]:
    """Every place in a JSON value, the value itself first."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [here, *(path for key, child in children for path in paths(child, (*here, key)))]


def replaced(node: Any, path: Path, value: Any, *, dropped: bool = False) -> Any:
    """A copy with another value in that place, or with none there."""
    if not path:
        return value
    copy = json.loads(json.dumps(node))
    parent = copy
    for step in path[:-1]:
        parent = parent[step]
    if dropped:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return copy
