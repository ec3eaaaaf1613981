"""Ingest between its edges: real adapters, a fake queue and fake credentials."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.channels.contract import RawRequest
from functions.channels.generic import GenericCredentials, sign
from functions.common.errors import AccountUnknown, Unavailable
from functions.common.queues import Entry
from functions.common.wire import read_inbound
from functions.ingest import service
from functions.ingest.gateway_event import gateway_response, query_pairs, raw_request
from functions.ingest.replay import CAPACITY, ReplayMemory
from tests.fakes.reply_desk import Heard

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
OLD, NEW = (GenericCredentials(secret="whsec_" + letter * 32) for letter in "AB")


class FakeQueue:
    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.down = False

    def send(self, entries: list[Entry]) -> None:
        if self.down:
            raise Unavailable("SendMessageBatch: ServiceUnavailable")
        self.entries += entries


class FakeCredentials:
    def __init__(self, *known: GenericCredentials) -> None:
        self.known = known
        self.down = False

    def current(self, channel: str, account: str) -> tuple[Any, ...]:
        if self.down:
            raise Unavailable("GetSecretValue: InternalServiceError")
        if account != "demo":
            raise AccountUnknown(account)
        return self.known


@pytest.fixture
def counter() -> Any:
    return service.Counter(
        credentials=FakeCredentials(NEW, OLD),  # type: ignore[arg-type]
        queue=FakeQueue(),  # type: ignore[arg-type]
        pulls=FakeQueue(),  # type: ignore[arg-type]
        replays=ReplayMemory(),
        clock=lambda: NOW,
        telemetry=Heard(),  # type: ignore[arg-type]
    )


def item(n: int, **more: Any) -> dict[str, Any]:
    return {"id": f"m{n}", "contact": {"id": f"u{n}"}, "text": "几点开门?", "sent_at": "2026-11-24T01:59:58Z"} | more


def webhook(body: Any, *, secret: GenericCredentials = NEW, at: datetime = NOW, method: str = "POST") -> RawRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    stamp = str(int(at.timestamp()))
    headers = {"webhook-id": "w1", "webhook-timestamp": stamp, "webhook-signature": sign(secret.secret, "w1", stamp, raw)}
    return RawRequest(method, "/webhooks/generic/demo", (), "", headers, raw, "192.0.2.1", NOW)


def test_a_message_is_enqueued_under_its_conversation_and_id_before_it_is_acknowledged(counter: Any) -> None:
    answer = service.receive("generic", "demo", webhook(item(1)), counter)
    (entry,) = counter.queue.entries
    message = read_inbound(entry.body).message
    assert (answer.status, message.text, message.contact.primary) == (202, "几点开门?", "u1")
    assert entry.dedup == message.message_id and entry.group == message.message_id.split(".")[0]


def test_one_bad_item_spares_its_siblings_and_everything_is_counted(counter: Any) -> None:
    body = {"messages": [item(1), {"id": "m2"}, "not an object", item(3, text=7), item(4)]}
    answer = service.receive("generic", "demo", webhook(body), counter)
    assert json.loads(answer.body) == {"accepted": 2, "ignored": 0, "rejected": 3}
    assert counter.telemetry.counts == {"Verified": 5, "Enqueued": 2, "Ignored": 0, "Malformed": 3, "Announced": 0}


def test_a_webhook_of_bad_items_only_is_400(counter: Any) -> None:
    answer = service.receive("generic", "demo", webhook({"messages": [{}, {}]}), counter)
    assert answer.status == 400 and counter.telemetry.counts["Malformed"] == 2
    assert counter.telemetry.counts["Unreadable"] == 1


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{", b"[]", b"null", b"NaN", b'{"a":' * 5000, b'{"messages":{}}', b'"x"'])
def test_a_signed_body_of_the_wrong_shape_is_400_and_nothing_is_enqueued(counter: Any, body: bytes) -> None:
    assert service.receive("generic", "demo", webhook(body), counter).status == 400
    assert counter.queue.entries == [] and counter.telemetry.counts["Malformed"] == 1
    assert counter.telemetry.counts["Unreadable"] == 1


def test_both_secrets_are_valid_while_they_are_rotated(counter: Any) -> None:
    assert service.receive("generic", "demo", webhook(item(1), secret=OLD), counter).status == 202
    assert service.receive("generic", "demo", webhook(item(2), secret=NEW), counter).status == 202


def test_every_cause_of_refusal_gets_the_same_answer(counter: Any) -> None:
    good = webhook(item(1))
    stranger = GenericCredentials(secret="whsec_" + "C" * 32)
    changed = {**good.headers, "webhook-signature": "v1,é"}
    refused = [
        webhook(item(1), secret=stranger),
        webhook(item(1), at=NOW - timedelta(minutes=6)),
        webhook(item(1), at=NOW + timedelta(minutes=6)),
        RawRequest("POST", good.path, (), "", {}, good.body, "", NOW),
        RawRequest("POST", good.path, (), "", changed, good.body, "", NOW),
        RawRequest("POST", good.path, (), "", good.headers, good.body + b" ", "", NOW),
        webhook(item(1), method="GET"),
    ]
    answers = {service.receive("generic", "demo", request, counter) for request in refused}
    assert len(answers) == 1 and answers.pop().status == 401
    assert counter.queue.entries == [] and counter.telemetry.counts == {"Rejected": len(refused)}
    reasons = {keys["reason"] for _, keys in counter.telemetry.lines}
    assert reasons == {"bad_signature", "stale", "no_signature", "method"}


@pytest.mark.parametrize(
    ("channel", "account"), [("nothing", "demo"), ("generic", "nobody"), ("contract", "demo"), ("../x", "demo")]
)
def test_an_unknown_channel_or_account_is_404(counter: Any, channel: str, account: str) -> None:
    assert service.receive(channel, account, webhook(item(1)), counter).status == 404


def test_a_queue_that_is_down_makes_the_platform_try_again(counter: Any) -> None:
    counter.queue.down = True
    assert service.receive("generic", "demo", webhook(item(1)), counter).status == 503
    assert counter.telemetry.counts == {"QueueFailed": 1}
    counter.queue.down = False
    assert service.receive("generic", "demo", webhook(item(1)), counter).status == 202


def test_secrets_that_cannot_be_read_make_the_platform_try_again(counter: Any) -> None:
    counter.credentials.down = True
    assert service.receive("generic", "demo", webhook(item(1)), counter).status == 503


def test_a_body_over_the_limit_is_413_before_any_hashing(counter: Any) -> None:
    assert service.receive("generic", "demo", webhook(b"x" * (service.MAX_BODY + 1)), counter).status == 413


def test_a_message_that_no_queue_would_take_spares_its_siblings(counter: Any) -> None:
    attachments = [{"kind": "file", "caption": "长" * 10_000} for _ in range(10)]
    answer = service.receive("generic", "demo", webhook({"messages": [item(1, attachments=attachments), item(2)]}), counter)
    assert json.loads(answer.body)["accepted"] == 1
    assert counter.telemetry.counts["Malformed"] == 1


def test_lone_surrogates_do_not_stop_a_message(counter: Any) -> None:
    body = b'{"id":"m1","contact":{"id":"u\\ud800"},"text":"a\\udfffb","sent_at":"2026-11-24T01:59:58Z"}'
    assert service.receive("generic", "demo", webhook(body), counter).status == 202
    assert read_inbound(counter.queue.entries[0].body).message.text == "a\ufffdb"


def test_a_redelivery_maps_to_the_same_key(counter: Any) -> None:
    for _ in range(2):
        service.receive("generic", "demo", webhook(item(1)), counter)
    first, second = counter.queue.entries
    assert first.dedup == second.dedup


def test_one_signature_vouches_for_one_body_only() -> None:
    memory = ReplayMemory()
    assert not memory.is_reused("s", b"a") and not memory.is_reused("s", b"a")
    assert memory.is_reused("s", b"b") and not memory.is_reused("t", b"b")
    for n in range(CAPACITY + 1):
        memory.is_reused(f"n{n}", b"")
    assert len(memory._bodies) == CAPACITY


def event(**more: Any) -> dict[str, Any]:
    http = {"method": "POST", "path": "/webhooks/generic/demo", "sourceIp": "192.0.2.1"}
    parameters = {"channel": "generic", "account": "demo"}
    return {"requestContext": {"http": http}, "pathParameters": parameters, "headers": {"Webhook-Id": "w"}, **more}


def test_the_event_says_whether_its_body_is_base64_not_the_content_type() -> None:
    assert raw_request(event(body="e30=", isBase64Encoded=True), NOW).body == b"{}"
    assert raw_request(event(body="e30=", isBase64Encoded=False), NOW).body == b"e30="
    assert raw_request(event(), NOW).body == b"" and raw_request(event(), NOW).headers == {"webhook-id": "w"}


def test_a_plus_in_a_query_stays_a_plus() -> None:
    assert query_pairs("echostr=a+b%2Fc%3D&x=&y&x=2") == (("echostr", "a+b/c="), ("x", ""), ("y", ""), ("x", "2"))


def test_no_answer_can_be_taken_for_a_page() -> None:
    headers = gateway_response(service.UNKNOWN)["headers"]
    assert headers["x-content-type-options"] == "nosniff" and headers["content-type"] == "application/json"
