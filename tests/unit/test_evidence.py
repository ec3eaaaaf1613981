"""What the matrix of docs/channels.md says beside what it finds by doing: it must stand in the code and in the tests."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from functions.channels import registry
from functions.common.message import Kind
from infra.conformance.evidence import EVIDENCE

ROOT = Path(__file__).parents[2]


@cache
def texts(module: str) -> frozenset[str]:
    """Every text constant of a module of ours and of the codecs that it imports."""
    path = ROOT / f"{module.replace('.', '/')}.py"
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    imports = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("functions.channels.")
    ]
    below = {
        f"{node.module}.{name.name}" if node.module == "functions.channels.codecs" else str(node.module)
        for node in imports
        for name in node.names
    }
    return frozenset(found).union(*(texts(name) for name in below if name != "functions.channels.contract"))


def test_every_channel_has_its_evidence():
    assert tuple(sorted(EVIDENCE)) == registry.names()


@pytest.mark.parametrize("channel", sorted(EVIDENCE.keys() - {"generic"}))
def test_every_kind_that_a_channel_is_said_to_receive_is_one_that_it_can_name(channel):
    named = EVIDENCE[channel].receives
    assert set(named) <= set(Kind.__args__) and "unsupported" not in named
    assert set(named) <= texts(f"functions.channels.{channel}")


@pytest.mark.parametrize("channel", EVIDENCE)
def test_who_vouches_for_a_channel_stands_in_a_test_or_nobody_does(channel):
    evidence = EVIDENCE[channel]
    if evidence.test is None:
        assert evidence.independent.startswith(("none", "nothing"))
        return
    path, said = evidence.test
    assert said in (ROOT / "tests" / path).read_text(encoding="utf-8")
    assert not evidence.independent.startswith("none")


@pytest.mark.parametrize("channel", registry.names())
def test_every_channel_has_a_page_that_says_how_to_set_it_up_and_what_vouches_for_it(channel):
    page = (ROOT / "docs" / "channels" / f"{channel}.md").read_text(encoding="utf-8")
    assert f"/webhooks/{channel}/" in page or f"postroom/<stage>/channels/{channel}/" in page
    assert "## Verified against" in page
    assert f"[{channel}](channels/{channel}.md)" in (ROOT / "docs" / "channels.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("channel", registry.names())
def test_why_a_picture_or_a_button_goes_in_words_is_said(channel):
    shows, terms = registry.adapter(channel).shows, EVIDENCE[channel].terms
    if channel != "email" and (not shows.image or not shows.buttons or shows.only):
        assert terms, channel
    row = next(
        line for line in (ROOT / "docs" / "channels.md").read_text(encoding="utf-8").splitlines() if f"| `{channel}` |" in line
    )
    assert terms in row
