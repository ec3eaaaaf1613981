"""The advisers that the environment names, with their real clients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import monotonic

from functions.classify.advice import bedrock, comprehend
from functions.classify.advice.panel import Adviser, Budget, Panel
from functions.classify.settings import Settings
from functions.common.aws import client
from functions.common.budget import DayBudget
from functions.common.clock import system_clock
from functions.common.table import Table
from functions.common.telemetry import Telemetry


def panels(settings: Settings, table: Table, telemetry: Telemetry) -> Callable[[], Panel]:
    """What makes a panel for each batch: the classifier before the language model, which costs more."""
    found: list[Adviser] = []
    if settings.comprehend_endpoint:
        asked = client("comprehend", read_seconds=comprehend.READ_SECONDS, tries=1)
        found.append(comprehend.ComprehendClassifier(asked, settings.comprehend_endpoint))
    if settings.bedrock_model_id:
        asked = client("bedrock-runtime", read_seconds=bedrock.READ_SECONDS, tries=1)
        found.append(bedrock.BedrockModel(asked, settings.bedrock_model_id))
    advisers: list[tuple[Adviser, Budget]] = [
        (each, DayBudget(table, f"classify.{each.name}", settings.advice_per_day, clock=system_clock)) for each in found
    ]
    return partial(Panel, advisers, telemetry, monotonic)
