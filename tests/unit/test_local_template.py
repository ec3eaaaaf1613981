"""How the local stack reads a template: intrinsic functions, and one clear line about a broken one."""

from __future__ import annotations

import pytest

from infra.local.errors import TemplateInvalid
from infra.local.intrinsics import REF, Intrinsics
from infra.local.template import load

FUNCTION = """
Transform: AWS::Serverless-2016-10-31
Resources:
  EchoFunction:
    Type: AWS::Serverless::Function
    Properties:
      Handler: functions.echo.handler.lambda_handler
      Runtime: python3.13
      CodeUri: .
"""


def resolve(value, **conditions):
    def attribute(logical_id, name):
        return f"<{logical_id}>" if name == REF else f"<{logical_id}.{name}>"

    return Intrinsics({"Stage": "local", "AWS::Region": "here"}, conditions, attribute).resolve(value)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({"Ref": "Stage"}, "local"),
        ({"Ref": "Queue"}, "<Queue>"),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, "<Queue.Arn>"),
        ({"Fn::GetAtt": "Queue.Arn"}, "<Queue.Arn>"),
        ({"Fn::Sub": "${AWS::Region}/${Queue}/${Queue.Arn}/${!Literal}"}, "here/<Queue>/<Queue.Arn>/${Literal}"),
        ({"Fn::Sub": ["${Mine}-${Stage}", {"Mine": {"Ref": "Queue"}}]}, "<Queue>-local"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Stage"}]]}, "a-local"),
        ({"Fn::If": ["Yes", "a", "b"]}, "a"),
        ({"Fn::If": ["No", "a", "b"]}, "b"),
        ([{"Ref": "AWS::NoValue"}, 1], [1]),
        ({"a": {"Fn::If": ["No", 1, {"Ref": "AWS::NoValue"}]}, "b": 2}, {"b": 2}),
        ({"Fn::And": [{"Condition": "Yes"}, {"Fn::Not": [{"Condition": "No"}]}]}, True),
        ({"Fn::Or": [{"Condition": "No"}, {"Condition": "No"}]}, False),
        ({"Ref": "Stage", "beside": 1}, {"Ref": "Stage", "beside": 1}),
    ],
)
def test_intrinsic_functions(value, wanted):
    yes, no = {"Fn::Equals": [{"Ref": "Stage"}, "local"]}, {"Fn::Equals": [{"Ref": "Stage"}, "prod"]}
    assert resolve(value, Yes=yes, No=no) == wanted


@pytest.mark.parametrize("value", [{"Fn::Cidr": ["10.0.0.0/8", 1, 1]}, {"Fn::If": ["Nowhere", 1, 2]}])
def test_what_the_local_stack_does_not_know_is_refused(value):
    with pytest.raises(TemplateInvalid):
        resolve(value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Resources: [", "line 1"),
        ("Resources: {A: {Type: !Nope}", "line 1"),
        ("Description: nothing here", "no resources"),
        ("", "no resources"),
        ("Resources: {A: 5}", "template.yaml"),
        (FUNCTION.replace("      Handler: functions.echo.handler.lambda_handler\n", ""), "Handler"),
        (FUNCTION + "  Q: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {maxReceiveCount: many}}}", "template.yaml"),
        (FUNCTION + "  S: {Type: AWS::Scheduler::Schedule, Properties: {}}", "Target"),
    ],
)
def test_a_broken_template_is_told_in_one_line(tmp_path, text, says):
    path = tmp_path / "template.yaml"
    path.write_text(text)
    with pytest.raises(TemplateInvalid) as caught:
        load(path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value).strip()


def test_a_template_that_is_not_there_is_told(tmp_path):
    with pytest.raises(TemplateInvalid, match="No such file"):
        load(tmp_path / "template.yaml")


def test_short_forms_anchors_conditions_and_defaults_are_read(tmp_path):
    path = tmp_path / "template.yaml"
    path.write_text(
        FUNCTION
        + """
      Environment: {Variables: {QUEUE: !Ref Jobs, WHERE: !Sub "${Jobs.Arn}:${Stage}", COUNT: !Ref Count}}
  Jobs: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${AWS::StackName}-jobs", DelaySeconds: &two 2, VisibilityTimeout: *two}}
  Never: {Type: AWS::SQS::Queue, Condition: IsProd}
Parameters: {Stage: {Type: String, Default: dev}, Count: {Type: Number, Default: 7}}
Conditions: {IsProd: !Equals [!Ref Stage, prod]}
"""
    )
    loaded = load(path)
    (jobs,) = loaded.queues
    assert (jobs.name, jobs.attributes) == ("postroom-local-jobs", {"DelaySeconds": "2", "VisibilityTimeout": "2"})
    (function,) = loaded.functions
    assert function.name == "echo"
    physical = {("Jobs", REF): "http://q", ("Jobs", "Arn"): "arn:q"}
    assert loaded.environment(function, physical) == {"QUEUE": "http://q", "WHERE": "arn:q:local", "COUNT": "7"}
    with pytest.raises(TemplateInvalid, match=r"EchoFunction needs Jobs\.Ref"):
        loaded.environment(function, {})
