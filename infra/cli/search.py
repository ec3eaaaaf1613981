"""`postroom search`: messages in the table and in the archive, in one call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.cli.place import BucketName, Channels, Day, Shards, Since, TableName, Until, one_line, table_of

Several = list[str] | None


def search(
    *,
    table: TableName,
    bucket: BucketName,
    shards: Shards = 4,
    today: Annotated[bool, typer.Option("--today", help="Received today.")] = False,
    last_days: Annotated[int | None, typer.Option(min=1, max=184, help="Received in the last so many days, today too.")] = None,
    this_month: Annotated[bool, typer.Option("--this-month", help="Received this month.")] = False,
    day: Day = None,
    since: Since = None,
    until: Until = None,
    channel: Channels = None,
    account: Annotated[Several, typer.Option(help="Only this account.")] = None,
    team: Annotated[Several, typer.Option(help="Only what was given to this team.")] = None,
    label: Annotated[Several, typer.Option(help="business=complaint, 投诉, wants_human …: on an axis one of several.")] = None,
    keyword: Annotated[Several, typer.Option(help="In the text as it is kept, masked; each of several must be.")] = None,
    conversation: Annotated[str | None, typer.Option(help="One conversation, by its key.")] = None,
    contacts: Annotated[Path | None, typer.Option(help="A CSV with a contact a line: numbers, or platforms' ids.")] = None,
    region: Annotated[str | None, typer.Option(help="CN, or a mainland province or city, as far as numbers tell.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many messages.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on where an earlier call of the same search ended.")] = None,
    unmask: Annotated[str | None, typer.Option(metavar="WHY", help="Show contacts and originals; it is recorded.")] = None,
    vault_key: Annotated[str | None, typer.Option(envvar="VAULT_KEY_ID", help="The stack's output VaultKeyArn.")] = None,
    athena: Annotated[str | None, typer.Option(help="Ask Athena: the stack's output AthenaWorkGroupName.")] = None,
    database: Annotated[str | None, typer.Option(help="With --athena: the stack's output ArchiveDatabaseName.")] = None,
    keep: Annotated[Path | None, typer.Option(help="A folder in which fetched parts stay for the next search.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object per line; the last one has the cursor.")] = False,
) -> None:
    """Find messages by any combination of time, channel, labels, team, words, contacts and region. Newest first, masked."""
    from infra.cli.searching import Sources, asked, tell
    from infra.records.period import Asked

    time = Asked(today=today, this_month=this_month, last_days=last_days, day=day, since=since, until=until)
    with one_line():
        question = asked(time, label, conversation, channel=channel, account=account, team=team, keyword=keyword)
        sources = Sources(table_of(table), bucket, shards, (athena, database), keep)
        originals = sources.originals(unmask, vault_key)
        tell(question, sources, (contacts, region), (limit, cursor), originals, as_json=as_json)
