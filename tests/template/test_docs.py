"""The documents say everything that code, template and configuration have, and nothing that they have not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
import typer
import yaml
from pydantic import BaseModel

from bench.__main__ import measurements
from functions.archive.retention import _Section as Retention
from functions.archive.service import Summary, _told
from functions.autoreply.config import VARIABLES, _Replies
from functions.autoreply.faq import FaqSection
from functions.autoreply.outgoing import _Section as Outgoing
from functions.autoreply.reasons import Reason
from functions.autoreply.records import _LOGGED
from functions.channels import contract, registry
from functions.classify.config import Action, Condition, Labels, RulesSection
from functions.classify.escalations import DETAIL_TYPE
from functions.classify.model.shelf import ModelSection
from functions.classify.team_config import TeamsSection
from functions.common.calendar import WEEKDAYS
from functions.common.judgement import CHINESE
from functions.common.store import ReplyState
from functions.common.telemetry import METRICS
from functions.escalate.events import Kind
from functions.escalate.roster import _Section as Duty
from infra.cli.app import app
from infra.local import template
from infra.local.control import PREFIX, Control
from tests.fakes.template import loaded

ROOT = Path(__file__).parents[2]
NOT_OURS = {".venv", ".venv-sam", ".aws-sam", ".local", ".git", ".hypothesis", "node_modules"}
PAGES = sorted(page for page in ROOT.rglob("*.md") if not NOT_OURS.intersection(page.relative_to(ROOT).parts))
OPERATIONS, CONFIGURATION, JUDGEMENT, REPLIES, BENCH = (
    ROOT / page
    for page in ("docs/operations.md", "docs/configuration.md", "docs/judgement.md", "docs/replies.md", "bench/README.md")
)
TEMPLATE = loaded()
TRANSLATED = template.translated()
# The sections of the bundle that have a model. What a rule's condition, action and labels take is in judgement.md.
SECTIONS: dict[str, type[BaseModel]] = {
    "rules": RulesSection,
    "teams": TeamsSection,
    "replies": _Replies,
    "faq": FaqSection,
    "outgoing": Outgoing,
    "retention": Retention,
    "duty": Duty,
    "model": ModelSection,
}
GRAMMAR = (Condition, Action, Labels)

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


# --- Reading documents -------------------------------------------------------------------------------------------


def headings(page: Path) -> list[tuple[int, str, int]]:
    """Level, title and line of each heading outside code."""
    fenced, found = False, []
    for place, line in enumerate(page.read_text(encoding="utf-8").splitlines()):
        fenced ^= line.startswith("```")
        if not fenced and (match := re.match(r"(#+) (.+)", line)):
            found.append((len(match[1]), match[2].strip(), place))
    return found


def section(page: Path, title: str) -> str:
    """The text under a heading, down to the next heading of its level or a higher one."""
    known = headings(page)
    (here,) = [place for place, (_, name, _) in enumerate(known) if name == title]
    level, _, begins = known[here]
    ends = next((line for other, _, line in known[here + 1 :] if other <= level), None)
    return "\n".join(page.read_text(encoding="utf-8").splitlines()[begins + 1 : ends])


def rows(text: str) -> list[list[str]]:
    """The first table's rows below its header, cell by cell."""
    lines = text.splitlines()
    begins = next((place for place, line in enumerate(lines) if line.startswith("|")), len(lines))
    table = list(takewhile(lambda line: line.startswith("|"), lines[begins:]))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def codes(text: str) -> list[str]:
    """Everything in back quotes."""
    return re.findall(r"`([^`\n]+)`", text)


def first_column(text: str) -> list[str]:
    """What the first table's first column has in back quotes, in order."""
    return [code for row in rows(text) for code in codes(row[0])]


def code_of(page: Path) -> Iterator[str]:
    """Every stretch of code of a page: fenced lines, and what stands in back quotes."""
    parts = re.split(r"^```.*$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for place, part in enumerate(parts):
        yield from part.splitlines() if place % 2 else codes(part)


def anchors(page: Path) -> set[str]:
    """The anchors that a hosting site makes of headings."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for _, title, _ in headings(page)}


# --- Configuration -----------------------------------------------------------------------------------------------


def field_paths(kind: Any, path: str = "") -> list[str]:
    """Every field below a type, as operators would write it: `*` for a name of their own, `[]` for an entry of a list."""
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in GRAMMAR:
        below = ((f"{path}.{about.alias or name}", about.annotation) for name, about in kind.model_fields.items())
        return [found for name, inner in below for found in field_paths(inner, name.removeprefix("."))]
    if get_origin(kind) is Annotated:
        return field_paths(get_args(kind)[0], path)
    if get_origin(kind) in (Union, UnionType):  # a part that may be left out
        (kind, *others) = (given for given in get_args(kind) if given is not type(None))
        return [path] if others else field_paths(kind, path)
    for container, mark in ((dict, ".*"), (list, "[]"), (tuple, "[]")):
        if get_origin(kind) is container:
            item = get_args(kind)[0] if container is not dict else get_args(kind)[1]
            below = field_paths(item, path + mark)
            # A list of texts is one field; a list of sections has fields of its own.
            return [path] if below == [path + mark] and item not in GRAMMAR else below
    return [path]


def names_of(model: type[BaseModel]) -> set[str]:
    return {about.alias or name for name, about in model.model_fields.items()}


def test_every_file_of_the_configuration_has_a_section():
    files = {path.name for path in (ROOT / "config").glob("*.yaml") if not path.name.endswith(".local.yaml")}
    assert files == {f"{name}.yaml" for name in (*SECTIONS, "calendar")}
    assert files <= {title for _, title, _ in headings(CONFIGURATION)}


@pytest.mark.parametrize("name", SECTIONS)
def test_every_field_of_a_file_is_explained_and_no_other(name):
    assert sorted(first_column(section(CONFIGURATION, f"{name}.yaml"))) == sorted(field_paths(SECTIONS[name]))


def test_every_field_of_the_calendar_is_explained():
    text = section(CONFIGURATION, "calendar.yaml")
    assert first_column(text) == list(yaml.safe_load((ROOT / "config/calendar.yaml").read_text(encoding="utf-8")))
    assert set(WEEKDAYS) <= set(codes(text))


def test_every_knob_of_the_replies_is_explained_where_replies_are():
    assert sorted(first_column(section(REPLIES, "Knobs"))) == sorted(field_paths(_Replies))


def test_every_variable_of_a_template_is_explained():
    for page in (CONFIGURATION, REPLIES):
        assert {f"{{{name}}}" for name in VARIABLES} <= set(codes(page.read_text(encoding="utf-8")))


@pytest.mark.parametrize(("title", "model"), [("Conditions", Condition), ("Actions", Action)])
def test_every_operator_and_action_of_rules_is_explained_and_no_other(title, model):
    listed = first_column(section(JUDGEMENT, title))
    assert sorted(listed) == sorted(names_of(model))


def test_every_label_is_explained_with_its_values():
    listed = {row[0].strip("`"): row[1] for row in rows(section(JUDGEMENT, "Labels"))}
    assert set(listed) == names_of(Labels) | {"language"}
    for axis, values in CHINESE.items():
        written = dict(re.findall(r"`(\w+)` (\w+)", listed[axis]))
        assert written == values, axis


def test_labels_in_conditions_are_all_named():
    assert set(codes(section(JUDGEMENT, "Labels in conditions and routes"))) == names_of(Labels)


def test_priority_points_are_those_that_are_shipped():
    listed = {row[0].strip("`"): int(row[1]) for row in rows(section(JUDGEMENT, "Priority"))}
    shipped = yaml.safe_load((ROOT / "config/teams.yaml").read_text(encoding="utf-8"))["points"]
    flat = {
        (f"{axis}.{value}" if value else axis): points
        for axis, given in shipped.items()
        for value, points in (given.items() if isinstance(given, dict) else [("", given)])
    }
    assert listed == flat


@pytest.mark.parametrize("channel", registry.names())
def test_every_field_of_a_channels_secret_is_explained(channel):
    page = ROOT / "docs" / "channels" / f"{channel}.md"
    listed = [title for _, title, _ in headings(CONFIGURATION)]
    assert page.is_file() or channel in listed, f"neither docs/channels/{channel}.md nor a section of configuration.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    text += section(CONFIGURATION, channel) if channel in listed else ""
    # In back quotes, or as a key of the secret that the page shows.
    named = set(codes(text)) | set(re.findall(r'"(\w+)"\s*:', text))
    # What every account may have is said once.
    everywhere = names_of(contract.Credentials) & set(codes(section(CONFIGURATION, "Accounts")))
    assert names_of(registry.adapter(channel).credentials) <= named | everywhere


# --- The stack ---------------------------------------------------------------------------------------------------


def test_every_parameter_of_the_template_is_explained_and_no_other():
    assert first_column(section(CONFIGURATION, "Parameters of the stack")) == list(TRANSLATED["Parameters"])


def test_every_environment_variable_is_explained_with_the_functions_that_have_it():
    listed = {
        row[0].strip("`"): row[1].split(", ") for row in rows(section(CONFIGURATION, "Environment variables of the functions"))
    }
    functions = {function.name: set(function.variables) for function in TEMPLATE.functions}
    told = {name: {variable for variable, where in listed.items() if name in where or where == ["all"]} for name in functions}
    assert told == functions


def test_settings_that_the_template_leaves_out_are_explained():
    text = section(CONFIGURATION, "Environment variables of the functions")
    settings = [import_module(f"functions.{function.name}.settings").Settings for function in TEMPLATE.functions]
    assert {name.upper() for known in settings for name in known.model_fields} <= set(codes(text))


def test_every_output_of_the_stack_is_named():
    assert set(TRANSLATED["Outputs"]) <= set(codes(section(OPERATIONS, "Deploying")))


def test_every_alarm_is_explained_and_no_other():
    alarms = {name for name, about in TRANSLATED["Resources"].items() if about["Type"] == "AWS::CloudWatch::Alarm"}
    assert set(first_column(section(OPERATIONS, "Alarms"))) == alarms


def test_every_metric_is_explained_and_no_other():
    assert sorted(first_column(section(OPERATIONS, "Metrics"))) == sorted(METRICS)


# --- What functions say ------------------------------------------------------------------------------------------


def logged() -> Iterator[tuple[str, str, str, set[str]]]:
    """Every log line: the package that writes it, level, name, and the keys that are written out."""
    for path in sorted((ROOT / "functions").rglob("*.py")):
        package = path.relative_to(ROOT / "functions").parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
                continue
            level, name = node.func.attr, node.args[0]
            if level in ("info", "warning", "error") and ast.unparse(node.func.value).endswith("telemetry"):
                assert isinstance(name, ast.Constant), f"{path.name}: a log line whose name cannot be read"
                yield package, level, str(name.value), {key.arg for key in node.keywords if key.arg}
    for name, _ in _LOGGED.values():
        yield "autoreply", "", name, set()


def test_every_log_line_is_explained_with_its_keys_and_no_other():
    listed = {row[0].strip("`"): row[1:] for row in rows(section(OPERATIONS, "Log lines"))}
    lines = list(logged())
    assert sorted(listed) == sorted({name for _, _, name, _ in lines})
    for package, level, name, keys in lines:
        where, told, named, _ = listed[name]
        assert package in (*where.split(", "), "common", "channels") or where.startswith("all"), (package, name)
        assert level in ("", told), name
        assert keys <= set(codes(named)), name


def test_every_event_is_explained_and_no_other():
    assert set(first_column(section(OPERATIONS, "Events"))) == {DETAIL_TYPE, *get_args(Kind)}


def test_every_reason_of_a_decision_is_explained_in_its_order():
    assert first_column(section(REPLIES, "Reasons")) == [reason.value for reason in Reason]


def test_every_state_and_outcome_of_a_reply_is_explained():
    text = section(REPLIES, "What becomes of a reply")
    assert first_column(text) == list(get_args(ReplyState))
    assert set(get_args(contract.Outcome)) <= set(codes(text))


def test_every_field_of_the_archives_answer_is_explained_and_no_other():
    silent = SimpleNamespace(
        reader=SimpleNamespace(items_read=0, entries_read=0), telemetry=SimpleNamespace(info=lambda *_, **__: None)
    )
    assert first_column(section(OPERATIONS, "The archive by hand")) == [
        *_told(Summary(run="r"), silent),
        "relayed",
        "cleaned",
        "copied",
    ]


# --- Commands ----------------------------------------------------------------------------------------------------


def make_targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return {target for line in re.findall(r"^\.PHONY:(.*)$", makefile, re.MULTILINE) for target in line.split()}


def commands(command: Any = None, path: str = "") -> dict[str, set[str]]:
    """Every command below one, by its words, with its options; a group is one if it does something by itself."""
    command = command or typer.main.get_command(app)
    below = getattr(command, "commands", None)
    options = {option for known in command.params for option in known.opts if option.startswith("--") and option != "--help"}
    found = {} if below and not getattr(command, "invoke_without_command", False) else {path: options}
    for name, inner in (below or {}).items():
        found |= commands(inner, f"{path} {name}".strip())
    return found


def test_every_make_target_is_explained_in_the_documents():
    text = " ".join(codes(section(OPERATIONS, "Commands")))
    assert make_targets() <= set(re.findall(r"make ([a-z-]+)", text))


def test_every_command_and_its_options_are_explained():
    listed = {}
    for row in rows(section(OPERATIONS, "Commands")):
        for code in codes(row[0]):
            listed[code] = set(codes(" ".join(row)))
    for words, options in commands().items():
        assert f"postroom {words}" in listed, words
        assert options <= listed[f"postroom {words}"], words


# One stays up, one shows itself, one writes JSON as it is, and two are read by people while they work.
WITHOUT_JSON = {"run", "demo", "classify", "channels test"}


def test_every_command_says_its_outcome_as_json_if_asked_to():
    assert {words for words, options in commands().items() if "--json" not in options} == WITHOUT_JSON


@every_page
def test_no_page_names_a_command_that_does_not_exist(page):
    known = commands()
    groups = {words.split()[0] for words in known if " " in words}
    for code in code_of(page):
        for target in re.findall(r"\bmake ([a-z][a-z-]+)", code):
            assert target in make_targets(), code
        for first, second in re.findall(r"(?:^|\s)postroom ([a-z]+)(?: ([a-z]+))?", code):
            assert first in known or first in groups, code
            assert not second or first not in groups or f"{first} {second}" in known, code


def test_every_endpoint_of_the_local_stack_is_explained_and_no_other():
    control = Control(inventory=None, queues=None, scheduler=None, invocations=None, outbox=tuple)  # type: ignore[arg-type]
    endpoints = {f"{method} {PREFIX}{name}" for name, (method, _) in control._endpoints().items()} | {"GET /health"}
    told = [code.partition("/{name}")[0] for code in first_column(section(OPERATIONS, "The local stack"))]
    assert endpoints == {code for code in told if "/webhooks" not in code and " " in code}


def test_every_measurement_is_explained_and_no_other():
    assert sorted(first_column(section(BENCH, "Measurements"))) == measurements()


# --- Links and paths ---------------------------------------------------------------------------------------------


@every_page
def test_relative_links_point_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def spellings(path: str) -> list[str]:
    """`a/{b,c}` is two paths."""
    braces = re.search(r"\{([^{}]*,[^{}]*)\}", path)
    if braces is None:
        return [path]
    return [found for each in braces[1].split(",") for found in spellings(path.replace(braces[0], each.strip()))]


@every_page
def test_no_page_names_a_path_that_does_not_exist(page):
    folders = [path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")]
    in_folder = re.compile(rf"({'|'.join(map(re.escape, sorted(folders)))})/[\w./*<>{{}},-]*")
    by_name = re.compile(r"[\w.-]+\.(yaml|toml|py|md)")
    for code in codes(re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)):
        for path in spellings(code):
            pattern = re.sub(r"<\w+>", "*", path)
            if in_folder.fullmatch(path):
                assert any(ROOT.glob(pattern.rstrip("/"))), f"no {path}"
            elif by_name.fullmatch(path):
                assert any((ROOT / folder).glob(f"**/{path}") for folder in folders) or (ROOT / path).exists(), f"no {path}"
