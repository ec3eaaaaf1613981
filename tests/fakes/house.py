"""The whole post room in one process: the real handlers, the resources of template.yaml in moto, the platforms' simulators on loopback.

Nothing waits: queues have no delay here and a failed record comes back at once. `House.restart` is a new process for every function.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import yaml
from botocore.client import BaseClient
from moto import mock_aws

from functions.common import aws
from functions.common.telemetry import Telemetry
from infra.cli.bundle import compile_bundle
from infra.local import template as templates
from infra.local.provision import provision, store_accounts
from infra.local.resources import Queue
from infra.simulators import registry
from infra.simulators.contract import Webhook
from infra.simulators.server import PlatformServer
from tests.fakes.deaths import Watch, watching

ROOT = Path(__file__).parents[2]
FUNCTIONS = ("ingest", "pull", "classify", "autoreply", "archive", "escalate")
ROUNDS = 40
TEMPLATE = templates.load()
BUNDLE = compile_bundle(ROOT / "config")
ACCOUNTS: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load((ROOT / "config/channels.local.yaml").read_text())["channels"]


def lambda_context(remaining: Sequence[int] = ()) -> Any:
    """`remaining`: the milliseconds that are left whenever the function asks; a minute for ever otherwise."""
    left = iter(remaining)
    return SimpleNamespace(aws_request_id="test", get_remaining_time_in_millis=lambda: next(left, 60_000))


def gateway_event(channel: str, account: str, webhook: Webhook) -> dict[str, Any]:
    """The webhook in API Gateway's payload format 2.0, body in base64."""
    return {
        "version": "2.0",
        "rawPath": f"/webhooks/{channel}/{account}",
        "rawQueryString": webhook.query,
        "headers": {name.lower(): value for name, value in webhook.headers.items()},
        "pathParameters": {"channel": channel, "account": account},
        "requestContext": {"http": {"method": webhook.method, "sourceIp": "192.0.2.1"}},
        "body": b64encode(webhook.body).decode(),
        "isBase64Encoded": True,
    }


@dataclass
class House:
    """`simulators` by channel (account `demo`); `flights` are the receipts of messages that a dead process held.

    A `watch` sees the handlers' calls and none of the house's own. `calls` holds (function, service, operation) of each call,
    `told` the events on the bus as (detail type, detail).
    """

    simulators: dict[str, Any]
    platforms: PlatformServer
    queues: dict[str, str]
    table: str
    bucket: str

    def __post_init__(self) -> None:
        self.flights: list[tuple[str, str]] = []
        self.watch: Watch | None = None
        self.calls: set[tuple[str, str, str]] = set()
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.log = log_of_functions()
        self.records: dict[str, list[dict[str, Any]]] = {}
        self.relayed: list[tuple[str, dict[str, Any]]] = []

    def go_on(self, remaining: Sequence[int] = ()) -> int:
        """Carry out the asynchronous invocations that functions asked for, and those that these ask for; how many there were."""
        count = 0
        while self.relayed:
            self.invoke(*self.relayed.pop(0), remaining=remaining)
            count += 1
        return count

    def invoke(self, function: str, event: dict[str, Any], remaining: Sequence[int] = ()) -> Any:
        """Call a real handler."""
        handler = importlib.import_module(f"functions.{function}.handler").lambda_handler
        with self._noting(function), watching(self.watch) if self.watch else nullcontext():
            return handler(event, lambda_context(remaining))

    @contextmanager
    def _noting(self, function: str) -> Iterator[None]:
        """Keep the name of each call that a function makes to AWS, and each event that the bus took."""
        api_call = BaseClient._make_api_call

        def noted(client: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
            self.calls.add((function, client.meta.service_model.service_name, operation))
            if operation == "ReceiveMessage":
                arguments = {**arguments, "WaitTimeSeconds": 0}  # nothing waits here
            if operation == "Invoke":
                self.relayed.append((arguments["FunctionName"], json.loads(arguments["Payload"])))
                return {"StatusCode": 202}
            answer = api_call(client, operation, arguments)
            self.told += [(e["DetailType"], json.loads(e["Detail"])) for e in arguments.get("Entries", []) if "DetailType" in e]
            return answer

        with mock.patch.object(BaseClient, "_make_api_call", noted):
            yield

    def receive(self, channel: str, webhook: Webhook, account: str = "demo") -> dict[str, Any]:
        """A webhook through ingest."""
        answer: dict[str, Any] = self.invoke("ingest", gateway_event(channel, account, webhook))
        return answer

    def pump(self) -> None:
        """Hand messages to the functions until every queue is empty or its messages are dead letters."""
        for _ in range(ROUNDS):
            if not any(self._turn(source) for source in TEMPLATE.event_sources):
                return
        raise AssertionError(f"still busy after {ROUNDS} rounds: {self.depths()}")

    def _turn(self, source: Any) -> bool:
        url = self.queues[source.queue]
        received = aws.client("sqs").receive_message(
            QueueUrl=url, MaxNumberOfMessages=source.batch_size, MessageSystemAttributeNames=["All"], WaitTimeSeconds=0
        )
        messages = received.get("Messages", [])
        if not messages:
            return False
        self.flights = [(url, message["ReceiptHandle"]) for message in messages]
        function = next(f.name for f in TEMPLATE.functions if f.logical_id == source.function)
        event = {"Records": [self._record(message) for message in messages]}
        self.records.setdefault(function, []).extend(event["Records"])
        failed = {item["itemIdentifier"] for item in self.invoke(function, event)["batchItemFailures"]}
        for message in messages:
            if message["MessageId"] in failed:
                self._give_back(url, message["ReceiptHandle"])
            else:
                aws.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        self.flights = []
        return True

    @staticmethod
    def _record(message: dict[str, Any]) -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "eventSource": "aws:sqs",
        }

    @staticmethod
    def _give_back(url: str, receipt: str) -> None:
        aws.client("sqs").change_message_visibility(QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0)

    def restart(self) -> None:
        """The process died: nothing that it knew is left, and what it held becomes visible again."""
        forget_processes()
        for url, receipt in self.flights:
            self._give_back(url, receipt)
        self.flights = []

    def items(self) -> list[dict[str, Any]]:
        """Every item of the table."""
        from functions.common.table import from_item

        pages = aws.client("dynamodb").get_paginator("scan").paginate(TableName=self.table, ConsistentRead=True)
        return sorted((from_item(i) for page in pages for i in page["Items"]), key=lambda i: (i["pk"], i["sk"]))

    def of_kind(self, prefix: str) -> list[dict[str, Any]]:
        """Items whose sort key begins so: `M#` messages, `R#` replies, `@` conversations."""
        return [item for item in self.items() if item["pk"].startswith("C#") and item["sk"].startswith(prefix)]

    def said(self) -> list[tuple[str, str, str]]:
        """(channel, contact, text) of every reply that reached a platform."""
        return [(reply.channel, reply.contact, reply.text) for reply in self.platforms.outbox]

    def depths(self) -> dict[str, int]:
        """Messages on each queue, visible or not."""
        wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = {
            name: aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"]
            for name, url in self.queues.items()
        }
        return {name: sum(map(int, values.values())) for name, values in attributes.items()}

    def archived(self) -> dict[str, bytes]:
        """Every object of the archive bucket."""
        s3 = aws.client("s3")
        listed = s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return {o["Key"]: s3.get_object(Bucket=self.bucket, Key=o["Key"])["Body"].read() for o in listed}


def log_of_functions() -> StringIO:
    """What the functions' loggers write from now on. A logger keeps the stream that it first had, which may be another test's."""
    log = StringIO()
    for function in FUNCTIONS:
        Telemetry(function)
        for handler in logging.getLogger(function).handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.stream = log  # setStream would flush the other test's, which is closed by now
    return log


def forget_processes() -> None:
    """Drop everything that functions keep between invocations. boto3's clients stay: they are dear to make and know nothing."""
    for function in FUNCTIONS:
        wiring = importlib.import_module(f"functions.{function}.wiring")
        for value in vars(wiring).values():
            if hasattr(value, "cache_clear") and value.__module__ == wiring.__name__:
                value.cache_clear()


@contextmanager
def open_house(tmp: Path, *, only: tuple[str, ...] | None = None) -> Iterator[House]:
    """Build a post room, empty. `only` limits the simulated channels."""
    accounts = {channel: named for channel, named in ACCOUNTS.items() if only is None or channel in only}
    simulators = {channel: registry.simulator_class(channel)("demo", named["demo"]) for channel, named in accounts.items()}
    platforms = PlatformServer(simulators.values())
    platforms.start()
    bundle = tmp / "bundle.json"
    bundle.write_bytes(BUNDLE)
    with mock.patch.dict(os.environ, {"AWS_DEFAULT_REGION": "us-east-1"}), mock_aws():
        forget_processes()
        try:
            physical = provision(replace(TEMPLATE, queues=tuple(map(_undelayed, TEMPLATE.queues))), aws.client)
            # One writer: the crash tests count calls, whose order must be the same each time.
            environment = {"BUNDLE_PATH": str(bundle), "PLATFORM_API_ORIGIN": platforms.origin, "WRITERS": "1"}
            for function in TEMPLATE.functions:
                environment |= TEMPLATE.environment(function, physical)
            filled = json.loads(json.dumps(accounts).replace("${PLATFORM_API_ORIGIN}", platforms.origin))
            store_accounts(filled, environment["SECRETS_PREFIX"], aws.client)
            queues = {queue.logical_id: physical[queue.logical_id, "QueueUrl"] for queue in TEMPLATE.queues}
            with mock.patch.dict(os.environ, environment):
                yield House(simulators, platforms, queues, environment["TABLE_NAME"], environment["ARCHIVE_BUCKET"])
        finally:
            forget_processes()
            platforms.stop()


def _undelayed(queue: Queue) -> Queue:
    return replace(queue, attributes={**queue.attributes, "DelaySeconds": "0"})
