"""The advisers that the environment names, with their real clients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic

from functions.classify.advice import bedrock, comprehend
from functions.classify.advice.encoder import SentenceEncoder, read_encoder
from functions.classify.advice.panel import Adviser, Budget, Panel
from functions.classify.advice.trial import tried
from functions.classify.settings import Settings
from functions.common.aws import client
from functions.common.budget import DayBudget
from functions.common.clock import system_clock
from functions.common.table import Table
from functions.common.telemetry import Telemetry


def panels(settings: Settings, table: Table, telemetry: Telemetry) -> Callable[[], Panel]:
    """What makes a panel for each batch: those who cost less come first, and the first is the one to whom no text is sent."""
    found = _encoder(settings.encoder_folder, telemetry) if settings.encoder_folder else []
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


def _encoder(folder: Path, telemetry: Telemetry) -> list[Adviser]:
    try:
        tried(folder)
        return [read_encoder(folder, monotonic)]
    except Exception as fault:  # whatever is in that folder, messages are judged offline as if it were not there
        telemetry.error("not_advised", fault, adviser=SentenceEncoder.name)
        return []
