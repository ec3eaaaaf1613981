"""`postroom rules`: try a message against the rules, and look for what is wrong with them before anybody writes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.bundle import CONFIG
from infra.cli.place import Json, one_line, say

if TYPE_CHECKING:
    from infra.rulebook.findings import Finding
    from infra.rulebook.record import Record, Seen

rules = typer.Typer(help="Try rules on a message; find what is wrong with them.", no_args_is_help=True)
Directory = Annotated[Path, typer.Option(help="Where the YAML files are.")]


@rules.command()
def test(  # noqa: PLR0917  a command's options
    text: Annotated[str, typer.Argument(help="A message as a customer would write it.")],
    directory: Directory = CONFIG,
    channel: Annotated[str, typer.Option(help="The channel it came by.")] = "generic",
    account: Annotated[str, typer.Option(help="The account it came to.")] = "demo",
    kind: Annotated[str, typer.Option(help="What kind of message it is.")] = "text",
    tag: Annotated[list[str] | None, typer.Option(help="A tag of the conversation; may be given more than once.")] = None,
    earlier: Annotated[int, typer.Option(min=0, max=20, help="How many messages came in the hour before.")] = 0,
    now: Annotated[datetime | None, typer.Option(help="When it comes, UTC.", show_default="now")] = None,
    as_json: Json = False,
) -> None:
    """Say what a message would be judged to be: its folded text, the rules that fire and on which words, labels, team, points."""
    from infra.rulebook.trial import Circumstances, said, trial

    with one_line():
        from infra.cli.bundle import ConfigInvalid
        from infra.cli.classify import handbook_of

        at = (now or datetime.now(UTC)).replace(tzinfo=UTC)
        if not 1970 <= at.year < 3000:
            raise ConfigInvalid("--now: a time from 1970 to 2999")
        came = Circumstances(channel=channel, account=account, kind=kind, tags=tuple(tag or ()), earlier=earlier, at=at)
        outcome = trial(text, handbook_of(directory), came)
    say(outcome, said(outcome), as_json=as_json)


@rules.command()
def lint(
    directory: Directory = CONFIG,
    seed: Annotated[Path | None, typer.Option(help="A folder of labelled messages: how right each rule is on them.")] = None,
    as_json: Json = False,
) -> None:
    """List what is wrong with rules.yaml, by line; exit code 1 if anything is that no bundle may hold."""
    from infra.rulebook.lines import Lines

    with one_line():
        found = findings(directory)
        path = directory / "rules.yaml"
        lines = Lines(path.read_text(encoding="utf-8"))
        found = sorted(found, key=lambda each: (lines.of(each.path), each.level))
        listed = [{"line": lines.of(each.path), "level": each.level, "text": each.text} for each in found]
        if found or as_json:
            said_of = "\n".join(finding.said(str(path), lines) for finding in found)
            say({"file": str(path), "findings": listed}, said_of, as_json=as_json)
        errors = [finding for finding in found if finding.level == "error"]
        if seed and not errors and not as_json:
            _report(directory, seed)
    if errors:
        sys.exit(1)
    print(f"{path}: no errors", file=sys.stderr)


def findings(directory: Path) -> list[Finding]:
    """All that is to be said of a folder's rules. What hangs on other files is left out while those cannot be read."""
    from infra.cli.bundle import ConfigInvalid, read_sections
    from infra.rulebook.findings import faults

    sections = read_sections(directory)
    if "rules" not in sections:
        raise ConfigInvalid(f"{directory}: rules.yaml is missing")
    return faults(sections["rules"]) or list(_of_sound_rules(sections))


def refused(sections: dict[str, Any], directory: Path) -> None:
    """`ConfigInvalid` with the first finding, and its line, that no bundle may hold."""
    from infra.cli.bundle import ConfigInvalid
    from infra.rulebook.findings import faults
    from infra.rulebook.lines import Lines

    found = faults(sections["rules"]) or _of_sound_rules(sections)
    errors = [finding for finding in found if finding.level == "error"]
    if errors:
        path = directory / "rules.yaml"
        raise ConfigInvalid(errors[0].said(path.name, Lines(path.read_text(encoding="utf-8"))))


def _of_sound_rules(sections: dict[str, Any]) -> Iterator[Finding]:
    from functions.channels.registry import names
    from functions.classify.config import RulesSection
    from functions.classify.rules import read_rules
    from infra.rulebook.findings import names_that_lead_nowhere, unreachable, untidy

    section, book = RulesSection.model_validate(sections["rules"]), read_rules(sections["rules"])
    known = {
        "template": sections.get("replies", {}).get("templates", {}),
        "team": sections.get("teams", {}).get("teams", {}),
        "channel": frozenset(names()),
    }
    yield from names_that_lead_nowhere(book, section, known)
    yield from unreachable(section)
    yield from untidy(section)
    yield from _loops(sections)


def _loops(sections: dict[str, Any]) -> Iterator[Finding]:
    from functions.classify.desk import Handbook
    from functions.classify.routing import read_teams
    from functions.classify.rules import read_rules
    from functions.common.calendar import read_calendars
    from functions.common.errors import BundleInvalid
    from infra.cli.holidays import compile_calendar
    from infra.rulebook.findings import Finding
    from infra.rulebook.loops import loops

    try:
        calendars = read_calendars(compile_calendar(sections["calendar"], datetime.now(UTC).date()))
        handbook = Handbook("lint", read_rules(sections["rules"]), read_teams(sections["teams"], calendars))
    except (BundleInvalid, KeyError):
        return  # another file is at fault, which `postroom config check` says
    wordings = {name: tuple(_texts(template)) for name, template in sections.get("replies", {}).get("templates", {}).items()}
    for round_ in loops(wordings, handbook):
        way = " → ".join((*round_, round_[0]))
        yield Finding("warning", ("rules",), f"possible loop: a machine that sends a template back is answered by {way}")


def _texts(template: Any) -> Iterator[str]:
    """Every wording of a template, its variables filled in."""
    if isinstance(template, dict):
        for name, value in template.items():
            if name in ("zh", "en") and isinstance(value, str):
                yield value.replace("{due}", "18:00").replace("{expected}", "09:00")
            else:
                yield from _texts(value)


def _report(directory: Path, seed: Path) -> None:
    from functions.classify.rules import read_rules
    from infra.cli.bundle import ConfigInvalid, read_sections
    from infra.rulebook.record import record
    from training.seed import SeedInvalid, read_folder

    try:
        examples = read_folder(seed)
    except SeedInvalid as wrong:
        raise ConfigInvalid(str(wrong)) from None
    if not examples:
        raise ConfigInvalid(f"{seed}: no labelled messages")
    records, seen = record(read_rules(read_sections(directory)["rules"]), examples)
    print(f"\n{len(examples)} labelled messages, rules alone")
    for line in (*map(_of_claim, records), "", *map(_of_label, seen)):
        print(line)


def _of_claim(each: Record) -> str:
    share = "never fires" if each.precision is None else f"{each.precision:.2f}"
    return f"{each.rule:28} {each.label:24} {each.right:>5} of {each.fired:<5} {share}"


def _of_label(each: Seen) -> str:
    recall = each.found / each.there if each.there else 1.0
    return f"{each.label:20} found {each.found} of {each.there} ({recall:.2f}), imagined {each.imagined}"
