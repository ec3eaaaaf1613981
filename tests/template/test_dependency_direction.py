"""handler → service → {pure logic, store, clients}; common and channels import no function; functions never import each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED = {"common", "channels"}
FUNCTIONS = {p.name for p in (ROOT / "functions").iterdir() if p.is_dir() and not p.name.startswith("_")} - SHARED
MODULES = sorted((ROOT / "functions").rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package(dotted: str) -> str | None:
    parts = dotted.split(".")
    return parts[1] if parts[0] == "functions" and len(parts) > 1 else None


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_inwards(path: Path) -> None:
    own = path.relative_to(ROOT / "functions").parts[0]
    for name in imported(path):
        assert name.split(".")[0] not in {"infra", "tests", "bench", "training", "yaml", "rich", "typer"}, name
        target = package(name)
        if own in FUNCTIONS:
            assert target is None or target in SHARED | {own}, f"{path.name} imports {name}"
        else:
            assert target is None or target in SHARED, f"{path.name} imports {name}"


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_a_service_knows_neither_its_handler_nor_its_wiring(function: str) -> None:
    for path in (ROOT / "functions" / function).glob("*.py"):
        if path.stem not in {"handler", "wiring"}:
            ours = {name.rsplit(".", 1)[-1] for name in imported(path) if name.startswith(f"functions.{function}.")}
            assert not ours & {"handler", "wiring"}, path.name


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_a_handler_is_a_page_at_most(function: str) -> None:
    assert len((ROOT / "functions" / function / "handler.py").read_text().splitlines()) <= 45
