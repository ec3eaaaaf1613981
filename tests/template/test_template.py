"""What template.yaml promises, read as the local stack reads it: a change that breaks a promise breaks a test."""

from __future__ import annotations

import re
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from functions.archive.month_end import AFTER, HOUR
from functions.common.store import LATE
from infra.local import template
from tests.fakes.template import loaded, queue, table_definition

ROOT = Path(__file__).parent.parent.parent
TEMPLATE = loaded()
RESOURCES: dict[str, dict[str, Any]] = template.translated()["Resources"]
FUNCTIONS = {function.name: function for function in TEMPLATE.functions}
NOT_SETTINGS = {"POWERTOOLS_LOG_LEVEL"}


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    return {name: resource for name, resource in RESOURCES.items() if resource["Type"] == kind}


def statements(role: dict[str, Any]) -> list[dict[str, Any]]:
    return [s for policy in role["Properties"].get("Policies", []) for s in policy["PolicyDocument"]["Statement"]]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_the_functions_are_those_of_the_design():
    assert set(FUNCTIONS) == {"ingest", "pull", "classify", "autoreply", "archive", "escalate"}


def test_webhooks_are_the_only_routes_and_go_to_ingest():
    routes = {(route.method, route.path, route.function) for route in TEMPLATE.routes}
    path = "/webhooks/{channel}/{account}"
    assert routes == {("GET", path, "IngestFunction"), ("POST", path, "IngestFunction")}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_handler_is_a_function_of_ours(name):
    module, _, attribute = FUNCTIONS[name].handler.rpartition(".")
    assert module == f"functions.{name}.handler"
    assert callable(getattr(import_module(module), attribute))


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_environment_and_settings_name_the_same_variables(name):
    fields = import_module(f"functions.{name}.settings").Settings.model_fields
    variables = set(FUNCTIONS[name].variables) - NOT_SETTINGS
    required = {field.upper() for field, about in fields.items() if about.is_required()}
    assert required <= variables
    assert variables <= {field.upper() for field in fields}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_functions_settings_can_be_read_from_its_environment(name):
    class Anything(dict):
        def __contains__(self, key):
            return True

        def __missing__(self, key):
            return "-".join(key)

    environment = TEMPLATE.environment(FUNCTIONS[name], Anything())
    settings = import_module(f"functions.{name}.settings").Settings.read(environment)
    assert settings.stage == "local"


@pytest.mark.parametrize(
    ("source", "dead_letters"),
    [("InboundQueue", "InboundDeadLetters"), ("PullsQueue", "PullsDeadLetters"), ("RepliesQueue", "RepliesDeadLetters")],
)
def test_queues_keep_their_order_and_give_up_after_five_tries(source, dead_letters):
    assert queue(source).attributes["FifoQueue"] == queue(dead_letters).attributes["FifoQueue"] == "true"
    assert queue(source).name.endswith(".fifo") and queue(dead_letters).name.endswith(".fifo")
    assert (queue(source).dead_letters, queue(source).max_receives) == (dead_letters, 5)
    # 14 days, the longest there is.
    assert (
        queue(source).attributes["MessageRetentionPeriod"]
        == queue(dead_letters).attributes["MessageRetentionPeriod"]
        == "1209600"
    )


def test_ids_are_deduplicated_per_conversation_and_source():
    for source in ("InboundQueue", "PullsQueue", "RepliesQueue"):
        assert queue(source).attributes["DeduplicationScope"] == "messageGroup"
        assert queue(source).attributes["FifoThroughputLimit"] == "perMessageGroupId"


def test_only_replies_wait_a_moment():
    delays = {known.logical_id: known.attributes.get("DelaySeconds", "0") for known in TEMPLATE.queues}
    assert delays.pop("RepliesQueue") == "2"
    assert set(delays.values()) == {"0"}


@pytest.mark.parametrize("source", TEMPLATE.event_sources, ids=lambda source: source.queue)
def test_a_message_stays_invisible_for_six_times_the_functions_limit(source):
    # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    (function,) = [function for function in TEMPLATE.functions if function.logical_id == source.function]
    assert int(queue(source.queue).attributes["VisibilityTimeout"]) >= 6 * function.timeout


def test_event_sources_report_failures_message_by_message():
    sources = {(source.queue, source.function) for source in TEMPLATE.event_sources}
    assert sources == {
        ("InboundQueue", "ClassifyFunction"),
        ("PullsQueue", "PullFunction"),
        ("RepliesQueue", "AutoreplyFunction"),
    }
    assert all(source.reports_failures and source.batch_size == 10 for source in TEMPLATE.event_sources)


def test_the_table_has_one_key_and_two_sparse_indexes_of_keys_only():
    definition = table_definition()
    assert [key["AttributeName"] for key in definition["KeySchema"]] == ["pk", "sk"]
    indexes = {index["IndexName"]: index for index in definition["GlobalSecondaryIndexes"]}
    assert set(indexes) == {"work", "archive"}
    for name, index in indexes.items():
        assert [key["AttributeName"] for key in index["KeySchema"]] == [f"{name}_pk", f"{name}_sk"]
        assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}


def test_the_table_is_paid_by_use_expires_by_exp_and_can_be_restored():
    table = TEMPLATE.table
    assert table.definition["BillingMode"] == "PAY_PER_REQUEST"
    assert table.ttl_attribute == "exp"
    properties = RESOURCES["Table"]["Properties"]
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True}


def test_schedules_are_nightly_at_three_in_the_evening_and_every_five_minutes():
    schedules = {schedule.name: (schedule.expression, schedule.timezone, schedule.function) for schedule in TEMPLATE.schedules}
    assert schedules == {
        "archive": ("cron(0 3 * * ? *)", "Asia/Shanghai", "ArchiveFunction"),
        "watch": ("cron(0 5 * * ? *)", "Asia/Shanghai", "ArchiveFunction"),
        "drill": ("cron(0 6 * * ? *)", "Asia/Shanghai", "ArchiveFunction"),
        "backup": ("rate(6 hours)", "UTC", "ArchiveFunction"),
        "month-end": ("cron(30 20 * * ? *)", "Asia/Shanghai", "ArchiveFunction"),
        "escalate": ("rate(5 minutes)", "UTC", "EscalateFunction"),
    }


def test_a_pack_is_made_when_all_that_was_received_in_its_time_is_stored_or_says_when_it_was():
    """What is stored within `LATE` may still wait for its conversation's update, as often as the queue tries it over."""
    (inbound,) = (queue for queue in TEMPLATE.queues if queue.logical_id == "InboundQueue")
    assert inbound.max_receives is not None
    tried_over = timedelta(seconds=int(inbound.attributes["VisibilityTimeout"])) * inbound.max_receives
    (evening,) = (schedule for schedule in TEMPLATE.schedules if schedule.name == "month-end")
    minute, hour = evening.expression.removeprefix("cron(").split()[:2]
    assert LATE + tried_over < AFTER <= timedelta(hours=int(hour) - HOUR.hour, minutes=int(minute) - HOUR.minute)


def test_every_function_has_a_role_of_its_own():
    roles = [function["Properties"]["Role"]["Fn::GetAtt"][0] for function in of_type("AWS::Lambda::Function").values()]
    assert len(roles) == len(set(roles)) == len(FUNCTIONS)


def test_roles_name_their_actions_and_resources_and_never_scan():
    for role in of_type("AWS::IAM::Role").values():
        for statement in statements(role):
            actions, resources = as_list(statement["Action"]), as_list(statement["Resource"])
            assert not any("*" in action or action == "dynamodb:Scan" for action in actions), actions
            assert "*" not in resources, statement


def test_a_service_that_may_be_asked_for_advice_is_granted_only_where_it_is_named():
    policies = {name: policy for name, policy in of_type("AWS::IAM::Policy").items() if name.startswith("Classify")}
    granted = granted_by(policies)
    # Converse needs the permission to invoke, whatever its name says.
    assert granted == {
        "ClassifyBedrockPolicy": {"bedrock:InvokeModel"},
        "ClassifyComprehendPolicy": {"comprehend:ClassifyDocument"},
    }
    assert {name: policy["Condition"] for name, policy in policies.items()} == {
        "ClassifyBedrockPolicy": "AsksBedrock",
        "ClassifyComprehendPolicy": "AsksComprehend",
    }
    for policy in policies.values():
        assert policy["Properties"]["Roles"] == [{"Ref": "ClassifyFunctionRole"}]
        for statement in statements_of(policy["Properties"]):
            assert "*" not in as_list(statement["Resource"]), statement


def test_an_encoder_and_memory_for_it_are_there_only_where_a_layer_is_named():
    classify = of_type("AWS::Lambda::Function")["ClassifyFunction"]["Properties"]
    assert classify["Layers"][1:] == [{"Fn::If": ["HasEncoder", {"Ref": "EncoderLayer"}, {"Ref": "AWS::NoValue"}]}]
    assert classify["Environment"]["Variables"]["ENCODER_FOLDER"] == {"Fn::If": ["HasEncoder", "/opt/encoder", ""]}
    usual = of_type("AWS::Lambda::Function")["IngestFunction"]["Properties"]
    assert classify["Layers"][:1] == usual["Layers"]
    assert classify["MemorySize"] == {"Fn::If": ["HasEncoder", 1769, usual["MemorySize"]]}


def test_a_language_model_may_be_asked_for_drafts_only_where_it_is_named():
    (policy,) = [policy for name, policy in of_type("AWS::IAM::Policy").items() if name.startswith("Autoreply")]
    assert granted_by({"only": policy}) == {"only": {"bedrock:InvokeModel"}}
    assert (policy["Condition"], policy["Properties"]["Roles"]) == ("DraftsReplies", [{"Ref": "AutoreplyFunctionRole"}])
    for statement in statements_of(policy["Properties"]):
        assert "*" not in as_list(statement["Resource"]), statement


def test_a_second_copy_is_granted_only_where_there_is_one_and_there_only():
    policies = {name: policy for name, policy in of_type("AWS::IAM::Policy").items() if name.startswith("Archive")}
    kept = {
        "s3:PutObject",
        "s3:AbortMultipartUpload",
        "s3:GetObject",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:ListBucket",
        "s3:ListBucketVersions",
    }
    assert granted_by(policies) == {
        "ArchiveCopyPolicy": kept,
        "ArchiveCopyKeysPolicy": {"secretsmanager:GetSecretValue"},
    }
    assert {name: policy["Condition"] for name, policy in policies.items()} == {
        "ArchiveCopyPolicy": "HasCopyBucket",
        "ArchiveCopyKeysPolicy": "HasCopySecret",
    }
    for policy in policies.values():
        assert policy["Properties"]["Roles"] == [{"Ref": "ArchiveFunctionRole"}]
        for statement in statements_of(policy["Properties"]):
            assert "Copy" in statement["Resource"]["Fn::Sub"], statement


def granted_by(policies):
    return {
        name: {action for statement in statements_of(policy["Properties"]) for action in as_list(statement["Action"])}
        for name, policy in policies.items()
    }


def statements_of(policy):
    return policy["PolicyDocument"]["Statement"]


def test_only_functions_that_speak_to_platforms_read_their_secrets():
    readers = {
        name
        for name, role in of_type("AWS::IAM::Role").items()
        if any("secretsmanager:GetSecretValue" in as_list(s["Action"]) and "/channels/" in str(s) for s in statements(role))
    }
    assert readers == {"IngestFunctionRole", "PullFunctionRole", "AutoreplyFunctionRole"}


def test_ingest_can_do_nothing_but_enqueue_and_read_secrets():
    actions = {action for s in statements(RESOURCES["IngestFunctionRole"]) for action in as_list(s["Action"])}
    assert actions == {"sqs:SendMessage", "secretsmanager:GetSecretValue", "logs:CreateLogStream", "logs:PutLogEvents"}


def test_pull_sees_cursors_and_token_leases_and_nothing_else_of_the_table():
    (statement,) = [s for s in statements(RESOURCES["PullFunctionRole"]) if "dynamodb:GetItem" in as_list(s["Action"])]
    assert as_list(statement["Action"]) == ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    assert statement["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["K#*", "T#*"]}}


@pytest.mark.parametrize("logical_id", ["Table", "ArchiveBucket", "ConfigBucket", "VaultKey"])
def test_what_holds_data_outlives_the_stack(logical_id):
    assert RESOURCES[logical_id]["DeletionPolicy"] == RESOURCES[logical_id]["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("logical_id", ["ArchiveBucket", "ConfigBucket"])
def test_buckets_are_private_encrypted_and_versioned(logical_id):
    properties = RESOURCES[logical_id]["Properties"]
    assert all(properties["PublicAccessBlockConfiguration"].values())
    assert properties["BucketEncryption"]
    assert next(bucket for bucket in TEMPLATE.buckets if bucket.logical_id == logical_id).versioned


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_logs_json_to_a_group_that_forgets(name):
    logging = RESOURCES[FUNCTIONS[name].logical_id]["Properties"]["LoggingConfig"]
    assert logging["LogFormat"] == "JSON"
    assert RESOURCES[logging["LogGroup"]["Ref"]]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


@pytest.mark.parametrize("logical_id", ["InboundDeadLetters", "PullsDeadLetters", "RepliesDeadLetters"])
def test_a_dead_letter_raises_an_alarm(logical_id):
    watched = [alarm["Properties"].get("Dimensions", []) for alarm in of_type("AWS::CloudWatch::Alarm").values()]
    assert any(dimension["Value"] == {"Fn::GetAtt": [logical_id, "QueueName"]} for known in watched for dimension in known)


def test_every_alarm_on_a_metric_of_ours_names_one_that_exists():
    from functions.common.telemetry import METRICS, NAMESPACE

    alarms = [alarm["Properties"] for alarm in of_type("AWS::CloudWatch::Alarm").values()]
    ours = [alarm for alarm in alarms if alarm["Namespace"] == NAMESPACE]
    assert ours
    assert all(alarm["MetricName"] in METRICS for alarm in ours)


# How long the job whose absence an alarm tells of may take from one end to the next: a day, and how much later it may be.
HOURS_BETWEEN = {
    "ArchiveRuns": 24 + 4,
    "ExpiryWatches": 24 + 2,
    "DrillsPassed": 24 + 2,
    "PacksComplete": 24 + 2,
    "BackupsDone": 24 + 12,
}


def test_an_alarm_of_what_is_absent_waits_longer_than_two_of_its_jobs_may_lie_apart():
    alarms = [alarm["Properties"] for alarm in of_type("AWS::CloudWatch::Alarm").values()]
    absent = {alarm["MetricName"]: alarm for alarm in alarms if alarm["TreatMissingData"] == "breaching"}
    assert absent.keys() == HOURS_BETWEEN.keys()
    for metric, hours in HOURS_BETWEEN.items():
        alarm = absent[metric]
        assert (alarm["ComparisonOperator"], alarm["Statistic"], alarm["Threshold"]) == ("LessThanThreshold", "Sum", 1)
        assert "DatapointsToAlarm" not in alarm, "every hour must have been without"
        # One good hour anywhere in the time watched keeps it silent. CloudWatch's limit: periods of an hour and more, seven days.
        assert alarm["Period"] == 3600
        assert hours < alarm["EvaluationPeriods"] <= 7 * 24


def test_no_name_of_a_resource_is_written_down_in_the_code():
    names = [known.name for known in (*TEMPLATE.queues, *TEMPLATE.tables, *TEMPLATE.buckets, *TEMPLATE.buses)]
    pattern = re.compile("|".join(re.escape(name) for name in names))
    sources = [path for folder in ("functions", "infra") for path in (ROOT / folder).rglob("*.py")]
    assert not [path for path in sources if pattern.search(path.read_text(encoding="utf-8"))]
