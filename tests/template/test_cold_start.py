"""No channel adds to another's cold start: counted in modules, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from functions.channels import registry

ROOT = Path(__file__).parents[2]
HEAVY = ("cryptography", "urllib3", "email", "xml", "html", "pyexpat")


def modules_after(code: str) -> set[str]:
    """What a fresh process has imported at the end."""
    source = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def channels_in(modules: set[str]) -> set[str]:
    return {name for name in registry.names() if f"functions.channels.{name}" in modules}


@pytest.mark.parametrize("function", ["ingest", "pull", "autoreply"])
def test_a_handler_alone_imports_no_channel(function):
    assert channels_in(modules_after(f"import functions.{function}.handler")) == set()


def test_each_channel_imports_itself_and_no_other_and_cryptography_only_when_it_is_needed():
    for channel in registry.names():
        modules = modules_after(f"from functions.channels import registry\nregistry.adapter({channel!r})")
        assert channels_in(modules) == {channel}
        assert "cryptography" not in modules, channel


def test_descriptions_of_unknown_platforms_are_imported_for_accounts_that_have_one():
    account = "registry.adapter('generic').credentials.model_validate({'secret': 'whsec_' + 'A' * 32})"
    modules = modules_after(f"from functions.channels import registry\n{account}")
    assert not {name for name in modules if ".custom_" in name}


def test_what_only_some_channels_need_comes_with_them_alone():
    """A mail's or an XML document's reader is no part of a channel that speaks JSON."""
    json_only = modules_after("from functions.channels import registry\nregistry.adapter('telegram')")
    bare = modules_after("from functions.channels import registry")
    assert not {name for name in json_only - bare if name.split(".")[0] in HEAVY}
