"""One function in a process of its own, as Lambda's runtime has it: `python -m infra.local.runtime <fd> <handler> <timeout>`.

It loads the handler by its path, then answers one invocation after the other over the connection, and ends when the other side is
gone, even in the middle of an invocation. Whatever the function prints goes to its log.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Any

from functions.common.clock import set_ahead

Handler = Callable[[Any, Any], Any]


class Context:
    """Lambda's context object, as far as handlers and libraries read it. Times in milliseconds."""

    function_version = "$LATEST"
    memory_limit_in_mb = "512"
    log_stream_name = "local"

    def __init__(self, function: str, request_id: str, timeout: float) -> None:
        self.function_name = function
        self.aws_request_id = request_id
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:123456789012:function:{function}"
        self.log_group_name = f"/aws/lambda/{function}"
        self._ends = time.monotonic() + timeout

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation is ended from outside."""
        return max(0, int((self._ends - time.monotonic()) * 1000))


def main(fd: int, handler_path: str, timeout: float) -> None:
    """Serve the handler until the connection ends."""
    connection = Connection(fd)
    module, _, name = handler_path.rpartition(".")
    try:
        handler: Handler = getattr(import_module(module), name)
    except BaseException as error:  # whatever keeps a module from loading is for the other side to report
        _log(error)
        return connection.send_bytes(json.dumps({"broken": f"{type(error).__name__}: {error}"}).encode())
    kept_back = _watched_waits()
    connection.send_bytes(b'{"ready": true}')
    requests: SimpleQueue[dict[str, Any]] = SimpleQueue()
    Thread(target=_read, args=(connection, requests), daemon=True).start()
    while True:
        request = requests.get()
        context = Context(module.split(".")[-2], request["id"], timeout)
        set_ahead(timedelta(seconds=request["ahead"]))
        connection.send_bytes(_invoke(handler, request["event"], context, kept_back))


def _read(connection: Connection, requests: SimpleQueue[dict[str, Any]]) -> None:
    try:
        while True:
            requests.put(json.loads(connection.recv_bytes()))
    except (EOFError, OSError):
        os._exit(0)


def _watched_waits() -> dict[str, int]:
    """What the handler tells SQS of when messages shall come again, by receipt: no queue lets that be read."""
    import boto3

    waits: dict[str, int] = {}

    def note(params: dict[str, Any], **_: Any) -> None:
        waits.update({entry["ReceiptHandle"]: entry["VisibilityTimeout"] for entry in params["Entries"]})

    boto3.setup_default_session()
    assert boto3.DEFAULT_SESSION is not None
    boto3.DEFAULT_SESSION.events.register("before-parameter-build.sqs.ChangeMessageVisibilityBatch", note)
    return waits


def _invoke(handler: Handler, event: Any, context: Context, kept_back: dict[str, int]) -> bytes:
    kept_back.clear()
    try:
        return json.dumps({"payload": handler(event, context), "kept_back": kept_back}).encode()
    except Exception as error:
        _log(error, function_request_id=context.aws_request_id)
        return json.dumps({"fault": type(error).__name__}).encode()


def _log(error: BaseException, **keys: str) -> None:
    # The shape of Lambda's own line in its JSON log format.
    stack = traceback.format_exception(error)
    said = {"level": "ERROR", "errorType": type(error).__name__, "errorMessage": str(error), "stackTrace": stack}
    print(json.dumps(keys | said), flush=True)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
