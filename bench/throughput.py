"""Messages per second through the whole local stack: HTTP in, stored, labelled, answered, queues empty."""

from __future__ import annotations

import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.rig.figures import Figures

MESSAGES = 400
CONVERSATIONS = 80
SENDERS = 4
TEXTS = ("你好", "几点开门?", "我的快递到哪里了", "发票怎么开", "请问多少钱?", "谢谢", "转人工", "My order arrived broken")


def measure() -> Figures:
    """Webhooks acknowledged per second, and messages finished per second; their ratio."""
    from urllib3 import PoolManager

    from infra.local.stack import Stack

    with tempfile.TemporaryDirectory() as directory, Stack(0, directory=Path(directory)) as stack:
        platform: Any = stack.simulator("generic")
        webhooks = [platform.text(f"u{n % CONVERSATIONS}", TEXTS[n % len(TEXTS)], native_id=f"m{n}") for n in range(MESSAGES)]
        http = PoolManager(maxsize=SENDERS)
        url = f"{stack.url}/webhooks/generic/demo"

        def send(webhook: Any) -> int:
            return http.request("POST", url, body=webhook.body, headers=dict(webhook.headers), retries=False, timeout=30).status

        began = time.perf_counter()
        with ThreadPoolExecutor(SENDERS) as senders:
            assert set(senders.map(send, webhooks)) == {202}
        acknowledged = time.perf_counter() - began
        answer = http.request("POST", f"{stack.url}/_local/drain?timeout=300", timeout=310)
        finished = time.perf_counter() - began
        assert json.loads(answer.data)["idle"]
        stored = len(json.loads(http.request("GET", f"{stack.url}/_local/messages").data)["messages"])
    assert stored == MESSAGES
    return Figures(
        title="Throughput of the local stack",
        how=f"{MESSAGES} signed webhooks of {CONVERSATIONS} conversations from {SENDERS} senders over HTTP, moto as the engine, all on "
        "this machine; finished: stored, labelled, decided on, both queues empty (the reply queue's two seconds of delay are in it)",
        columns=("what", "per second", "ratio"),
        rows=(
            ("webhooks acknowledged", f"{MESSAGES / acknowledged:.0f}", "1.0"),
            ("messages finished", f"{MESSAGES / finished:.0f}", f"{acknowledged / finished:.2f}"),
        ),
    )
