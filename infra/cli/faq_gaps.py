"""`postroom faq gaps`: what people asked that nobody here answers."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from infra.cli.place import BucketName, Channels, Json, Shards, TableName, one_line, say, table_of


def gaps(
    *,
    table: TableName,
    bucket: BucketName,
    shards: Shards = 4,
    last_days: Annotated[int, typer.Option(min=1, max=184, help="Received in the last so many days, today too.")] = 7,
    channel: Channels = None,
    least: Annotated[int, typer.Option(min=1, help="Only what so many messages asked.")] = 1,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many questions.")] = 30,
    messages: Annotated[int, typer.Option(min=1, max=10_000, help="Look at so many of the newest messages.")] = 5_000,
    as_json: Json = False,
) -> None:
    """List questions that no automatic answer met, near-identical ones together, the most frequent first. Masked."""
    from infra.cli.searching import archive_asked, period
    from infra.inbox import gaps as found
    from infra.records.hot import HotMessages
    from infra.records.period import Asked
    from infra.records.question import Question
    from infra.records.search import Search

    with one_line(), tempfile.TemporaryDirectory(prefix="postroom-gaps-") as directory:
        scratch, known = Path(directory), table_of(table)
        time = period(Asked(last_days=last_days))
        question = Question(period=time, channels=tuple(channel or ()))
        archived = archive_asked(known, bucket, (None, None), scratch / "parts", scratch)
        with Search(HotMessages(known, shards), archived, scratch).page(question, {}, limit=messages) as page:
            asked = found.gaps(page.messages, least=least)[:limit]
    words = "\n".join(f"{gap.count:>5}  {' '.join(gap.question.split())}" for gap in asked) or "every question was answered"
    say({"gaps": [asdict(gap) for gap in asked]}, words, as_json=as_json)
