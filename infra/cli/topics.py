"""`postroom topics`: what people say more of than in the period before."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.place import BucketName, Channels, Shards, TableName, one_line, stop, table_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from infra.insight.report import Topic
    from infra.records.search import Page

_MOST = 200_000


def topics(
    *,
    table: TableName,
    bucket: BucketName,
    shards: Shards = 4,
    days: Annotated[int, typer.Option(min=1, max=90, help="The last so many days, against as many before them.")] = 7,
    by: Annotated[
        list[str] | None, typer.Option(help="channel, business, content or team; may be given more than once.")
    ] = None,
    channel: Channels = None,
    top: Annotated[int, typer.Option(min=1, max=100, help="At most so many of each group.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List rising phrases, per channel and label if asked for: hot and archived messages, masked, without spam and repeats."""
    from infra.insight.report import AXES

    unknown = sorted(set(by or ()) - set(AXES))
    if unknown:
        stop(f"topics are told apart by {', '.join(AXES)}, not by {unknown[0]}")
    with one_line(), _found(table, bucket, shards, days, tuple(channel or ())) as (page, since):
        _say(page, since, tuple(by or ()), top, as_json=as_json)


@contextmanager
def _found(table: str, bucket: str, shards: int, days: int, channels: tuple[str, ...]) -> Iterator[tuple[Page, datetime]]:
    """The messages of twice so many days, and where the second half begins."""
    from infra.cli.searching import archive_asked, period
    from infra.records.hot import HotMessages
    from infra.records.period import Asked
    from infra.records.question import Question
    from infra.records.search import Search

    with tempfile.TemporaryDirectory(prefix="postroom-topics-") as directory:
        scratch, known = Path(directory), table_of(table)
        question = Question(period=period(Asked(last_days=2 * days)), channels=channels)
        archived = archive_asked(known, bucket, (None, None), scratch / "parts", scratch)
        with Search(HotMessages(known, shards), archived, scratch).page(question, {}, limit=_MOST) as page:
            yield page, question.period.until - timedelta(days=days)


def _say(page: Page, since: datetime, by: tuple[str, ...], top: int, *, as_json: bool) -> None:
    from infra.insight.report import topics as report

    rising = list(report(page.messages, since, by, top=top))
    if not rising:
        print("no phrase rises", file=sys.stderr)
    for topic in rising:
        print(_json(topic) if as_json else _words(topic), flush=True)
    if page.cursor:
        print(f"only the newest {_MOST} messages were read", file=sys.stderr)


def _json(topic: Topic) -> str:
    return json.dumps({"group": topic.group, **asdict(topic.rising), "example": topic.example}, ensure_ascii=False)


def _words(topic: Topic) -> str:
    found = topic.rising
    return (
        f"{topic.group:20}  {found.phrase}  {found.now} messages, before {found.before}  +{found.score:.1f} sd  {topic.example}"
    )
