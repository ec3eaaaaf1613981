"""What the commands over the records have in common: where the table and the archive are, the time asked for, and how faults are said."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from zoneinfo import ZoneInfo

import typer

if TYPE_CHECKING:
    from functions.common.table import Table
    from infra.records.catalogue import Catalogue

TableName = Annotated[str, typer.Option("--table", envvar="TABLE_NAME", help="The stack's output TableName.")]
BucketName = Annotated[str, typer.Option("--bucket", envvar="ARCHIVE_BUCKET", help="The stack's output ArchiveBucketName.")]
Shards = Annotated[int, typer.Option("--shards", envvar="INDEX_SHARDS", min=1, help="The stack's parameter IndexShards.")]
Channels = Annotated[list[str] | None, typer.Option("--channel", help="Only this channel; may be given more than once.")]
Day = Annotated[str | None, typer.Option(help="One day, YYYY-MM-DD.")]
Since = Annotated[str | None, typer.Option(help="From this day or time on, YYYY-MM-DD or ISO 8601.")]
Until = Annotated[str | None, typer.Option(help="To the end of this day, or to this time; now otherwise.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout instead of text for people.")]


@contextmanager
def one_line() -> Iterator[None]:
    """Say what stops a command in one line on stderr, and exit with 1."""
    from botocore.exceptions import BotoCoreError, ClientError

    from functions.common.errors import BundleInvalid, Poison, Retryable, Unavailable
    from infra.cli.bundle import ConfigInvalid
    from infra.records.errors import RecordsFault

    try:
        yield
    except (RecordsFault, BundleInvalid, ConfigInvalid, Poison) as error:
        stop(str(error))
    except (Unavailable, ClientError, BotoCoreError) as error:
        stop(f"AWS: {_of_aws(error)}")
    except Retryable as error:
        stop(str(error))
    except BrokenPipeError:
        # Whoever read the result has seen enough; nothing is left that could be said to them.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        # A full disk, a folder that may not be written to.
        stop(f"{error.filename or 'this machine'}: {error.strerror or error}")


def _of_aws(error: Exception) -> str:
    from botocore.exceptions import EndpointConnectionError, NoCredentialsError, NoRegionError

    said = error.__cause__ or error  # `Unavailable` names the operation; what botocore said is behind it
    match said:
        case NoCredentialsError() | NoRegionError():
            return f"{str(said).rstrip('.')}: AWS_PROFILE and AWS_REGION name them, `. .local/environ` the local stack's"
        case EndpointConnectionError():
            return f"nobody answers at {said.kwargs['endpoint_url']}"
    return str(said)


def stop(why: str) -> NoReturn:
    """End the command, with the reason in one line."""
    sys.exit(f"postroom: {' '.join(why.split())}")


def lines_of(content: bytes, *, errors: str = "strict") -> list[str]:
    """The lines of a file in UTF-8, with or without a mark at its beginning; only a line feed ends one, as in JSON lines."""
    return [line.removesuffix("\r") for line in content.decode("utf-8-sig", errors).split("\n")]


def zone() -> ZoneInfo:
    """The zone in which days are meant: that of the archive, by config/retention.yaml."""
    from functions.archive.retention import read_retention
    from infra.cli.bundle import read_sections

    return read_retention(read_sections()["retention"]).zone


def table_of(name: str) -> Table:
    """The stack's table."""
    from functions.common.aws import client
    from functions.common.table import Table

    return Table(client("dynamodb"), name)


def catalogue_of(table: Table, bucket: str) -> Catalogue:
    """The stack's archive."""
    from functions.archive.bucket import ArchiveBucket
    from functions.archive.manifests import Ledger
    from functions.common.aws import client
    from infra.records.catalogue import Catalogue

    # Parts are megabytes: S3 may be slow between two of their pieces.
    return Catalogue(Ledger(table), ArchiveBucket(client("s3", read_seconds=60), bucket))


def say(result: Any, words: str, *, as_json: bool) -> None:
    """The outcome on stdout: words for people, or one JSON object."""
    if as_json:
        words = json.dumps(
            asdict(result) if is_dataclass(result) and not isinstance(result, type) else result, ensure_ascii=False
        )
    print(words, flush=True)
