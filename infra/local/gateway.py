"""API Gateway's HTTP API on the loopback interface: the template's routes, payload format 2.0 to the functions and back.

Beside the routes it serves what is local only (`/health`, `/_local/...`). Limits are API Gateway's own: 10 MB of body, 30 s to answer.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from infra.local.errors import CannotStart, PortTaken
from infra.local.http_body import BodyTooLarge, BodyUnreadable, read_body
from infra.local.payload import Answer, HttpRequest, answer_of, event_for, match
from infra.local.resources import Route
from infra.local.workers import Invocation

LOG = logging.getLogger(__name__)
MAX_BODY = 10 * 1024 * 1024
ANSWER_WITHIN = 29.0

Invoke = Callable[[str, dict[str, Any]], Invocation]
Local = Callable[[HttpRequest], Answer | None]

NOT_FOUND = Answer.json(404, {"message": "Not Found"})
TOO_LARGE = Answer.json(413, {"message": "Request Entity Too Large"})
BAD_REQUEST = Answer.json(400, {"message": "Bad Request"})
FAILED = Answer.json(500, {"message": "Internal Server Error"})
UNAVAILABLE = Answer.json(503, {"message": "Service Unavailable"})


class Gateway:
    """An HTTP server. `invoke(function's logical id, event)` runs a function; `local` answers what no route does, or gives None."""

    def __init__(self, port: int, routes: tuple[Route, ...], invoke: Invoke, local: Local) -> None:
        self._routes = routes
        self._invoke = invoke
        self._local = local
        self._server = _server(port, self.answer)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True, name="gateway")

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Take no further connection."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    def answer(self, request: HttpRequest) -> Answer:
        """What the gateway says to a request."""
        local = self._local(request)
        if local is not None:
            return local
        found = match(self._routes, request)
        if found is None:
            return NOT_FOUND
        route, parameters = found
        outcome = self._invoke(route.function, event_for(request, route, parameters, str(uuid4())))
        if outcome.fault == "throttled":
            return UNAVAILABLE
        if outcome.fault is not None:
            LOG.warning("%s %s: function failed: %s", route.method, route.path, outcome.fault)
            return FAILED
        return answer_of(outcome.payload) or FAILED


def _server(port: int, answer: Callable[[HttpRequest], Answer]) -> ThreadingHTTPServer:
    class Handler(_Handler):
        pass

    Handler.answer = staticmethod(answer)
    try:
        return _Server(("127.0.0.1", port), Handler)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(f"port {port} is taken; choose another: make run PORT=9000, or --port 9000") from error
        raise CannotStart(f"cannot listen on port {port}: {error.strerror}") from error
    except OverflowError as error:
        raise CannotStart(f"there is no port {port}") from error


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True
    error_content_type = "application/json"
    error_message_format = '{"message": "Bad Request"}'
    answer: Callable[[HttpRequest], Answer]

    def __getattr__(self, name: str) -> Any:
        # The library looks for `do_<METHOD>`. Any method may come; which are known is for the routes to say.
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a path may hold a token."""

    def _serve(self) -> None:
        try:
            body = read_body(self.headers, self.rfile, MAX_BODY)
        except (BodyTooLarge, BodyUnreadable) as fault:
            self.close_connection = True
            self._send(TOO_LARGE if isinstance(fault, BodyTooLarge) else BAD_REQUEST)
            return self._linger()
        try:
            return self._send(type(self).answer(self._request(body)))
        except ConnectionError:
            self.close_connection = True
        except Exception:
            LOG.exception("the gateway itself failed")
            self._send(FAILED)

    def _linger(self) -> None:
        # Closing on somebody who is still sending would reset the connection before the answer is read.
        self.wfile.flush()
        self.connection.settimeout(1)
        try:
            for _ in range(1024):
                if not self.connection.recv(65536):
                    return
        except OSError:
            return

    def _request(self, body: bytes) -> HttpRequest:
        target = urlsplit(self.path) if self.path.startswith("http") else None
        path, _, query = (target.path + "?" + target.query if target else self.path).partition("?")
        return HttpRequest(
            method=self.command,
            raw_path=path,
            raw_query=query,
            headers=tuple((name.lower(), value) for name, value in self.headers.items()),
            body=body,
            source_ip=self.client_address[0],
            protocol=self.request_version,
        )

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.status >= 200 and answer.status not in (204, 304):
            self.send_header("content-length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
