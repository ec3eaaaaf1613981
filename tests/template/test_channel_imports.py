"""No channel adds to another's cold start: what a process imports for one channel is that channel's own and what all share."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from functions.channels import registry
from infra.packaging.imports import import_closure

ROOT = Path(__file__).parents[2]
SHARED = {"contract", "registry", "codecs"}
# What reads AWS's answers or speaks HTTP: a webhook needs neither of a channel.
HEAVY = ("boto3", "botocore", "urllib3", "cryptography", "xml.dom", "asyncio", "holidays", "yaml")


@cache
def loaded(*modules: str) -> frozenset[str]:
    """Every module that a new process has after importing these."""
    said = f"import sys\nfor name in {modules!r}: __import__(name)\nprint(*sys.modules, sep='\\n')"
    outcome = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True, cwd=ROOT)
    return frozenset(outcome.stdout.split())


def channels_of(modules: frozenset[str]) -> set[str]:
    """The channels' modules among these."""
    return {name.split(".")[2] for name in modules if name.startswith("functions.channels.")} - SHARED


@pytest.mark.parametrize("function", ["ingest", "pull", "autoreply"])
def test_a_handler_imports_no_channel(function: str) -> None:
    assert channels_of(loaded(f"functions.{function}.handler")) == set()


@pytest.mark.parametrize("channel", registry.names())
def test_a_channel_imports_itself_and_no_other(channel: str) -> None:
    handler = loaded("functions.ingest.handler")
    added = loaded("functions.ingest.handler", f"functions.channels.{channel}") - handler
    assert channels_of(added) == {channel}
    assert [name for name in added if name.startswith(HEAVY)] == [], "these are imported by what needs them, when it does"


@pytest.mark.parametrize("channel", registry.names())
def test_what_a_channel_imports_is_what_its_sources_name(channel: str) -> None:
    named = import_closure({f"functions.channels.{channel}"}, ROOT)
    ours = {name for name in loaded(f"functions.channels.{channel}") if name.startswith("functions.channels.codecs.")}
    assert ours <= named, "nothing is reached by way of another channel"
