"""The archive as Athena sees it: the tables of template.yaml over the bucket, asked with the text that DuckDB is asked with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from functions.common.errors import aws_faults
from infra.records.errors import RecordsFault

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# https://docs.aws.amazon.com/athena/latest/ug/service-limits.html: the longest query string, in bytes.
LONGEST_QUERY = 262_144
_POLL_SECONDS = 0.5
LISTS = "lists/list="


class AthenaRefused(RecordsFault):
    """Athena did not answer the query; the message has its reason."""


class Athena:
    """`client` is boto3's Athena client, `workgroup` and `database` the stack's. The results bucket holds lists while they are needed."""

    def __init__(
        self,
        client: Any,
        s3: S3Client,
        *,
        workgroup: str,
        database: str,
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], str] = lambda: token_hex(8),
    ) -> None:
        self._client = client
        self._s3 = s3
        self._workgroup = workgroup
        self._database = database
        self._sleep = sleep
        self._random = random

    def lines(self, query: str) -> Iterator[str]:
        """The `line` of each row; `AthenaRefused`."""
        if len(query.encode()) > LONGEST_QUERY:
            raise AthenaRefused("Athena takes no query as long as this: put contacts into a --contacts file")
        with aws_faults("StartQueryExecution"):
            execution = self._client.start_query_execution(
                QueryString=query, QueryExecutionContext={"Database": self._database}, WorkGroup=self._workgroup
            )["QueryExecutionId"]
        try:
            self._await(execution)
        except BaseException:
            self._client.stop_query_execution(QueryExecutionId=execution)  # what nobody waits for still costs
            raise
        yield from self._rows(execution)

    @contextmanager
    def holding(self, lists: Mapping[str, Path]) -> Iterator[Callable[[str, Path], None]]:
        """Keep lists where the table `lists` finds them, and others that are handed over meanwhile; remove them afterwards: they hold
        contacts. Each has an object of its own, so that who is through first takes nothing away from another with the same list.
        """
        bucket, kept = self._results() if lists else "", list[str]()

        def hold(name: str, path: Path) -> None:
            kept.append(f"{LISTS}{name}/{self._random()}")
            with aws_faults("PutObject"):
                self._s3.upload_file(str(path), bucket, kept[-1])

        try:
            for name, path in lists.items():
                hold(name, path)
            yield hold
        finally:
            with aws_faults("DeleteObject"):
                for key in kept:
                    self._s3.delete_object(Bucket=bucket, Key=key)

    def _results(self) -> str:
        with aws_faults("GetWorkGroup"):
            group = self._client.get_work_group(WorkGroup=self._workgroup)["WorkGroup"]
        place: str = group["Configuration"].get("ResultConfiguration", {}).get("OutputLocation", "")
        if not place.startswith("s3://"):
            raise AthenaRefused(f"workgroup {self._workgroup} has no place for results")
        return place.removeprefix("s3://").partition("/")[0]

    def _await(self, execution: str) -> None:
        while True:
            with aws_faults("GetQueryExecution"):
                status = self._client.get_query_execution(QueryExecutionId=execution)["QueryExecution"]["Status"]
            if status["State"] == "SUCCEEDED":
                return
            if status["State"] in ("FAILED", "CANCELLED"):
                raise AthenaRefused(f"Athena: {status['State'].lower()}: {status.get('StateChangeReason', 'no reason given')}")
            self._sleep(_POLL_SECONDS)

    def _rows(self, execution: str) -> Iterator[str]:
        with aws_faults("GetQueryResults"):
            first = True
            for page in self._client.get_paginator("get_query_results").paginate(QueryExecutionId=execution):
                rows = page["ResultSet"]["Rows"]
                # The first row of all is the heading.
                yield from (row["Data"][0]["VarCharValue"] for row in rows[first:])
                first = False
