"""template.yaml as the local stack reads it: SAM's own translator makes plain CloudFormation of it, this makes typed resources of that.

A function's environment needs ids that exist only once the resources do: `Template.environment` resolves it then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from infra.cli.bundle import yaml_problem
from infra.local import resources
from infra.local.errors import TemplateInvalid
from infra.local.intrinsics import Intrinsics
from infra.local.resources import STACK, Bucket, Bus, EventSource, Function, Key, Queue, Route, Schedule, Secret, Table

PATH = Path(__file__).parent.parent.parent / "template.yaml"
REGION = "us-east-1"
ACCOUNT_ID = "123456789012"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Everything of template.yaml that the local stack brings to life."""

    routes: tuple[Route, ...]
    queues: tuple[Queue, ...]
    tables: tuple[Table, ...]
    buckets: tuple[Bucket, ...]
    buses: tuple[Bus, ...]
    keys: tuple[Key, ...]
    secrets: tuple[Secret, ...]
    functions: tuple[Function, ...]
    event_sources: tuple[EventSource, ...]
    schedules: tuple[Schedule, ...]
    parameters: Mapping[str, Any]
    conditions: Mapping[str, Any]

    @property
    def table(self) -> Table:
        """The one table; a scratch table that a drill writes to is none."""
        return next(table for table in self.tables if table.logical_id == "Table")

    def environment(self, function: Function, physical: Mapping[tuple[str, str], str]) -> dict[str, str]:
        """A function's environment variables. `physical` has what Ref and GetAtt give, by (logical id, `intrinsics.REF` or attribute)."""

        def attribute(logical_id: str, name: str) -> str:
            if (logical_id, name) not in physical:
                raise TemplateInvalid(
                    f"template.yaml: {function.logical_id} needs {logical_id}.{name}, which is not there locally"
                )
            return physical[logical_id, name]

        resolved = Intrinsics(self.parameters, self.conditions, attribute).resolve(dict(function.variables))
        return {name: str(value) for name, value in resolved.items()}


def load(path: Path = PATH, parameters: Mapping[str, Any] | None = None) -> Template:
    """Read a SAM template; `TemplateInvalid`, naming the place, when it is broken. `parameters` add to the template's defaults."""
    given = {"Stage": "local"} | dict(parameters or {})
    document = translated(path, given)
    values = _defaults(document) | given | _pseudo_parameters()
    conditions = document.get("Conditions", {})
    # A resource's logical id stands for it until it exists.
    links = Intrinsics(values, conditions, lambda logical_id, _: logical_id)
    found = partial(_found, document, links)
    try:
        return Template(
            routes=tuple(route for _, api in found("ApiGatewayV2::Api") for route in resources.routes(api)),
            queues=tuple(found("SQS::Queue", resources.queue)),
            tables=tuple(found("DynamoDB::Table", resources.table)),
            buckets=tuple(found("S3::Bucket", resources.bucket)),
            buses=tuple(found("Events::EventBus", resources.bus)),
            keys=tuple(found("KMS::Key", resources.key)),
            secrets=tuple(found("SecretsManager::Secret", resources.secret)),
            functions=tuple(_functions(document, links)),
            event_sources=tuple(found("Lambda::EventSourceMapping", resources.event_source)),
            schedules=tuple(found("Scheduler::Schedule", resources.schedule)),
            parameters=values,
            conditions=conditions,
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise TemplateInvalid(f"{path.name}: {type(error).__name__}: {error}") from error


def translated(path: Path = PATH, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A SAM template as plain CloudFormation, intrinsic functions still in it; `TemplateInvalid` when SAM refuses it."""
    return _translated(_parsed(path), dict(parameters or {"Stage": "local"}), path.name)


def _parsed(path: Path) -> dict[str, Any]:
    from samtranslator.yaml_helper import yaml_parse
    from yaml import YAMLError

    try:
        document = yaml_parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TemplateInvalid(f"{path.name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TemplateInvalid(f"{path.name}: not UTF-8") from error
    except YAMLError as error:
        raise TemplateInvalid(f"{path.name}: {yaml_problem(error)}") from error
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
        raise TemplateInvalid(f"{path.name}: no resources in it")
    return document


def _translated(document: dict[str, Any], parameters: dict[str, Any], name: str) -> dict[str, Any]:
    from samtranslator.metrics.metrics import DummyMetricsPublisher, Metrics
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    _place_code(document)
    metrics = Metrics("local", DummyMetricsPublisher())
    # All it asks of a session is its region; a real one would stumble over whatever profile is configured.
    translator = Translator({}, Parser(), boto_session=SimpleNamespace(region_name=REGION), metrics=metrics)
    try:
        translated: dict[str, Any] = translator.translate(document, parameters)
    except InvalidDocumentException as error:
        causes = "; ".join(str(cause.message) for cause in error.causes)
        raise TemplateInvalid(f"{name}: {causes}") from error
    except Exception as error:  # whatever a broken template does to a translator that is not ours
        raise TemplateInvalid(f"{name}: SAM cannot read it: {type(error).__name__}: {error}") from error
    finally:
        metrics.publish()  # to nowhere: the library complains on stderr about metrics that were not
    return translated


def _place_code(document: dict[str, Any]) -> None:
    """The translator wants code that has been uploaded; locally it stays where it is, so any address will do."""
    ((document.get("Globals") or {}).get("Function") or {}).pop("CodeUri", None)
    place = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}
    for resource in document["Resources"].values():
        if isinstance(resource, dict) and resource.get("Type") in place:
            resource.setdefault("Properties", {})[place[resource["Type"]]] = "s3://local/code"


def _defaults(document: dict[str, Any]) -> dict[str, Any]:
    declared = document.get("Parameters", {})
    return {name: parameter["Default"] for name, parameter in declared.items() if "Default" in parameter}


def _pseudo_parameters() -> dict[str, str]:
    return {
        "AWS::Region": REGION,
        "AWS::AccountId": ACCOUNT_ID,
        "AWS::Partition": "aws",
        "AWS::URLSuffix": "amazonaws.com",
        "AWS::StackName": STACK,
    }


def _found(
    document: dict[str, Any], links: Intrinsics, kind: str, make: Callable[[str, dict[str, Any]], Any] = lambda i, p: (i, p)
) -> Iterator[Any]:
    for logical_id, resource in document["Resources"].items():
        wanted = "Condition" not in resource or links.resolve({"Condition": resource["Condition"]})
        if resource["Type"] == f"AWS::{kind}" and wanted:
            yield make(logical_id, links.resolve(resource.get("Properties", {})))


def _functions(document: dict[str, Any], links: Intrinsics) -> Iterator[Function]:
    for logical_id, properties in _found(document, links, "Lambda::Function"):
        environment = document["Resources"][logical_id]["Properties"].get("Environment", {})
        yield resources.function(logical_id, properties, environment.get("Variables", {}))
