"""Lambda's Invoke, as far as a function needs it to call itself: `POST /2015-03-31/functions/<name>/invocations`.

The local stack serves it at its own address, and tells its functions so by `AWS_ENDPOINT_URL_LAMBDA`: the same boto3 call goes to
Lambda on AWS and comes here locally. https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from threading import Lock, Thread
from typing import Any
from urllib.parse import unquote

from infra.local.payload import Answer, HttpRequest
from infra.local.workers import Invocation

LOG = logging.getLogger(__name__)
_PATH = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")


class Invocations:
    """`functions` gives each function's logical id by its name; `invoke(logical id, event)` runs one."""

    def __init__(self, functions: Mapping[str, str], invoke: Callable[[str, Any], Invocation]) -> None:
        self._functions = functions
        self._invoke = invoke
        self._lock = Lock()
        self._under_way = 0

    @property
    def busy(self) -> bool:
        """Whether an asynchronous invocation has not ended."""
        return self._under_way > 0

    def answer(self, request: HttpRequest) -> Answer | None:
        """The answer to a call of Invoke, None for any other request."""
        place = _PATH.fullmatch(request.raw_path)
        if place is None or request.method != "POST":
            return None
        function = self._functions.get(unquote(place[1]))
        if function is None:
            return _problem(404, "ResourceNotFoundException", f"Function not found: {unquote(place[1])[:80]}")
        try:
            event = json.loads(request.body or b"{}")
        except ValueError:
            return _problem(400, "InvalidRequestContentException", "Could not parse request body into json")
        if dict(request.headers).get("x-amz-invocation-type") == "Event":
            self._begin(function, event)
            return Answer(202)
        return _answered(self._invoke(function, event))

    def _begin(self, function: str, event: Any) -> None:
        with self._lock:
            self._under_way += 1
        Thread(target=self._run, args=(function, event), daemon=True, name=f"invocation of {function}").start()

    def _run(self, function: str, event: Any) -> None:
        # AWS tries an asynchronous invocation that failed twice more.
        try:
            outcome = self._invoke(function, event)
            if outcome.fault is not None:
                LOG.warning("asynchronous invocation of %s failed: %s", function, outcome.fault)
        finally:
            with self._lock:
                self._under_way -= 1


def _answered(outcome: Invocation) -> Answer:
    if outcome.fault is None:
        return Answer.json(200, outcome.payload)
    failed = Answer.json(200, {"errorMessage": outcome.fault, "errorType": outcome.fault})
    return Answer(failed.status, failed.body, (*failed.headers, ("x-amz-function-error", "Unhandled")))


def _problem(status: int, kind: str, line: str) -> Answer:
    told = Answer.json(status, {"Type": "User", "Message": line})
    return Answer(told.status, told.body, (*told.headers, ("x-amzn-errortype", kind)))
