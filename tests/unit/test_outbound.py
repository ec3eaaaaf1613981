from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from functions.channels.contract import HttpResult, NoAnswer, Unreachable
from functions.common import outbound as module
from functions.common.outbound import MAX_ANSWER, PlatformHttp, is_public, pools
from tests.fakes.reply_desk import OPEN

BEHIND_NAT64 = [
    ("64:ff9b::a9fe:a9fe", False),  # 169.254.169.254
    ("64:ff9b::a00:1", False),  # 10.0.0.1
    ("64:ff9b::808:808", True),
    ("::127.0.0.1", False),
]


class Leases:
    def token(self, app: str, fetch: Callable[[], Any]) -> str:
        return f"{app}/{fetch()}"


def _outbound(override: str | None = None) -> PlatformHttp:
    return PlatformHttp(channel="wechat_oa", request_id="conv.ts.h", override=override, leases=Leases(), clock=lambda: OPEN)


@contextmanager
def _serving(answer: Callable[[socket.socket, bytes], None]) -> Iterator[str]:
    """A server that reads one request per connection and lets `answer` have the socket."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                answer(connection, _request_of(connection))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def _request_of(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def _saying(raw: bytes) -> Callable[[socket.socket, bytes], None]:
    return lambda connection, _: connection.sendall(raw)


def _post(url: str, override: str | None = None) -> HttpResult:
    return _outbound(override).request("POST", url, headers={"content-type": "text/plain"}, body="您好".encode())


def test_an_exchange_carries_our_message_id_and_brings_the_answer_back():
    asked: list[bytes] = []

    def answer(connection: socket.socket, request: bytes) -> None:
        asked.append(request)
        connection.sendall(b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}")

    with _serving(answer) as origin:
        assert _post(f"{origin}/send?access_token=hunter2", origin) == HttpResult(
            429, {"retry-after": "7", "content-length": "2"}, b"{}"
        )
    assert b"x-request-id: conv.ts.h" in asked[0]
    assert b"connection: close" in asked[0]
    assert asked[0].endswith("您好".encode())


def test_a_redirect_is_an_answer_like_any_other():
    raw = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    with _serving(_saying(raw)) as origin:
        assert _post(origin, origin).status == 302


def test_a_chunked_answer_is_read_whole():
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with _serving(_saying(raw)) as origin:
        assert _post(origin, origin).body == b"abcde"


@pytest.mark.parametrize(
    "raw",
    [
        b"",  # closed at once
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",  # closed early
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_ANSWER + 1) + b"x" * (MAX_ANSWER + 1),
    ],
)
def test_once_the_request_has_left_a_fault_is_no_answer(raw):
    with _serving(_saying(raw)) as origin, pytest.raises(NoAnswer):
        _post(origin, origin)


def test_an_answer_of_the_greatest_size_is_taken():
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MAX_ANSWER + b"x" * MAX_ANSWER
    with _serving(_saying(raw)) as origin:
        assert len(_post(origin, origin).body) == MAX_ANSWER


def test_a_platform_that_says_nothing_is_no_answer(monkeypatch):
    from urllib3 import Timeout

    released = threading.Event()
    pool = pools(public_only=False)
    monkeypatch.setitem(pool.connection_pool_kw, "timeout", Timeout(connect=2, read=0.05))
    with _serving(lambda connection, _: released.wait(5) and None) as origin:
        try:
            with pytest.raises(NoAnswer):
                _post(origin, origin)
        finally:
            released.set()


def test_the_limits_are_two_seconds_to_connect_and_five_to_read():
    timeout = pools(public_only=True).connection_pool_kw["timeout"]
    assert (timeout.connect_timeout, timeout.read_timeout) == (2, 5)


def test_where_nobody_listens_nothing_was_sent():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(Unreachable):
        _post(origin, origin)


def test_a_connection_that_took_too_long_carries_nothing(monkeypatch):
    seconds = iter((0.0, module.CONNECTED_WITHIN + 0.1))
    monkeypatch.setattr(module, "monotonic", lambda: next(seconds))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(Unreachable, match="took too long"):
            _post(origin, origin)
        listener.settimeout(5)
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(1) == b"", "closed without a word"


def test_a_host_without_an_address_is_unreachable():
    with pytest.raises(Unreachable):
        _post("https://nowhere.invalid/send")


def test_a_failed_tls_handshake_sent_nothing():
    def refuse(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"this is no TLS")

    listener = socket.create_server(("127.0.0.1", 0))
    origin = f"https://127.0.0.1:{listener.getsockname()[1]}"

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            refuse(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener, pytest.raises(Unreachable):
        _post(origin, origin)
    thread.join(5)


@pytest.mark.parametrize(
    "url",
    [
        "http://crm.example/replies",
        "ftp://crm.example/replies",
        "//crm.example/replies",
        "https:///replies",
        "https://user:pass@crm.example/",
        "https://crm.example:port/",
        "https://[::1/",
        "https://127.0.0.1/",
        "https://10.1.2.3/",
        "https://169.254.169.254/latest/meta-data",
        "https://192.168.0.1:8443/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://[::1]/",
        "https://[fd00::1]/",
        "https://[fe80::1%25eth0]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[2002:7f00:1::]/",
    ],
)
def test_an_address_that_is_not_plain_https_on_the_public_internet_is_not_called(url, monkeypatch):
    monkeypatch.setattr(module, "_exchange", lambda *_: pytest.fail("called"))
    with pytest.raises(Unreachable):
        _post(url)


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1", "127.1"])
def test_a_name_that_leads_to_this_machine_is_hung_up_on_before_anything_is_said(host):
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            heard.append(connection.recv(65536))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener:
        with pytest.raises(Unreachable):
            _post(f"https://{host}:{listener.getsockname()[1]}/")
        with socket.create_connection(listener.getsockname()):
            pass  # lets the server go where the host did not even resolve
        thread.join(5)
    assert heard == [b""]


@pytest.mark.parametrize(
    ("address", "public"), [("8.8.8.8", True), ("2606:4700::1111", True), ("172.16.0.1", False), ("::", False), *BEHIND_NAT64]
)
def test_what_counts_as_public(address, public):
    assert is_public(address) is public


def test_the_override_is_one_origin_and_nothing_that_begins_like_it():
    assert _outbound("http://127.0.0.1:9000/").origin("https://api.weixin.qq.com") == "http://127.0.0.1:9000/wechat_oa"
    assert _outbound().origin("https://api.weixin.qq.com") == "https://api.weixin.qq.com"
    for url in (
        "http://127.0.0.1:90001/",
        "http://127.0.0.1:9000@evil.example/",
        "http://127.0.0.1/",
        "https://127.0.0.1:9000/",
    ):
        with pytest.raises(Unreachable):
            _post(url, "http://127.0.0.1:9000")


def test_no_url_reaches_a_log_or_an_error(caplog):
    caplog.set_level(logging.INFO)
    broken = b"HTTP/1.1 200 OK\r\n: no name\r\nno colon\r\nContent-Length: 0\r\n\r\n"
    with _serving(_saying(broken)) as origin:
        _post(f"{origin}/bot:hunter2/send", origin)
    with _serving(_saying(b"")) as origin, pytest.raises(NoAnswer) as fault:
        _post(f"{origin}/bot:hunter2/send", origin)
    assert "hunter2" not in caplog.text
    assert "hunter2" not in str(fault.value)
    assert fault.value.__suppress_context__


def test_tokens_and_time_come_from_what_was_given():
    out = _outbound()
    assert out.now() == OPEN
    assert out.access_token("weixin#wx1", lambda: "t") == "weixin#wx1/t"
