"""The resources of template.yaml that the local stack brings to life, and how each is read from its CloudFormation properties.

Whatever one resource says of another (an event source of its queue, a schedule of its function) is the other's logical id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.local.errors import TemplateInvalid

STACK = "postroom-local"
_FUNCTION_IN_URI = re.compile(r":lambda:path/[^/]+/functions/([^/]+)/invocations$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An HTTP API route. `path` holds parameters in braces."""

    method: str
    path: str
    function: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """An SQS queue; `attributes` as CreateQueue takes them, but for the redrive policy, whose parts are the last two."""

    logical_id: str
    name: str
    attributes: Mapping[str, str]
    dead_letters: str | None = None
    max_receives: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A DynamoDB table; `definition` holds the arguments of CreateTable."""

    logical_id: str
    name: str
    definition: Mapping[str, Any]
    ttl_attribute: str | None = None
    recoverable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """An S3 bucket."""

    logical_id: str
    name: str
    versioned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bus:
    """An EventBridge bus."""

    logical_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A KMS key."""

    logical_id: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret whose text Secrets Manager makes up, of so many characters."""

    logical_id: str
    name: str
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A Lambda function. `timeout` in seconds; `variables` is its environment with the template's functions still in it."""

    logical_id: str
    handler: str
    timeout: int
    variables: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The function's package: `ingest` of `functions.ingest.handler.lambda_handler`."""
        return self.handler.split(".")[-3]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSource:
    """A Lambda event source mapping from a queue."""

    queue: str
    function: str
    batch_size: int
    reports_failures: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """An EventBridge schedule; `name` without the stack's own in front. `input` is JSON text, or None for EventBridge's own event."""

    name: str
    expression: str
    timezone: str
    function: str
    input: str | None = None


def routes(api: dict[str, Any]) -> Iterator[Route]:
    """Every route of an AWS::ApiGatewayV2::Api."""
    for path, methods in api["Body"]["paths"].items():
        for method, operation in methods.items():
            integration = operation["x-amazon-apigateway-integration"]
            function = _FUNCTION_IN_URI.search(integration["uri"])
            if function is None or integration.get("payloadFormatVersion") != "2.0":
                raise TemplateInvalid(f"template.yaml: {method.upper()} {path} is no Lambda route of payload format 2.0")
            yield Route(method=method.upper(), path=path, function=function[1])


def queue(logical_id: str, properties: dict[str, Any]) -> Queue:
    """An AWS::SQS::Queue."""
    redrive = properties.get("RedrivePolicy", {})
    plain = {name: value for name, value in properties.items() if name not in ("QueueName", "RedrivePolicy", "Tags")}
    return Queue(
        logical_id=logical_id,
        name=properties.get("QueueName", f"{STACK}-{logical_id}"),
        attributes={name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in plain.items()},
        dead_letters=redrive.get("deadLetterTargetArn"),
        max_receives=int(redrive["maxReceiveCount"]) if redrive else None,
    )


def table(logical_id: str, properties: dict[str, Any]) -> Table:
    """An AWS::DynamoDB::Table."""
    name = properties.get("TableName", f"{STACK}-{logical_id}")
    taken = ("AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes", "LocalSecondaryIndexes")
    ttl = properties.get("TimeToLiveSpecification", {})
    return Table(
        logical_id=logical_id,
        name=name,
        definition={"TableName": name} | {key: properties[key] for key in taken if key in properties},
        ttl_attribute=ttl.get("AttributeName") if ttl.get("Enabled") else None,
        recoverable=bool(properties.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled")),
    )


def bucket(logical_id: str, properties: dict[str, Any]) -> Bucket:
    """An AWS::S3::Bucket. CloudFormation makes a name up where there is none; so do we."""
    versioning = properties.get("VersioningConfiguration", {})
    name = properties.get("BucketName", f"{STACK}-{logical_id}").lower()
    return Bucket(logical_id=logical_id, name=name, versioned=versioning.get("Status") == "Enabled")


def event_source(_: str, properties: dict[str, Any]) -> EventSource:
    """An AWS::Lambda::EventSourceMapping."""
    return EventSource(
        queue=properties["EventSourceArn"],
        function=properties["FunctionName"],
        batch_size=int(properties.get("BatchSize", 10)),
        reports_failures="ReportBatchItemFailures" in properties.get("FunctionResponseTypes", ()),
    )


def schedule(logical_id: str, properties: dict[str, Any]) -> Schedule:
    """An AWS::Scheduler::Schedule."""
    target = properties["Target"]
    return Schedule(
        name=properties.get("Name", logical_id).removeprefix(f"{STACK}-"),
        expression=properties["ScheduleExpression"],
        timezone=properties.get("ScheduleExpressionTimezone", "UTC"),
        function=target["Arn"],
        input=target.get("Input"),
    )


def bus(logical_id: str, properties: dict[str, Any]) -> Bus:
    """An AWS::Events::EventBus."""
    return Bus(logical_id=logical_id, name=properties["Name"])


def key(logical_id: str, properties: dict[str, Any]) -> Key:
    """An AWS::KMS::Key."""
    return Key(logical_id=logical_id, description=properties.get("Description", ""))


def secret(logical_id: str, properties: dict[str, Any]) -> Secret:
    """An AWS::SecretsManager::Secret."""
    length = int(properties["GenerateSecretString"].get("PasswordLength", 32))
    return Secret(logical_id=logical_id, name=properties.get("Name", f"{STACK}-{logical_id}"), length=length)


def function(logical_id: str, properties: dict[str, Any], variables: Mapping[str, Any]) -> Function:
    """An AWS::Lambda::Function; its environment's variables as they stand in the template."""
    timeout = int(properties.get("Timeout", 3))
    return Function(logical_id=logical_id, handler=properties["Handler"], timeout=timeout, variables=variables)
