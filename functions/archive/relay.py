"""Calling the function itself when an invocation ends before the work does.

The call is asynchronous: Lambda takes it and answers at once. A chain is bounded here, below the sixteen invocations after which AWS takes
a function that calls itself for a runaway and stops it; whatever is left then is the next night's, and an alarm says so.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from functions.archive.waking import Wake
from functions.common.errors import aws_faults
from functions.common.telemetry import Telemetry

LONGEST_CHAIN = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """`client` is boto3's Lambda client, `function` the name of this function."""

    client: Any
    function: str
    telemetry: Telemetry

    def pass_on(self, wake: Wake, told: dict[str, Any]) -> bool:
        """Have the work go on in another invocation, from where this one says it ended; False at the end of the chain. `Unavailable` when
        Lambda does not take the call.
        """
        if wake.link >= LONGEST_CHAIN:
            self.telemetry.warning("archive_chain_ended", action=wake.action, links=wake.link)
            self.telemetry.count({"ArchiveBehind": 1})
            return False
        payload = json.dumps(wake.next(told)).encode()
        with aws_faults("Invoke"):
            self.client.invoke(FunctionName=self.function, InvocationType="Event", Payload=payload)
        return True
