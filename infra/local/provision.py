"""Makes the template's resources on an AWS endpoint, and finds those that are there already: running it twice changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from secrets import token_hex
from typing import Any

from infra.local.errors import EngineUnreachable
from infra.local.intrinsics import REF
from infra.local.resources import STACK, Bucket, Bus, Key, Queue, Secret, Table
from infra.local.template import Template

Physical = dict[tuple[str, str], str]
Client = Callable[[str], Any]
_ALREADY_THERE = {
    "ResourceInUseException",
    "BucketAlreadyOwnedByYou",
    "BucketAlreadyExists",
    "ResourceAlreadyExistsException",
    "ResourceExistsException",
}


def provision(template: Template, client: Client) -> Physical:
    """Make every resource; what Ref and GetAtt give of them, by (logical id, `REF` or attribute).

    `client(service)` gives a boto3 client. `EngineUnreachable` when an endpoint does not answer or refuses.
    """
    physical: Physical = {}
    steps: tuple[tuple[str, Callable[[Any, Any], Mapping[str, str]], tuple[Any, ...]], ...] = (
        ("dynamodb", make_table, template.tables),
        ("s3", _make_bucket, template.buckets),
        ("events", _make_bus, template.buses),
        ("kms", _make_key, template.keys),
        ("secretsmanager", _make_secret, template.secrets),
    )
    for service, make, resources in steps:
        if resources:
            _note(physical, _made(service, client, make, resources))
    if template.queues:
        with _reachable("sqs", client) as sqs:
            _note(physical, make_queues(sqs, template.queues))
    return physical


def make_table(dynamodb: Any, table: Table) -> dict[str, str]:
    """Make a DynamoDB table with its indexes and its time to live, and wait until it is there."""
    with _unless_there():
        dynamodb.create_table(**table.definition)
    dynamodb.get_waiter("table_exists").wait(TableName=table.name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    if table.ttl_attribute:
        found = dynamodb.describe_time_to_live(TableName=table.name)["TimeToLiveDescription"]
        if found.get("TimeToLiveStatus") not in ("ENABLED", "ENABLING"):
            wanted = {"AttributeName": table.ttl_attribute, "Enabled": True}
            dynamodb.update_time_to_live(TableName=table.name, TimeToLiveSpecification=wanted)
    if table.recoverable:
        _make_recoverable(dynamodb, table.name)
    return {REF: table.name, "Arn": dynamodb.describe_table(TableName=table.name)["Table"]["TableArn"]}


def _make_recoverable(dynamodb: Any, name: str) -> None:
    """Switch continuous backups on, where the engine has them: DynamoDB Local has none."""
    from botocore.exceptions import ClientError

    wanted = {"PointInTimeRecoveryEnabled": True}
    try:
        dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=wanted)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("UnknownOperationException", "ValidationException"):
            raise


def make_queues(sqs: Any, queues: tuple[Queue, ...]) -> dict[str, dict[str, str]]:
    """Make the queues, dead-letter queues first: the others name them."""
    made: dict[str, dict[str, str]] = {}
    for queue in sorted(queues, key=lambda queue: queue.dead_letters is not None):
        dead_letters_arn = made[queue.dead_letters]["Arn"] if queue.dead_letters else None
        url = _make_queue(sqs, queue, queue_attributes(queue, dead_letters_arn))
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        made[queue.logical_id] = {REF: url, "Arn": arn, "QueueName": queue.name, "QueueUrl": url}
    return made


def queue_attributes(queue: Queue, dead_letters_arn: str | None) -> dict[str, str]:
    """The attributes of CreateQueue, with the redrive policy when the dead-letter queue's ARN is given."""
    if dead_letters_arn is None:
        return dict(queue.attributes)
    redrive = {"deadLetterTargetArn": dead_letters_arn, "maxReceiveCount": queue.max_receives}
    return {**queue.attributes, "RedrivePolicy": json.dumps(redrive)}


def store_accounts(accounts: Mapping[str, Mapping[str, Any]], prefix: str, client: Client) -> None:
    """One secret per account, `<prefix><channel>/<account>`; one that holds the same already is left alone."""
    with _reachable("secretsmanager", client) as secrets:
        for channel, named in accounts.items():
            for account, fields in named.items():
                _store_secret(secrets, f"{prefix}{channel}/{account}", json.dumps(fields))


def _store_secret(secrets: Any, name: str, value: str) -> None:
    from botocore.exceptions import ClientError

    try:
        secrets.create_secret(Name=name, SecretString=value)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _ALREADY_THERE:
            raise
        # Writing the same again would make it its own previous version.
        if secrets.get_secret_value(SecretId=name)["SecretString"] != value:
            secrets.put_secret_value(SecretId=name, SecretString=value)


def _make_queue(sqs: Any, queue: Queue, attributes: dict[str, str]) -> str:
    try:
        url: str = sqs.get_queue_url(QueueName=queue.name)["QueueUrl"]
    except sqs.exceptions.QueueDoesNotExist:
        return str(sqs.create_queue(QueueName=queue.name, Attributes=attributes)["QueueUrl"])
    # Not every engine can change, or even tell, every attribute that it takes at creation: touch only what it tells and differs.
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    changed = {name: value for name, value in attributes.items() if name in told and told[name] != value}
    if changed:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=changed)
    return url


def _make_bucket(s3: Any, bucket: Bucket) -> dict[str, str]:
    with _unless_there():
        s3.create_bucket(Bucket=bucket.name)
    if bucket.versioned:
        s3.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    return {REF: bucket.name, "Arn": f"arn:aws:s3:::{bucket.name}"}


def _make_bus(events: Any, bus: Bus) -> dict[str, str]:
    with _unless_there():
        events.create_event_bus(Name=bus.name)
    return {REF: bus.name, "Name": bus.name, "Arn": events.describe_event_bus(Name=bus.name)["Arn"]}


def _make_key(kms: Any, key: Key) -> dict[str, str]:
    # Keys have no names; an alias, which only the local stack gives, lets the next run find this one.
    alias = f"alias/{STACK}-{key.logical_id}"
    try:
        found = kms.describe_key(KeyId=alias)["KeyMetadata"]
    except kms.exceptions.NotFoundException:
        found = kms.create_key(Description=key.description)["KeyMetadata"]
        kms.create_alias(AliasName=alias, TargetKeyId=found["KeyId"])
    return {REF: found["KeyId"], "Arn": found["Arn"]}


def _make_secret(secrets: Any, secret: Secret) -> dict[str, str]:
    with _unless_there():
        secrets.create_secret(Name=secret.name, SecretString=token_hex(secret.length // 2))
    # Of a secret, Ref gives the ARN.
    return {REF: secrets.describe_secret(SecretId=secret.name)["ARN"]}


def _made(
    service: str, client: Client, make: Callable[[Any, Any], Mapping[str, str]], resources: tuple[Any, ...]
) -> dict[str, Mapping[str, str]]:
    with _reachable(service, client) as connected:
        return {resource.logical_id: make(connected, resource) for resource in resources}


def _note(physical: Physical, made: Mapping[str, Mapping[str, str]]) -> None:
    physical.update({(logical_id, name): value for logical_id, values in made.items() for name, value in values.items()})


@contextmanager
def _reachable(service: str, client: Client) -> Iterator[Any]:
    from botocore.exceptions import BotoCoreError, ClientError

    connected = client(service)
    where = connected.meta.endpoint_url
    try:
        yield connected
    except ClientError as error:
        raise EngineUnreachable(f"{service} at {where} refuses {error.operation_name}: {error}") from error
    except BotoCoreError as error:
        raise EngineUnreachable(f"{service} does not answer at {where} ({type(error).__name__})") from error


@contextmanager
def _unless_there() -> Iterator[None]:
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] not in _ALREADY_THERE:
            raise
