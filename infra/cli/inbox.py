"""`postroom inbox` and `postroom conversation`: what waits for people, and what they do about it."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from infra.cli.bundle import CONFIG
from infra.cli.place import Json, Shards, TableName, one_line, say, table_of, zone

if TYPE_CHECKING:
    from functions.common.judgement import Judged
    from functions.common.store import Conversation
    from infra.inbox.waiting import Waiting

    Step = Callable[[Conversation, datetime], Conversation]

conversation = typer.Typer(
    help="See a conversation; take, answer, release, resolve or hold it; correct its labels.", no_args_is_help=True
)

Directory = Annotated[Path, typer.Option(help="Where the YAML files are.")]
By = Annotated[str, typer.Option("--by", default_factory=getpass.getuser, show_default="your user name", help="Who acts.")]
Why = Annotated[str, typer.Option("--why", help="Why; it stays with the conversation.")]
Buttons = Annotated[
    list[str] | None,
    typer.Option(
        "--button", help="The title of a button under the text, which whoever taps it says; may be given more than once."
    ),
]
Stage = Annotated[str, typer.Option(envvar="STAGE", help="The stack's parameter Stage: part of the secrets' names.")]
Simulators = Annotated[
    str | None, typer.Option(envvar="PLATFORM_API_ORIGIN", help="Where a local stack's simulated platforms listen.")
]
Conv = Annotated[str, typer.Argument(metavar="CONVERSATION", help="As `postroom inbox` names it.")]


def inbox(
    *,
    table: TableName,
    shards: Shards = 4,
    team: Annotated[list[str] | None, typer.Option(help="Only this team; may be given more than once.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many conversations.")] = 20,
    directory: Directory = CONFIG,
    as_json: Json = False,
) -> None:
    """List what waits for people, most urgent first, with suggested replies."""
    from functions.common.clock import system_clock
    from functions.common.dynamo_store import DynamoStore
    from infra.cli.bundle import read_sections
    from infra.inbox.setting import policy_in
    from infra.inbox.waiting import shown, waiting

    with one_line():
        now, store = system_clock(), DynamoStore(table_of(table), shards=shards)
        known = sorted(read_sections(directory)["teams"]["teams"])
        teams = team or known
        found = list(shown(store, policy_in(directory), waiting(store, teams, now=now, limit=limit), now=now))
    for unknown in sorted(set(teams) - set(known)):
        # Not refused: conversations may still wait for a team that is gone.
        print(f"postroom: notice: teams.yaml has no team {unknown}; it has {', '.join(known)}", file=sys.stderr)
    words = "\n".join(_entry(each, now, zone()) for each in found) or "nothing waits"
    say({"waiting": [_plain(each, now) for each in found]}, words, as_json=as_json)


@conversation.command()
def show(conv: Conv, table: TableName, shards: Shards = 4, directory: Directory = CONFIG, as_json: Json = False) -> None:
    """Show a conversation: messages, replies, what people did, what could be answered."""
    from functions.common.clock import system_clock
    from infra.inbox.setting import people_desk, policy_in
    from infra.inbox.story import conversation_story, told
    from infra.inbox.waiting import suggested

    with one_line():
        desk = people_desk(table, shards, by="", stage="")
        there, messages = desk.conversation(conv), desk.store.messages(conv)
        now = system_clock()
        made = suggested(desk.store, policy_in(directory), there, messages[-1], now=now) if messages else ()
        story = conversation_story(there, messages, desk.store.reply, desk.actions.of(conv), made)
    say(story, told(story, zone()), as_json=as_json)


@conversation.command()
def take(conv: Conv, *, table: TableName, by: By, shards: Shards = 4, why: Why = "", as_json: Json = False) -> None:
    """See to a conversation: machines are silent in it for `takeover_minutes`."""
    from functions.common.handling import taken

    _done((table, shards, by), conv, "take", why, lambda before, at: taken(before, by=by, at=at), as_json=as_json)


@conversation.command()
def release(conv: Conv, *, table: TableName, by: By, shards: Shards = 4, why: Why = "", as_json: Json = False) -> None:
    """Lift a hold and end a takeover: a person still has to act by the due time, and machines may speak again."""
    from functions.common.handling import released

    _done((table, shards, by), conv, "release", why, lambda before, _: released(before), as_json=as_json)


@conversation.command()
def resolve(conv: Conv, *, table: TableName, by: By, shards: Shards = 4, why: Why = "", as_json: Json = False) -> None:
    """Close a conversation; a new message opens it again if it needs a person."""
    from functions.common.handling import resolved

    _done((table, shards, by), conv, "resolve", why, lambda before, _: resolved(before), as_json=as_json)


@conversation.command()
def hold(
    conv: Conv,
    *,
    table: TableName,
    by: By,
    why: Annotated[str, typer.Option("--why", help="What is to be reviewed; one word is best, it is listed among the holds.")],
    shards: Shards = 4,
    directory: Directory = CONFIG,
    as_json: Json = False,
) -> None:
    """Keep a conversation for review: machines are silent in it until it is released."""
    from functions.common.handling import held
    from infra.cli.bundle import read_sections

    with one_line():
        team = str(read_sections(directory)["teams"]["default"])
    _done((table, shards, by), conv, "hold", why, lambda before, at: held(before, why=why, team=team, at=at), as_json=as_json)


@conversation.command()
def correct(
    conv: Conv,
    *,
    table: TableName,
    by: By,
    label: Annotated[
        list[str],
        typer.Option(help="The right label: business=complaint, 退款, content=none, wants_human=false …; more than once."),
    ],
    message: Annotated[str | None, typer.Option(help="Which message, by its id; the newest otherwise.")] = None,
    shards: Shards = 4,
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Say which labels a message should have had: `postroom train --from-inbox` learns from it. What is stored of it stays."""
    from infra.inbox.correcting import correct as correction
    from infra.inbox.setting import people_desk

    with one_line():
        action = correction(people_desk(table, shards, by=by, stage=""), conv, label, message_id=message, why=why)
    words = ", ".join(f"{axis} {value}" for axis, value in action.labels.items())
    told = {"conversation": conv, "action": "correct", "message_id": action.message_id, "labels": action.labels}
    say(told, f"{conv}: {action.message_id} is {words}", as_json=as_json)


@conversation.command()
def reply(
    conv: Conv,
    text: Annotated[str, typer.Argument(help="What to send.")],
    *,
    table: TableName,
    by: By,
    button: Buttons = None,
    image: Annotated[str | None, typer.Option(help="The https:// address of a picture, which goes out after the text.")] = None,
    shards: Shards = 4,
    stage: Stage = "dev",
    anyway: Annotated[bool, typer.Option("--anyway", help="Although the check of what goes out objects.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Although an earlier reply may be out.")] = False,
    simulators: Simulators = None,
    directory: Directory = CONFIG,
    as_json: Json = False,
) -> None:
    """Answer as a person, through the channel, within its window and its quota. Exit 1 if it is not known to have gone out.

    A long text goes out in parts; buttons and a picture go out as words where the platform has none.
    """
    from functions.autoreply.delivery import Answer
    from infra.inbox.setting import people_desk

    with one_line():
        desk = people_desk(table, shards, by=by, stage=stage, directory=directory, override=simulators)
        answer = Answer(text=text, buttons=tuple(button or ()), image_url=image)
        action = desk.reply(conv, answer, anyway=anyway, again=again)
    parts = f", {action.sent_parts} of {action.parts} parts are out" if action.parts > 1 and action.state != "sent" else ""
    words = f"{action.state}" + (f" ({action.outcome}){parts}" if action.state != "sent" else "")
    told = {"conversation": conv, "state": action.state, "outcome": action.outcome, "parts": action.parts}
    say(told | {"sent_parts": action.sent_parts}, words, as_json=as_json)
    if action.state != "sent":
        raise typer.Exit(1)


def _done(where: tuple[str, int, str], conv: str, verb: str, why: str, step: Step, *, as_json: bool) -> None:
    from infra.inbox.setting import people_desk

    table, shards, by = where
    with one_line():
        after = people_desk(table, shards, by=by, stage="").do(conv, verb, why, step)
    told = {"conversation": conv, "action": verb, "status": after.status}
    say(told, f"{conv}: {verb}, now {after.status}", as_json=as_json)


def _entry(each: Waiting, now: datetime, where: ZoneInfo) -> str:
    from functions.classify.reading import words
    from infra.inbox.story import in_words, labels_of
    from infra.records.shown import labels_in_chinese

    there = each.conversation
    due = f"{there.due_at.astimezone(where):%m-%d %H:%M}" if there.due_at else ""
    about = [there.status, *there.hold, *there.problems, *([f"taken by {there.taken_by}"] if there.taken_by else [])]
    late = " OVERDUE" if each.overdue(now) else ""
    lines = [
        f"{there.conv}  {there.team}  {there.priority}  due {due}{late}  {there.channel}/{there.account}  {', '.join(about)}"
    ]
    if each.newest is not None:
        message = each.newest.message
        lines.append(
            f"    [{labels_in_chinese(labels_of(each.newest.judgement))}] {_short(in_words(message.kind, words(message)))}"
        )
    lines += [f"    → {_short(made.text)}  ({made.source} {made.name}, {made.score:.2f})" for made in each.suggestions]
    return "\n".join(lines)


def _plain(each: Waiting, now: datetime) -> dict[str, Any]:
    from functions.common.wire import plain

    there = plain(each.conversation)
    wanted = ("conv", "channel", "account", "team", "status", "priority", "due_at", "hold", "problems", "taken_by")
    newest = each.newest
    return {name: there[name] for name in wanted if name in there} | {
        "overdue": each.overdue(now),
        "newest": None if newest is None else _newest(newest),
        "suggestions": plain(each.suggestions),
    }


def _newest(judged: Judged) -> dict[str, Any]:
    from functions.classify.reading import words
    from infra.inbox.story import labels_of

    message = judged.message
    said = {"message_id": message.message_id, "kind": message.kind, "text": words(message) or None}
    return said | {"labels": labels_of(judged.judgement)}


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 100 else f"{flat[:99]}…"
