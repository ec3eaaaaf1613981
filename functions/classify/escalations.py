"""Telling the event bus that a message must not wait for the queue of a team. No text and no contact goes there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from functions.common.clock import to_iso
from functions.common.errors import Unavailable, aws_faults
from functions.common.judgement import Judged

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

SOURCE = "postroom.classify"
DETAIL_TYPE = "MessageEscalated"
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html: ten entries in one call.
MAX_ENTRIES = 10


class NotTold(Unavailable):
    """The bus did not take some of the events; `failed` holds their messages' ids, each with why. The others are on the bus."""

    def __init__(self, failed: dict[str, str]) -> None:
        super().__init__("; ".join(f"{message_id}: {reason}" for message_id, reason in failed.items()))
        self.failed = failed


class EscalationBus:
    """The bus that people and pagers subscribe to. `client` is boto3's EventBridge client, `bus` the bus's name."""

    def __init__(self, client: EventBridgeClient, bus: str) -> None:
        self._client = client
        self._bus = bus

    def tell(self, escalated: list[Judged]) -> None:
        """Emit an event per message; `NotTold` names those that the bus did not take.

        An event may arrive twice: `message_id` in its detail tells.
        """
        failed: dict[str, str] = {}
        for start in range(0, len(escalated), MAX_ENTRIES):
            failed |= self._put(escalated[start : start + MAX_ENTRIES])
        if failed:
            raise NotTold(failed)

    def _put(self, escalated: list[Judged]) -> dict[str, str]:
        try:
            with aws_faults("PutEvents"):
                answer = self._client.put_events(Entries=[self._entry(judged) for judged in escalated])
        except Unavailable as fault:
            return {judged.message.message_id: str(fault) for judged in escalated}
        if not answer["FailedEntryCount"]:
            return {}
        outcomes = zip(escalated, answer["Entries"], strict=True)
        return {judged.message.message_id: outcome["ErrorCode"] for judged, outcome in outcomes if "ErrorCode" in outcome}

    def _entry(self, judged: Judged) -> PutEventsRequestEntryTypeDef:
        detail = {
            "message_id": judged.message.message_id,
            "channel": judged.message.channel,
            "account": judged.message.account,
            "team": judged.routing.team,
            "reasons": list(judged.routing.escalate),
            "due": to_iso(judged.routing.due_at),
        }
        return {"Source": SOURCE, "DetailType": DETAIL_TYPE, "Detail": json.dumps(detail), "EventBusName": self._bus}
