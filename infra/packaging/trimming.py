"""Channels without what a function never asks of them: who only sends has no use for reading webhooks, which is most of a channel.

The methods that are never called go, then whatever in `functions/channels` nothing names any more: functions, classes, constants, imports,
private methods. A name that is used keeps what its own module calls so; an attribute, an imported name or a word in quotes keeps everything
that is defined by that name, wherever. So what stays may be too much. Lines keep their numbers.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

_Use = tuple[Path | None, str]
_DEFINED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class _Unit:
    """A piece of a module: the name it binds (None: it stays), where it stands, and whether it is one name of an import.

    `uses` are names of its own module as (path, name), and names anywhere as (None, name).
    """

    name: str | None
    uses: frozenset[_Use]
    path: Path
    node: ast.stmt
    imported: bool = False


def trim_channels(folder: Path, methods: Collection[str]) -> None:
    """Take `methods` out of every channel in an artifact, and what only they needed."""
    channels = folder / "functions" / "channels"
    for path in sorted(channels.rglob("*.py")):
        _blank(path, [node for node in _methods(ast.parse(path.read_bytes())) if node.name in methods])
    units = [unit for path in sorted(folder.rglob("*.py")) for unit in _units(path, removable=channels in path.parents)]
    dead = _unused(units)
    for path in {unit.path for unit in dead}:
        mine = [unit for unit in dead if unit.path == path]
        _narrow(path, [unit for unit in mine if unit.imported])
        _blank(path, [unit.node for unit in mine if not unit.imported])


def _methods(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from (each for each in node.body if isinstance(each, ast.FunctionDef))


def _units(path: Path, *, removable: bool) -> Iterator[_Unit]:
    for node in ast.parse(path.read_bytes()).body:
        if removable and isinstance(node, ast.ImportFrom) and node.module != "__future__":
            for alias in node.names:
                yield _Unit(alias.asname or alias.name, frozenset({(None, alias.name)}), path, node, imported=True)
        elif removable and isinstance(node, ast.ClassDef):
            private = [each for each in node.body if isinstance(each, ast.FunctionDef) and _is_private(each.name)]
            yield _Unit(node.name, _uses(path, node, without=private), path, node)
            yield from (_Unit(each.name, _uses(path, each), path, each) for each in private)
        else:
            yield _Unit(_bound(node) if removable else None, _uses(path, node), path, node)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def _bound(node: ast.stmt) -> str | None:
    """The one name that a statement binds and that may go with it."""
    if isinstance(node, _DEFINED):
        return node.name
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return names[0] if len(names) == len(targets) == 1 and not names[0].startswith("__") else None


def _uses(path: Path, node: ast.AST, without: Collection[ast.AST] = ()) -> frozenset[_Use]:
    """Every name that a piece of code mentions, but for types in signatures, which nothing reads while it runs."""
    found: set[_Use] = set()
    waiting: list[ast.AST] = [node]
    while waiting:
        here = waiting.pop()
        if isinstance(here, ast.Name):
            found.add((path, here.id))
        elif isinstance(here, ast.Attribute | ast.alias):
            name = here.attr if isinstance(here, ast.Attribute) else here.name
            found.add((path if _is_private(name) else None, name))
        elif isinstance(here, ast.Constant) and isinstance(here.value, str) and here.value.isidentifier():
            found.update({(None, here.value), (path, here.value)})
        left_out = {id(each) for each in (*without, getattr(here, "returns", None))}
        if not isinstance(here, ast.arg):
            waiting += [child for child in ast.iter_child_nodes(here) if id(child) not in left_out]
    return frozenset(found)


def _unused(units: list[_Unit]) -> list[_Unit]:
    known: dict[_Use, list[_Unit]] = {}
    for unit in units:
        if unit.name:
            known.setdefault((unit.path, unit.name), []).append(unit)
        if unit.name and not unit.imported:
            known.setdefault((None, unit.name), []).append(unit)
    waiting = [unit for unit in units if unit.name is None]
    live = {id(unit) for unit in waiting}
    while waiting:
        found = [unit for use in waiting.pop().uses for unit in known.pop(use, ()) if id(unit) not in live]
        live.update(map(id, found))
        waiting += found
    return [unit for unit in units if id(unit) not in live]


def _blank(path: Path, nodes: Collection[ast.stmt]) -> None:
    """Leave empty lines where statements were; a body must have something in it."""
    lines = path.read_text(encoding="utf-8").split("\n")
    for node in nodes:
        decorated = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(each.lineno for each in decorated)]) - 1
        last = node.end_lineno or node.lineno
        lines[first] = " " * node.col_offset + "..." if node.col_offset else ""
        lines[first + 1 : last] = [""] * (last - first - 1)
    path.write_text("\n".join(lines), encoding="utf-8")


def _narrow(path: Path, dead: Collection[_Unit]) -> None:
    """Leave of import statements the names that are used."""
    lines = path.read_text(encoding="utf-8").split("\n")
    for node in {unit.node for unit in dead}:
        assert isinstance(node, ast.ImportFrom)
        gone = {unit.name for unit in dead if unit.node is node}
        kept = [alias for alias in node.names if (alias.asname or alias.name) not in gone]
        last = node.end_lineno or node.lineno
        lines[node.lineno - 1 : last] = [""] * (last - node.lineno + 1)
        if kept:
            lines[node.lineno - 1] = ast.unparse(ast.ImportFrom(module=node.module, names=kept, level=node.level))
    path.write_text("\n".join(lines), encoding="utf-8")
