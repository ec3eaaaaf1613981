"""`postroom run`: the local stack, until it is told to end."""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer


def run(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8080,
    log_dir: Annotated[Path | None, typer.Option(help="Where the functions' logs go; .local/logs otherwise.")] = None,
) -> None:
    """Start the whole post room on this machine and keep it up."""
    from infra.local.stack import Stack

    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="postroom: %(message)s")
    ended = Event()

    def end(*_: Any) -> None:
        if ended.is_set():
            return
        ended.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        with Stack(port, log_dir=log_dir) as stack:
            print(_greeting(stack), flush=True)
            while not ended.wait(1):
                stack.check()
    except KeyboardInterrupt:
        # Signalled: everything has been ended on the way here.
        print("Postroom has ended.", file=sys.stderr)


def _greeting(stack: Any) -> str:
    demo = ", ".join(f"{simulator.channel}/{simulator.account}" for simulator in stack.simulators)
    return f"""Postroom is up at {stack.url}
  webhooks   /webhooks/{{channel}}/{{account}}, with the local accounts {demo}
  stored     /_local/conversations  /_local/messages
  replies    /_local/outbox
  queues     /_local/queues  POST /_local/drain
  schedules  POST /_local/schedules/{{name}}
  logs       {stack.log_dir}
  commands   . .local/environ in another terminal, then ./postroom inbox, ./postroom search --today, …
Ctrl-C ends it."""
