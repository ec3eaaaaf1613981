"""`postroom campaigns`: the texts that many senders sent on a day, each once, with how many."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.place import TableName, one_line

if TYPE_CHECKING:
    from functions.common.store import Campaign


def campaigns(
    table: TableName,
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="A day, in UTC, of the last three.", show_default="today")
    ] = None,
    senders: Annotated[int, typer.Option(min=1, max=50, help="Only texts of at least so many senders.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List texts that many senders sent on a day, those with most senders first."""
    from functions.common.aws import client
    from functions.common.dynamo_store import DynamoStore
    from functions.common.table import Table

    with one_line():
        store = DynamoStore(Table(client("dynamodb"), table), shards=1)  # no index is read here
        found = store.campaigns((day or datetime.now(UTC)).date(), senders)
        if not found:
            print("no campaigns", file=sys.stderr)
        for campaign in found:
            print(json.dumps(_fields(campaign), ensure_ascii=False) if as_json else _line(campaign))


def _fields(campaign: Campaign) -> dict[str, Any]:
    return {
        "campaign": campaign.fingerprint,
        "senders": len(campaign.senders),
        "at_most": campaign.MOST,
        "channel": campaign.channel,
        "first_at": campaign.first_at.isoformat(),
        "sample": campaign.sample,
        "conversations": list(campaign.senders),
    }


def _line(campaign: Campaign) -> str:
    count = f"{len(campaign.senders)}{'+' if len(campaign.senders) == campaign.MOST else ''}"
    return f"{campaign.fingerprint}  {count:>3} senders  {campaign.first_at:%H:%M}Z  {campaign.channel}  {campaign.sample}"
