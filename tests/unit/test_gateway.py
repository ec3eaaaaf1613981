"""The local gateway speaks API Gateway's payload format 2.0, and HTTP as a gateway must."""

from __future__ import annotations

import json
import socket
from base64 import b64decode, b64encode

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from functions.ingest.gateway_event import raw_request
from infra.local.errors import CannotStart, PortTaken
from infra.local.gateway import MAX_BODY, Gateway
from infra.local.payload import Answer, HttpRequest, answer_of, event_for, match
from infra.local.resources import Route
from infra.local.workers import Invocation
from infra.simulators.contract import utc_now

PATH = "/webhooks/{channel}/{account}"
ROUTES = tuple(Route(method=method, path=PATH, function="IngestFunction") for method in ("GET", "POST"))


def request(method="POST", path="/webhooks/generic/demo", query="", headers=(), body=b"") -> HttpRequest:
    return HttpRequest(method=method, raw_path=path, raw_query=query, headers=tuple(headers), body=body)


def event(**changes):
    asked = request(**changes)
    route, parameters = match(ROUTES, asked)
    return event_for(asked, route, parameters, "request-1")


# --- format 2.0 ---


def test_an_event_has_the_fields_of_format_2():
    made = event(query="a=1", headers=[("host", "example"), ("user-agent", "curl")])
    assert made["version"] == "2.0"
    assert made["routeKey"] == made["requestContext"]["routeKey"] == f"POST {PATH}"
    assert made["rawPath"] == "/webhooks/generic/demo"
    assert made["pathParameters"] == {"channel": "generic", "account": "demo"}
    assert made["requestContext"]["http"] == {
        "method": "POST",
        "path": "/webhooks/generic/demo",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "curl",
    }
    assert (made["requestContext"]["stage"], made["requestContext"]["requestId"]) == ("$default", "request-1")
    assert "body" not in made and made["isBase64Encoded"] is False


def test_duplicate_headers_and_parameters_are_joined_and_cookies_stand_apart():
    made = event(query="a=1&b=x%20y&a=2", headers=[("x-a", "1"), ("x-a", "2"), ("cookie", "k=v; l=w"), ("connection", "close")])
    assert made["headers"] == {"x-a": "1,2"}
    assert made["cookies"] == ["k=v", "l=w"]
    assert made["queryStringParameters"] == {"a": "1,2", "b": "x y"}
    assert made["rawQueryString"] == "a=1&b=x%20y&a=2"


def test_no_query_means_no_query_parameters():
    made = event()
    assert "queryStringParameters" not in made and made["rawQueryString"] == ""


def test_the_path_is_decoded_once():
    made = event(path="/webhooks/generic/a%20b%252F")
    assert made["pathParameters"]["account"] == "a b%2F"
    assert made["rawPath"] == "/webhooks/generic/a b%2F"


@pytest.mark.parametrize(
    ("content_type", "body", "encoded"),
    [
        ("application/json", '{"text":"你好"}'.encode(), False),
        ("application/json; charset=utf-8", b"{}", False),
        ("text/xml", b"<xml/>", False),
        ("application/xml", b"<xml/>", False),
        ("application/x-www-form-urlencoded", b"Body=hello", True),
        ("application/json-patch+json", b"[]", True),
        ("application/octet-stream", b"\x00\xff", True),
        ("application/json", b"\xff\xfe", True),
        (None, b"anything", True),
    ],
)
def test_what_is_not_text_goes_through_as_base64(content_type, body, encoded):
    made = event(headers=[("content-type", content_type)] if content_type else [], body=body)
    assert made["isBase64Encoded"] is encoded
    assert (b64decode(made["body"]) if encoded else made["body"].encode()) == body


@given(
    body=st.binary(max_size=200),
    content_type=st.sampled_from(["text/plain", "application/json", "application/x-www-form-urlencoded", "image/png"]),
)
def test_ingest_reads_the_very_bytes_that_were_sent(body, content_type):
    assert raw_request(event(headers=[("content-type", content_type)], body=body), utc_now()).body == body


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/webhooks/generic/demo"),
        ("POST", "/webhooks/generic"),
        ("POST", "/webhooks/generic/demo/more"),
        ("POST", "/webhooks//demo"),
        ("POST", "/WEBHOOKS/generic/demo"),
        ("GET", "/"),
    ],
)
def test_what_no_route_matches_has_no_route(method, path):
    assert match(ROUTES, request(method=method, path=path)) is None


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        (
            {"statusCode": 202, "body": "是", "headers": {"Content-Type": "text/plain"}},
            (202, "是".encode(), (("content-type", "text/plain"),)),
        ),
        ({"statusCode": "204"}, (204, b"", ())),
        ({"statusCode": 200, "body": b64encode(b"\x00").decode(), "isBase64Encoded": True}, (200, b"\x00", ())),
        ({"statusCode": 200, "cookies": ["a=b"]}, (200, b"", (("set-cookie", "a=b"),))),
        ("plain", (200, b'"plain"', (("content-type", "application/json"),))),
    ],
)
def test_a_functions_result_becomes_an_answer(payload, wanted):
    answer = answer_of(payload)
    assert (answer.status, answer.body, answer.headers) == wanted


@pytest.mark.parametrize(
    "payload",
    [
        {"statusCode": "many"},
        {"statusCode": 200, "body": 5},
        {"statusCode": 200, "body": "§", "isBase64Encoded": True},
        {"statusCode": 200, "headers": {"a": "b\r\nc: d"}},
        {"statusCode": 200, "headers": 5},
    ],
)
def test_a_result_that_is_no_answer_is_none(payload):
    assert answer_of(payload) is None


# --- HTTP ---


class Front:
    """A gateway whose function answers what it is told to."""

    def __init__(self):
        self.events = []
        self.outcome = Invocation({"statusCode": 200, "body": "ok"})
        self.gateway = Gateway(0, ROUTES, self.invoke, self.local)
        self.gateway.start()
        self.http = urllib3.PoolManager(retries=False)

    def invoke(self, function, made):
        self.events.append((function, made))
        return self.outcome

    def local(self, asked):
        return Answer.json(200, {"status": "ok"}) if asked.raw_path == "/health" else None

    def ask(self, method, path, **more):
        return self.http.request(method, f"http://127.0.0.1:{self.gateway.port}{path}", timeout=10, **more)

    def raw(self, text):
        with socket.create_connection(("127.0.0.1", self.gateway.port), timeout=10) as connection:
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture
def front():
    made = Front()
    yield made
    made.http.clear()
    made.gateway.stop()


def test_a_webhook_reaches_the_function_and_its_answer_the_platform(front):
    answer = front.ask(
        "POST", "/webhooks/generic/demo?x=1", body=b"{}", headers={"X-A": "b", "content-type": "application/json"}
    )
    assert (answer.status, answer.data) == (200, b"ok")
    ((function, made),) = front.events
    assert function == "IngestFunction"
    assert (made["rawQueryString"], made["body"], made["headers"]["x-a"]) == ("x=1", "{}", "b")


def test_unknown_paths_and_methods_are_not_found(front):
    for method, path in [("GET", "/nope"), ("DELETE", "/webhooks/generic/demo"), ("BREW", "/webhooks/generic/demo")]:
        answer = front.ask(method, path)
        assert (answer.status, answer.json()) == (404, {"message": "Not Found"})
    assert not front.events


def test_a_failing_function_is_an_internal_server_error(front):
    for outcome in (Invocation(fault="KeyError"), Invocation({"statusCode": "many"})):
        front.outcome = outcome
        answer = front.ask("POST", "/webhooks/generic/demo")
        assert (answer.status, answer.json()) == (500, {"message": "Internal Server Error"})


def test_a_function_that_has_no_time_is_unavailable(front):
    front.outcome = Invocation(fault="throttled")
    assert front.ask("POST", "/webhooks/generic/demo").status == 503


def test_a_body_of_ten_megabytes_passes_and_a_larger_one_does_not(front):
    assert front.ask("POST", "/webhooks/generic/demo", body=b"x" * MAX_BODY).status == 200
    assert front.ask("POST", "/webhooks/generic/demo", body=b"x" * (MAX_BODY + 1)).status == 413
    assert len(front.events) == 1


def test_a_chunked_body_is_put_together(front):
    answer = front.ask(
        "POST", "/webhooks/generic/demo", body=iter([b"ab", b"c"]), headers={"content-type": "text/plain"}, chunked=True
    )
    assert answer.status == 200
    assert front.events[0][1]["body"] == "abc"


def test_a_connection_serves_many_requests(front):
    for _ in range(3):
        front.ask("POST", "/webhooks/generic/demo", body=b"x")
    assert front.http.connection_from_url(f"http://127.0.0.1:{front.gateway.port}").num_connections == 1


def test_head_has_no_body(front):
    answer = front.ask("HEAD", "/health")
    assert (answer.status, answer.data) == (200, b"")


@pytest.mark.parametrize(
    "text",
    [
        b"POST /webhooks/generic/demo HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /webhooks/generic/demo HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        b"POST /webhooks/generic/demo HTTP/1.1\r\ncontent-length: -5\r\n\r\n",
        b"POST /webhooks/generic/demo HTTP/1.1\r\ncontent-length: 50\r\n\r\nshort",
        b"POST /webhooks/generic/demo HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n",
        b"POST /webhooks/generic/demo HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST /webhooks/generic/demo HTTP/9.9.9\r\n\r\n",
        b'"><script>\r\n\r\n',
    ],
)
def test_broken_framing_is_refused_and_reaches_no_function(front, text):
    answer = front.raw(text)
    assert answer.split(b"\r\n\r\n")[-1] == b'{"message": "Bad Request"}'
    assert not front.events


def test_a_gateway_that_fails_itself_still_answers(front, caplog):
    front.gateway._routes = None
    answer = front.ask("POST", "/webhooks/generic/demo")
    assert (answer.status, json.loads(answer.data)) == (500, {"message": "Internal Server Error"})
    assert "generic/demo" not in caplog.records[0].getMessage()


def test_a_taken_port_is_told_in_one_line(front):
    with pytest.raises(PortTaken, match=f"port {front.gateway.port} is taken"):
        Gateway(front.gateway.port, ROUTES, front.invoke, front.local)


def test_a_port_that_cannot_be_is_told():
    with pytest.raises(CannotStart, match="no port 70000"):
        Gateway(70000, ROUTES, lambda *_: Invocation(), lambda _: None)
