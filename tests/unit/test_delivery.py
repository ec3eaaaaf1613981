"""Webhooks on their way: tried as often as the vendor tries, over real HTTP."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from urllib3 import PoolManager

from infra.simulators.contract import ApiAnswer, ApiRequest, Delivered, Patience, Webhook
from infra.simulators.delivery import Report, deliver
from infra.simulators.generic import GenericSimulator
from infra.simulators.server import Failure, PlatformServer

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
WEBHOOK = Webhook(query="a=1&b=", headers={"x-signature": "s"}, body="您好".encode())


class Receiver:
    """Something that webhooks are sent to: answers 200 and remembers; `failures` come first."""

    channel, account, patience = "receiver", "demo", Patience(1.0, ())

    def __init__(self) -> None:
        self.outbox: list[Delivered] = []
        self.failures: deque[Failure] = deque()
        self.got: list[ApiRequest] = []

    def api(self, request: ApiRequest) -> ApiAnswer:
        self.got.append(request)
        return ApiAnswer(200, b"success")


class Pauses(list[float]):
    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def url(receiver: Receiver) -> Iterator[str]:
    server = PlatformServer([receiver])
    server.start()
    yield f"{server.origin}/receiver/webhooks"
    server.stop()


def send(url: str, webhook: Webhook = WEBHOOK, *, waits: tuple[float, ...] = (), **more) -> tuple[Report, Pauses]:
    pauses = Pauses()
    timeout = more.pop("timeout", 5.0)
    return deliver(webhook, url, Patience(timeout, waits), pause=pauses, now=lambda: NOW, **more), pauses


def test_an_accepted_webhook_is_sent_once_as_it_is(receiver, url):
    report, pauses = send(url, waits=(1, 2))
    assert report.accepted
    assert [(a.status, a.body, a.at) for a in report.attempts] == [(200, b"success", NOW)]
    assert pauses == []
    (got,) = receiver.got
    assert (got.method, got.path, got.body, dict(got.query)) == ("POST", "/webhooks", WEBHOOK.body, {"a": "1", "b": ""})
    assert got.headers["x-signature"] == "s"


def test_a_get_carries_its_query(receiver, url):
    assert send(url, Webhook(method="GET", query="echostr=%2B"))[0].accepted
    assert (receiver.got[0].method, dict(receiver.got[0].query)) == ("GET", {"echostr": "+"})


def test_a_refused_webhook_is_tried_again_until_it_is_accepted(receiver, url):
    receiver.failures.extend([ApiAnswer(503, b"later"), "close"])
    report, pauses = send(url, waits=(5, 300, 1800))
    assert [(a.status, a.fault) for a in report.attempts] == [(503, None), (None, "broken"), (200, None)]
    assert pauses == [5, 300]
    assert report.accepted


def test_the_ladder_ends(receiver, url):
    receiver.failures.extend([ApiAnswer(500)] * 3)
    report, pauses = send(url, waits=(5, 10), scale=0.1)
    assert [a.status for a in report.attempts] == [500, 500, 500]
    assert pauses == [0.5, 1.0]
    assert not report.accepted


def test_no_answer_in_time_is_a_time_out(receiver, url):
    receiver.failures.append("hang")
    report, _ = send(url, waits=(0,), timeout=0.1)
    assert [(a.status, a.fault) for a in report.attempts] == [(None, "timeout"), (200, None)]


def test_a_closed_port_is_a_failed_connection():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        report, _ = send(f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert [(a.fault, a.accepted) for a in report.attempts] == [("connect", False)]


def test_a_redirect_is_not_followed(receiver, url):
    receiver.failures.append(ApiAnswer(302, b"", {"location": "/receiver/elsewhere"}))
    assert [a.status for a in send(url)[0].attempts] == [302]
    assert receiver.got == []


def test_the_vendors_own_rule_says_when_to_stop(receiver, url):
    receiver.failures.append(ApiAnswer(410))
    generic = GenericSimulator("demo", {"secret": "whsec_" + "A" * 32})
    report, pauses = send(url, waits=(5, 5), tried_again=generic.tried_again)
    assert ([a.status for a in report.attempts], pauses) == ([410], [])


def test_a_vendor_that_signs_each_try_anew_is_asked_for_each(receiver, url):
    receiver.failures.append(ApiAnswer(500))
    generic = GenericSimulator("demo", {"secret": "whsec_" + "A" * 32}, now=iter_times())
    first = generic.text("u-1", "hi")
    report, _ = send(url, lambda: generic.signed_anew(first), waits=(5,))
    assert report.accepted
    assert receiver.got[0].headers["webhook-timestamp"] > first.headers["webhook-timestamp"]
    assert receiver.got[0].headers["webhook-id"] == first.headers["webhook-id"]


def test_connections_can_be_kept_by_the_caller(receiver, url):
    with PoolManager() as http:
        assert all(send(url, http=http)[0].accepted for _ in range(3))
    assert len(receiver.got) == 3


def iter_times():
    seconds = iter(range(0, 1000, 60))
    return lambda: datetime.fromtimestamp(NOW.timestamp() + next(seconds), UTC)
