"""`postroom person`: which conversations are with the same person, who says so, and how to say otherwise."""

from __future__ import annotations

import getpass
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli import place
from infra.cli.place import Json, TableName, say

if TYPE_CHECKING:
    from functions.common.identity import Link, Party, People

person = typer.Typer(help="Show and mend which conversations are with the same person.", no_args_is_help=True)

One = Annotated[tuple[str, str, str], typer.Argument(metavar="CHANNEL ACCOUNT ID", help="A contact, by the platform's own id.")]
Other = Annotated[tuple[str, str, str], typer.Argument(metavar="CHANNEL ACCOUNT ID", help="The other contact.")]
By = Annotated[str, typer.Option("--by", default_factory=getpass.getuser, show_default="your user name", help="On whose word.")]


_TRIES = 5


class NoConversation(Exception):
    """Nobody has written under this id, or what is asked of the conversation cannot be."""


@person.command()
def show(contact: One, table: TableName, as_json: Json = False) -> None:
    """List every conversation with this person, and each link with who made or undid it and when."""
    with one_line():
        people = people_of(table)
        conversation = _known(people, contact)
        linked = people.linked(conversation.conv)
        parted = [link for link in people.known(conversation.conv) if not link.stands]
    lines = [f"{_name(conversation)}  {conversation.conv}"]
    lines += [f"  same person  {_name(link.party)}  {link.party.conv}  {_why(link)}" for link in linked]
    lines += [f"  parted       {_name(link.party)}  {link.party.conv}  {_why(link)}" for link in parted]
    told = {"linked": [_told(link) for link in linked], "parted": [_told(link) for link in parted]}
    say(_told_party(conversation) | told, "\n".join(lines), as_json=as_json)


@person.command()
def link(contact: One, other: Other, table: TableName, by: By, as_json: Json = False) -> None:
    """Say that two conversations are with the same person."""
    from functions.common.clock import system_clock

    with one_line():
        people = people_of(table)
        one, two = _known(people, contact), _known(people, other)
        if one == two:
            raise NoConversation("these are one conversation")
        made = people.link(one, two, by=by, at=system_clock())
    words = f"{'linked' if made else 'linked before'}: {_name(one)} and {_name(two)}"
    say({"linked": [_told_party(one), _told_party(two)], "new": made}, words, as_json=as_json)


@person.command()
def unlink(contact: One, other: Other, table: TableName, by: By, as_json: Json = False) -> None:
    """Undo what links the first conversation with the second; a platform's word does not link them again."""
    from functions.common.clock import system_clock

    with one_line():
        people = people_of(table)
        one, two = _known(people, contact), _known(people, other)
        left = people.unlink(one, two, by=by, at=system_clock())
    still = [f"they are still linked over another conversation: {_why(found)}; see postroom person show" for found in left]
    told = {"parted": [_told_party(one), _told_party(two)], "still_linked": [_told(found) for found in left]}
    say(told, "\n".join([f"parted: {_name(one)} from {_name(two)}", *still]), as_json=as_json)


@person.command()
def tag(
    contact: One,
    table: TableName,
    tags: Annotated[list[str] | None, typer.Argument(metavar="[TAG]...", help="Tags: small letters, digits, - and _.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the tags off.")] = False,
    as_json: Json = False,
) -> None:
    """Put tags on a contact's conversation, which rules, points and service classes ask about; without tags, list them."""
    with one_line():
        people = people_of(table)
        party = _known(people, contact)
        wrong = next((name for name in tags or () if not re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", name)), None)
        if wrong is not None:
            raise NoConversation(f"{wrong!r} is no tag: small letters, digits, - and _, a letter first")
        left = _tagged(people, party, tags or [], remove=remove)
    say(_told_party(party) | {"tags": list(left)}, f"{_name(party)}: {', '.join(left) or 'no tags'}", as_json=as_json)


def _tagged(people: People, party: Party, tags: list[str], *, remove: bool) -> tuple[str, ...]:
    """The conversation's tags afterwards. Messages that come meanwhile change the conversation too: then it is read again."""
    from functions.common.errors import Unavailable
    from functions.common.store import ConversationChanged

    for _ in range(_TRIES):
        before = people.store.conversation(party.conv)
        assert before is not None
        kept = tuple(name for name in before.tags if name not in tags)
        after = replace(before, tags=kept if remove else (*kept, *dict.fromkeys(tags)))
        try:
            if after.tags != before.tags:
                people.store.apply(before, after)
        except ConversationChanged:
            continue
        return after.tags
    raise Unavailable("the conversation kept changing")


def people_of(table: str) -> People:
    """Everybody in a table, with this machine's AWS credentials."""
    from functions.common.aws import client
    from functions.common.dynamo_links import DynamoLinks
    from functions.common.dynamo_store import DynamoStore
    from functions.common.identity import People
    from functions.common.table import Table

    there = Table(client("dynamodb"), table)
    return People(DynamoStore(there, shards=1), DynamoLinks(there))  # no index is read or written here


@contextmanager
def one_line() -> Iterator[None]:
    """What went wrong, in one line on stderr, with exit code 1."""
    from functions.common.identity import LinkChanged, NotLinked

    with place.one_line():
        try:
            yield
        except NoConversation as error:
            place.stop(str(error))
        except NotLinked as error:
            place.stop(f"nothing links {error} directly")
        except LinkChanged:
            place.stop("somebody else changed this link just now; look at it with postroom person show")


def _known(people: People, named: tuple[str, str, str]) -> Party:
    from functions.common.identity import Party

    party = Party(channel=named[0], account=named[1], contact=named[2])
    if people.store.conversation(party.conv) is None:
        raise NoConversation(f"no conversation of {_name(party)}")
    return party


def _name(party: Party) -> str:
    return f"{party.channel} {party.account} {party.contact}"


def _told_party(party: Party) -> dict[str, Any]:
    return {"channel": party.channel, "account": party.account, "contact": party.contact, "conversation": party.conv}


def _told(link: Link) -> dict[str, Any]:
    acts = [{"act": act.act, "by": act.by, "at": f"{act.at:%Y-%m-%dT%H:%M:%SZ}"} for act in link.acts]
    return _told_party(link.party) | {"because": link.because, "acts": acts}


def _why(link: Link) -> str:
    said = ", ".join(f"{act.act} by {act.by} {act.at:%Y-%m-%d %H:%M}Z" for act in link.acts)
    return f"{link.because}: {said}"
