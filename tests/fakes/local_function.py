"""Handlers for the local stack's own tests: each is run in a worker process, by its path."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event


def echo(event, context):
    """What it was given, and what it sees of its process."""
    print("a line for the log")
    return {
        "event": event,
        "pid": os.getpid(),
        "greeting": os.environ.get("GREETING"),
        "bytecode": "PYTHONDONTWRITEBYTECODE" not in os.environ,
        "request_id": context.aws_request_id,
        "remaining": context.get_remaining_time_in_millis(),
    }


def fail(event, context):
    raise KeyError("not for anybody's eyes")


def unspeakable(event, context):
    return object()


def hang(event, context):
    Event().wait()


def crash_once(event, context):
    """Dies the first time; the file that the environment names says that there was one."""
    marker = Path(os.environ["MARKER"])
    if not marker.exists():
        marker.touch()
        os._exit(9)
    return
