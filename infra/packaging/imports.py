"""Which of our modules a module needs, read from the source: late imports count, nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

OURS = "functions"
# What a module imports by a name made at run time, which its source does not show: every channel, one by one, as it is asked for.
BY_NAME = {"functions.channels.registry": "functions.channels"}


def import_closure(modules: Iterable[str], root: Path) -> set[str]:
    """Every module of `functions` that running `modules` may import, themselves and the packages around them included."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found and source_of(name, root):
            found.add(name)
            waiting += [*_parents(name), *imported_names(name, root), *modules_in(BY_NAME.get(name), root)]
    return found


def imported_names(module: str, root: Path) -> set[str]:
    """What a module's import statements name of ours: modules, and names in them that may be modules."""
    source = source_of(module, root)
    if source is None:
        return set()
    package = module if source.name == "__init__.py" else module.rpartition(".")[0]
    nodes = _running(ast.parse(source.read_bytes()))
    return {name for node in nodes for name in _names(node, package) if name.split(".")[0] == OURS}


def modules_in(package: str | None, root: Path) -> list[str]:
    """The modules directly in a package, and the package itself."""
    if package is None:
        return []
    folder = root.joinpath(*package.split("."))
    return [package, *(f"{package}.{path.stem}" for path in sorted(folder.glob("*.py")) if path.stem != "__init__")]


def source_of(module: str, root: Path) -> Path | None:
    """The file of a module under `root`, or None when there is none."""
    path = root.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only a type checker sees."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from _running(node)


def _names(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        above = package.split(".")[: 1 - node.level or None] if node.level else []
        origin = ".".join([*above, *([node.module] if node.module else [])])
        yield origin
        yield from (f"{origin}.{alias.name}" for alias in node.names)


def _parents(module: str) -> Iterator[str]:
    while "." in module:
        module = module.rpartition(".")[0]
        yield module
