"""The first change that docs/configuration.md walks through, as it stands there."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.cli.app import app
from infra.cli.bundle import CONFIG

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
RULE, TEMPLATE = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[:2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(CONFIG, tmp_path / "config")
    return tmp_path / "config"


def said(folder: Path, *words: str, code: int = 0) -> str:
    outcome = CliRunner().invoke(app, [*words, "--directory", str(folder)])
    assert outcome.exit_code == code, outcome.output
    return outcome.output


def test_the_rule_and_its_template_are_sound_and_answer(folder: Path) -> None:
    rules, replies = folder / "rules.yaml", folder / "replies.yaml"
    rules.write_text(f"{rules.read_text('utf-8').rstrip()}\n{RULE}", "utf-8")
    assert re.search(
        r"rules\.yaml:\d+: error: rule bike-rental: no template bike_rental", said(folder, "config", "check", code=1)
    )
    before, templates, after = replies.read_text("utf-8").partition("\ntemplates:\n")
    replies.write_text(before + templates + TEMPLATE + after, "utf-8")
    assert "files are sound" in said(folder, "config", "check")
    told = json.loads(said(folder, "rules", "test", "请问可以租自行车吗?", "--json"))
    assert told["routing"]["reply"] == "bike_rental" and told["labels"]["business"] == "enquiry"
