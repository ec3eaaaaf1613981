"""`postroom rules`: a message tried, rules found wanting by line, and how right they are on labelled messages."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from functions.classify.compiling import Lexicons
from functions.classify.config import Condition
from infra.cli.app import app
from infra.cli.bundle import CONFIG
from infra.rulebook.lines import Lines
from infra.rulebook.reach import implies, never

LEXICONS = Lexicons({"polite": ["谢谢", "thanks"], "more": ["谢谢你", "thanks"]})


def condition(**fields: Any) -> Condition:
    return Condition.model_validate(fields)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CONFIG, tmp_path / "config"))


def with_rules(directory: Path, *rules: dict[str, Any], **more: Any) -> Path:
    named = [{"name": f"r{place}", "then": {"tag": "x"}} | rule for place, rule in enumerate(rules)]
    section = {"version": "1", "rules": named} | more
    (directory / "rules.yaml").write_text(yaml.safe_dump(section, allow_unicode=True, sort_keys=False))
    return directory


def said(directory: Path, *options: str, code: int = 0) -> list[str]:
    result = CliRunner().invoke(app, ["rules", "lint", "--directory", str(directory), *options])
    assert result.exit_code == code, result.output
    return [line.replace(f"{directory}/", "") for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("when", "never_holds"),
    [
        ({"all": [{"channel": "telegram"}, {"channel": ["twilio", "line"]}]}, True),
        ({"all": [{"channel": "telegram"}, {"channel": ["telegram", "line"]}]}, False),
        ({"any": [{"all": [{"kind": "text"}, {"kind": "image"}]}, {"contains": "a"}]}, False),
        ({"contains": ["票", "账"], "except": ["账", "票"]}, True),
        ({"contains": ["a"], "except": ["ab"]}, False),
        ({"contains": "发票", "not": {"contains": ["票"]}}, True),
        ({"contains": "票", "not": {"contains": ["发票"]}}, False),
        ({"lexicon": "more", "not": {"lexicon": "polite"}}, True),
        ({"lexicon": "polite", "not": {"lexicon": "more"}}, False),
        ({"first_contact": True, "contacts": {"more_than": 2}}, True),
        ({"all": [{"hours": "open"}, {"hours": "closed"}]}, True),
        ({"label": {"spam": ["ad", "scam"], "business": "complaint"}}, True),
        ({"label": {"spam": ["none", "scam"], "business": "complaint"}}, False),
        ({"label": {"spam": "ad", "content": "price"}}, True),
        ({"all": [{"label": {"business": "complaint"}}, {"label": {"business": ["enquiry"]}}]}, True),
        ({"all": [{"label": {"content": "tech"}}, {"label": {"content": "price"}}]}, False),
    ],
)
def test_conditions_that_contradict_themselves(when: dict[str, Any], never_holds: bool) -> None:
    assert (never(condition(**when), LEXICONS) is not None) is never_holds


@pytest.mark.parametrize(
    ("one", "other", "it_does"),
    [
        ({"contains": ["发票抬头"]}, {"contains": ["发票"]}, True),
        ({"contains": ["发票"]}, {"contains": ["发票抬头"]}, False),
        ({"word": ["refund"]}, {"contains": ["fund"]}, True),
        ({"contains": ["refund"]}, {"word": ["refund"]}, False),
        ({"exactly": ["td"]}, {"word": ["td"]}, True),
        ({"contains": ["a"], "channel": "line"}, {"contains": ["a"]}, True),
        ({"contains": ["a"]}, {"contains": ["a"], "channel": "line"}, False),
        ({"contains": ["a"], "except": ["ab"]}, {"contains": ["a"]}, True),
        ({"contains": ["a"]}, {"contains": ["a"], "except": ["ab"]}, False),
        ({"any": [{"contains": "ab"}, {"contains": "ac"}]}, {"contains": "a"}, True),
        ({"any": [{"contains": "ab"}, {"contains": "c"}]}, {"contains": "a"}, False),
        ({"contains": "ab"}, {"any": [{"contains": "x"}, {"contains": "a"}]}, True),
        ({"all": [{"contains": "ab"}, {"kind": "text"}]}, {"all": [{"kind": ["text", "voice"]}, {"contains": "b"}]}, True),
        ({"label": {"business": "complaint", "spam": "none"}}, {"label": {"business": ["complaint", "enquiry"]}}, True),
        ({"near": {"first": "退款", "then": "卡"}}, {"contains": "退"}, True),
        ({"not": {"contains": "a"}}, {"not": {"contains": "a"}}, True),
    ],
)
def test_conditions_that_imply_another(one: dict[str, Any], other: dict[str, Any], it_does: bool) -> None:
    assert implies(condition(**one), condition(**other), LEXICONS) is it_does


def test_a_rule_that_an_earlier_one_shuts_out_is_an_error_with_its_line(directory: Path) -> None:
    with_rules(
        directory,
        {"when": {"contains": "发票"}, "group": "g"},
        {"when": {"contains": ["发票抬头"]}, "group": "g"},
        {"when": {"contains": ["发票抬头"]}, "group": "other"},
        {"when": {"contains": "急"}, "stop": True, "priority": 5},
        {"when": {"all": [{"contains": "紧急"}, {"label": {"content": "tech"}}]}},
    )
    lines = said(directory, code=1)
    names = (directory / "rules.yaml").read_text().splitlines()
    assert [line.split(": error: ")[1] for line in lines] == [
        "rule r1 can never fire: whenever it could, r0 fires first and takes the group g",
        "rule r4 can never fire: whenever it could, r3 fires first and says stop",
    ]
    assert [names[int(line.split(":")[1]) - 1] for line in lines] == ["- name: r1", "- name: r4"]


def test_every_wrong_field_is_said_with_its_line(directory: Path) -> None:
    with_rules(
        directory, {"when": {"contians": "a"}}, {"when": {"kind": "txt"}}, {"when": {"contains": "a"}, "then": {"hold": []}}
    )
    lines = said(directory, code=1)
    text = (directory / "rules.yaml").read_text().splitlines()
    assert [text[int(line.split(":")[1]) - 1].strip() for line in lines] == ["contians: a", "kind: txt", "hold: []"]
    assert "rules.0.when.contians: no such field" in lines[0]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"when": {"contains": "a"}, "then": {"reply": "nothing"}}, "rule r0: no template nothing"),
        ({"when": {"contains": "a"}, "then": {"suggest": "nothing"}}, "rule r0: no template nothing"),
        ({"when": {"contains": "a"}, "then": {"team": "nobody"}}, "rule r0: no team nobody"),
        ({"when": {"hours": {"nobody": "open"}}}, "rule r0: no team nobody"),
        ({"when": {"channel": "wechat"}}, "rule r0: no channel wechat"),
        ({"when": {"lexicon": "missing"}}, "unknown missing"),
        ({"when": {"regex": "(a+"}}, "missing"),
    ],
)
def test_names_that_lead_nowhere_are_errors(directory: Path, rule: dict[str, Any], why: str) -> None:
    (line,) = said(with_rules(directory, rule), code=1)
    assert line.startswith("rules.yaml:") and ": error: " in line and why in line
    check = CliRunner().invoke(app, ["config", "check", "--directory", str(directory)])
    assert check.exit_code == 1 and why in check.output


def test_words_that_stand_twice_and_lists_that_nobody_uses_are_warnings(directory: Path) -> None:
    with_rules(
        directory, {"when": {"contains": ["发票", "發票", "ok"]}}, lexicons={"used": ["a", "A"], "idle": ["b"]}, filler=["used"]
    )
    assert {line.split(": warning: ")[1] for line in said(directory)} == {
        "rule r0: contains has '發票' twice, which folds as '发票' does",
        "lexicon used has 'A' twice, which folds as 'a' does",
        "no rule uses the lexicon idle",
    }


def test_a_template_that_rules_would_answer_with_itself_is_a_possible_loop(directory: Path) -> None:
    with_rules(
        directory,
        {"when": {"contains": "感谢联系"}, "then": {"reply": "welcome"}},
        {"when": {"contains": "zzz"}, "then": {"reply": "thanks"}},
    )
    (line,) = said(directory)
    assert "possible loop" in line and line.endswith("welcome → welcome")


def test_the_shipped_rules_have_no_errors_and_no_untidiness() -> None:
    assert all("possible loop" in line for line in said(CONFIG))


def test_how_right_rules_are_on_labelled_messages(directory: Path, tmp_path: Path) -> None:
    with_rules(
        directory,
        {"when": {"contains": "转账"}, "then": {"risk": "money"}},
        {"when": {"contains": "zzz"}, "then": {"spam": "ad"}},
    )
    seed = tmp_path / "seed"
    seed.mkdir()
    (seed / "zh_some.txt").write_text(
        "@ industry=shop style=plain\nO||n|0||money||转账给我\nE||n|0||||支持转账吗\nO||n|0||money||汇款给我\n", "utf-8"
    )
    lines = [" ".join(line.split()) for line in said(directory, "--seed", str(seed))]
    assert "r0 risk.money 1 of 2 0.50" in lines
    assert "r1 spam.ad 0 of 0 never fires" in lines
    assert "risk.money found 1 of 2 (0.50), imagined 1" in lines
    (seed / "zh_some.txt").write_text("nonsense\n", "utf-8")
    assert CliRunner().invoke(app, ["rules", "lint", "--directory", str(directory), "--seed", str(seed)]).exit_code == 1


def test_the_shipped_rules_are_right_where_it_matters() -> None:
    from functions.classify.rules import read_rules
    from functions.classify.weighing import SURE
    from infra.rulebook.record import record
    from training.seed import read_folder

    book = read_rules(yaml.safe_load((CONFIG / "rules.yaml").read_text("utf-8")))
    records, seen = record(book, read_folder())
    for each in records:
        if each.fired >= 20 and each.label.partition(".")[0] in ("risk", "spam"):
            # A hint, which the model may doubt, is right as often as it says.
            score = book.actions()[each.rule].score
            assert each.precision is not None and each.precision >= (score if score < SURE else 0.9), each
    for each in seen:
        assert each.imagined <= 0.1 * each.there, each


# --- trying a message ------------------------------------------------------------------------------------------------


def tried(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["rules", "test", *words])
    assert result.exit_code == code, result.output
    return result.output


def test_a_message_is_tried_with_what_it_came_with() -> None:
    told = json.loads(
        tried("转.账到我卡 13800138000", "--tag", "vip", "--earlier", "4", "--now", "2026-11-20T02:00:00", "--json")
    )
    (money,) = [fired for fired in told["rules"] if fired["rule"] == "money-transfer"]
    assert money["words"] and all(
        told["text"][start:end] == word for (start, end), word in zip(money["spans"], money["words"], strict=True)
    )
    assert told["folded"] == "转.账到我卡 ▢" and told["without_disguise"] == "转账到我卡 ▢"
    assert told["labels"]["risk"] == ["money"] and told["routing"]["hold"] == ["money"]
    assert told["routing"]["points"].items() >= {"tags.vip": 30, "repeat_contact": 10, "risk.money": 20}.items()
    assert told["routing"]["service"] == "vip" and "first_contact" not in told["routing"]["points"]
    assert told["routing"]["due_at"] == "2026-11-20T10:00:00.000Z"


def test_a_trial_reads_well() -> None:
    text = tried("TD", "--channel", "twilio", "--account", "shop")
    assert "folded    td" in text and "rule      opt-out “TD”" in text and "label     opt_out: true (0." in text
    assert "rule      none" in tried("▒▒")
    assert "no kind smoke signal" in tried("hi", "--kind", "smoke signal", code=1)
    assert "no channel pigeon; there are" in tried("hi", "--channel", "pigeon", code=1)
    assert "--now: a time from 1970" in tried("hi", "--now", "9999-12-31T23:59:59", code=1)


ALIASES = "\n".join(f"b{at}: &b{at} [{', '.join(['*b' + str(at - 1)] * 9)}]" for at in range(1, 12))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: &a [*a]", "nested too deeply"),
        ("a: " + "[" * 200 + "]" * 200, "nested too deeply"),
        ("a: " + "[" * 50_000 + "]" * 50_000, "nested too deeply"),
        (f"b0: &b0 [x]\n{ALIASES}", "more than 2,000,000 values"),
    ],
)
@pytest.mark.parametrize("command", [("rules", "lint"), ("config", "check")])
def test_a_file_that_goes_on_for_ever_is_one_line(directory: Path, text: str, fault: str, command: tuple[str, str]) -> None:
    (directory / "rules.yaml").write_text(text, "utf-8")
    outcome = CliRunner().invoke(app, [*command, "--directory", str(directory)])
    assert (outcome.exit_code, outcome.output.count("\n")) == (1, 1)
    assert f"rules.yaml: {fault}" in outcome.output


def test_a_line_is_that_of_the_nearest_field_there_is() -> None:
    lines = Lines("a:\n  - b: 1\n  - b: 2\n    c: {d: 3}\n")
    assert [lines.of(path) for path in (["a"], ["a", 1], ["a", 1, "c", "d"], ["a", 1, "x"], ["a", 9], [])] == [1, 3, 4, 3, 1, 1]
