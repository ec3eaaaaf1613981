"""The main job, once, on DynamoDB Local and ElasticMQ instead of moto: `make test-engines` starts them and sets the endpoints."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from infra.local.stack import Stack
from infra.simulators.contract import Simulator, Webhook

ENDPOINTS = ("AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SQS")

pytestmark = [
    pytest.mark.engines,
    pytest.mark.skipif(not all(os.environ.get(name) for name in ENDPOINTS), reason="`make test-engines` starts the engines"),
]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(0, directory=tmp_path_factory.mktemp("stack")) as running:
        yield running


def exchange(url: str, method: str = "GET", body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=body or None, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()


def deliver(stack: Stack, simulator: Simulator, webhook: Webhook) -> int:
    query = f"?{webhook.query}" if webhook.query else ""
    url = f"{stack.url}/webhooks/{simulator.channel}/{simulator.account}{query}"
    return exchange(url, webhook.method, webhook.body, dict(webhook.headers))[0]


def told(stack: Stack, path: str, method: str = "GET", body: bytes = b"") -> Any:
    status, answer = exchange(f"{stack.url}/_local/{path}", method, body)
    assert status == 200, answer
    return json.loads(answer)


def conversation_of(stack: Stack, native_id: str) -> list[dict[str, Any]]:
    """Every message of the conversation in which a message of the generic channel stands."""
    messages = told(stack, "messages")["messages"]
    conv = next(message["conversation"] for message in messages if message["native_id"] == native_id)
    return [message for message in messages if message["conversation"] == conv]


def test_a_webhook_becomes_a_labelled_answered_archived_message(stack: Stack) -> None:
    generic = stack.simulator("generic")
    question = generic.text("ann", "发票怎么开?", native_id="e2e-1")
    accepted = [deliver(stack, generic, question) for _ in range(3)]
    assert accepted == [202, 202, 202]
    assert deliver(stack, generic, generic.forged("eve", "hello")) == 401
    assert told(stack, "drain?timeout=60", "POST")["idle"]

    (message,) = conversation_of(stack, "e2e-1")
    assert "invoice" in message["labels"]["content"]
    assert message["reply"]["state"] == "sent"
    assert [(reply["contact"], reply["in_reply_to"]) for reply in told(stack, "outbox")["outbox"]] == [
        ("ann", message["message_id"])
    ]
    queues = told(stack, "queues")["queues"]
    assert {queue["name"] for queue in queues} >= {"inbound", "inbound-dead", "replies", "replies-dead"}
    assert all(queue["visible"] == queue["in_flight"] == 0 for queue in queues), queues

    archived = told(stack, "schedules/archive", "POST", b'{"now": "2099-01-01T19:00:00Z"}')
    assert archived["messages"] == 1


def test_messages_of_one_conversation_are_read_in_order(stack: Stack) -> None:
    generic = stack.simulator("generic")
    texts = [f"message {place}" for place in range(12)]
    for place, text in enumerate(texts):
        assert deliver(stack, generic, generic.text("bob", text, native_id=f"order-{place}")) == 202
    assert told(stack, "drain?timeout=60", "POST")["idle"]
    read = conversation_of(stack, "order-0")
    assert [message["text"] for message in sorted(read, key=lambda message: message["seq"])] == texts
