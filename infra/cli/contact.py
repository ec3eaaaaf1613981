"""`postroom contact`: what a person does about a contact that machines must know of. Each act is on record in the conversation."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from infra.cli.place import Json, Shards, TableName, one_line, say, table_of

if TYPE_CHECKING:
    from datetime import datetime

    from functions.common.dynamo_store import DynamoStore
    from functions.common.store import Conversation
    from functions.common.table import Change as Line

    Change = Callable[[Conversation], Conversation]

contact = typer.Typer(
    help="Tell machines that a person answers a contact, or that a contact gets no machine's answer.", no_args_is_help=True
)

Which = Annotated[str, typer.Argument(metavar="CONVERSATION", help="A conversation, or any of its messages, by its id.")]
By = Annotated[str, typer.Option("--by", default_factory=getpass.getuser, show_default="your user name", help="On whose word.")]
Why = Annotated[str, typer.Option("--why", help="Why.")]

_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What somebody did, as it stands on record."""

    action: str
    by: str
    reason: str


@contact.command()
def answered(which: Which, *, table: TableName, by: By, shards: Shards = 4, why: Why = "", as_json: Json = False) -> None:
    """A person answers: machines keep out for `takeover_minutes`. Say it with each answer that is given elsewhere."""
    from functions.common.clock import system_clock

    act, now = Act(action="answered", by=by, reason=why), system_clock()
    _done(act, which, (table, shards), "a person answers", lambda before: replace(before, person_at=now), as_json=as_json)


@contact.command()
def block(which: Which, *, table: TableName, by: By, shards: Shards = 4, why: Why = "", as_json: Json = False) -> None:
    """No machine answers the contact any more."""
    act = Act(action="block", by=by, reason=why)
    _done(act, which, (table, shards), "blocked", lambda before: replace(before, blocked=True), as_json=as_json)


@contact.command()
def unblock(which: Which, *, table: TableName, by: By, shards: Shards = 4, why: Why = "", as_json: Json = False) -> None:
    """Machines may answer the contact again."""
    act = Act(action="unblock", by=by, reason=why)
    _done(act, which, (table, shards), "no longer blocked", lambda before: replace(before, blocked=False), as_json=as_json)


def _done(act: Act, which: str, where: tuple[str, int], now: str, change: Change, *, as_json: bool) -> None:
    """Carry the act out, and say how things stand with the conversation now."""
    with one_line():
        conv = _carry_out(act, which, _store(*where), change)
    say({"conversation": conv, "action": act.action}, f"{conv}: {now}", as_json=as_json)


def _store(table: str, shards: int) -> DynamoStore:
    from functions.common.dynamo_store import DynamoStore

    return DynamoStore(table_of(table), shards=shards)


def _carry_out(act: Act, which: str, store: DynamoStore, change: Change) -> str:
    """Change the conversation, with who did it and why on record, in one transaction: whoever is erased meanwhile has neither; its key."""
    from functions.common.clock import system_clock
    from functions.common.dynamo_store import UnknownConversation
    from functions.common.errors import Unavailable
    from functions.common.table import ConditionFailed

    conv, line = which.partition(".")[0], _line(act, which.partition(".")[0], system_clock())
    for _ in range(_TRIES):
        before = store.conversation(conv)
        if before is None:
            raise UnknownConversation(conv)
        with suppress(ConditionFailed):  # something else changed it meanwhile
            store.table.update_all([store.change(before, change(before)), line])
            return conv
    raise Unavailable(f"conversation {conv} kept changing")


def _line(act: Act, conv: str, now: datetime) -> Line:
    from functions.common import keys
    from functions.common.clock import to_iso, to_ms
    from functions.common.table import Change

    item = asdict(act) | {"at": to_iso(now)}
    return Change(
        pk=keys.conversation_pk(conv),
        sk=f"Z#{to_ms(now):013d}#{uuid4().hex[:8]}",
        expression="SET " + ", ".join(f"#{name} = :{name}" for name in item),
        condition="attribute_not_exists(pk)",
        values={f":{name}": value for name, value in item.items()},
    )
