"""Every simulated platform's API on one loopback address: `/{channel}/...` goes to that channel's simulator, without the prefix.

Two things that a simulator may have beside its contract are read here, and only here:

- `failures`, a deque of `Failure`: the next requests fail in this order, before anything else is done with them. An `ApiAnswer`
  is given instead of the simulator's own; "hang" gives none until the caller or the server goes; "close" drops the connection;
  "lose" carries the request out and drops the connection instead of answering, as when an answer is lost on its way.
- `owns(request)`: whether a request is for the simulator's account. It is asked where a channel has several; when none says
  yes, the first one answers, as the vendor would answer a stranger.

Calls are carried out one after the other, so simulators need no locks and `outbox` has the order of arrival.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from infra.simulators.contract import ApiAnswer, ApiRequest, Delivered, Simulator

Failure = ApiAnswer | Literal["hang", "close", "lose"]

LONGEST_HANG = 120.0  # seconds
MAX_BODY = 4 * 1024 * 1024


class PlatformServer:
    """The platforms, listening from `start` to `stop`. `origin` is `http://127.0.0.1:{port}`; port 0 takes a free one."""

    def __init__(self, simulators: Iterable[Simulator], port: int = 0) -> None:
        self._simulators = tuple(simulators)
        self._turn = Lock()
        self._arrived: list[Delivered] = []
        self._stopping = Event()
        self._http = _Listener(("127.0.0.1", port), self)
        self._thread = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True, name="platforms")

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def outbox(self) -> tuple[Delivered, ...]:
        """Every reply that reached a platform, in order of arrival."""
        with self._turn:
            return tuple(self._arrived)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Give up the port and every request that hangs."""
        self._stopping.set()
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()

    def answer(self, request: ApiRequest) -> ApiAnswer | None:
        """What the platform says to a request whose path still has its channel; None when the connection is to be dropped."""
        channel, _, rest = request.path.removeprefix("/").partition("/")
        inner = ApiRequest(request.method, f"/{rest}", request.query, request.headers, request.body)
        simulator = self._addressee(channel, inner)
        if simulator is None:
            return ApiAnswer(404, b'{"error":"no such platform"}')
        failure = self._next_failure(simulator)
        if failure == "hang":
            self._stopping.wait(LONGEST_HANG)
        if failure in ("hang", "close"):
            return None
        if isinstance(failure, ApiAnswer):
            return failure
        answer = self._carry_out(simulator, inner)
        return None if failure == "lose" else answer

    def _addressee(self, channel: str, request: ApiRequest) -> Simulator | None:
        of_channel = [simulator for simulator in self._simulators if simulator.channel == channel]
        owners = (s for s in of_channel if hasattr(s, "owns") and s.owns(request)) if len(of_channel) > 1 else iter(())
        return next(owners, of_channel[0] if of_channel else None)

    def _next_failure(self, simulator: Simulator) -> Failure | None:
        failures: deque[Failure] | None = getattr(simulator, "failures", None)
        with self._turn:
            return failures.popleft() if failures else None

    def _carry_out(self, simulator: Simulator, request: ApiRequest) -> ApiAnswer:
        with self._turn:
            before = len(simulator.outbox)
            answer = simulator.api(request)
            self._arrived.extend(simulator.outbox[before:])
            return answer


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # with the usual 5, a burst of callers waits a second for its connections

    def __init__(self, address: tuple[str, int], platforms: PlatformServer) -> None:
        self.platforms = platforms
        super().__init__(address, _Exchange)


class _Exchange(BaseHTTPRequestHandler):
    server: _Listener
    timeout = 30

    def _exchange(self) -> None:
        length = self.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY:
            self.send_error(413)
            return
        url = urlsplit(self.path)
        answer = self.server.platforms.answer(
            ApiRequest(
                method=self.command,
                path=url.path,
                query=dict(parse_qsl(url.query, keep_blank_values=True)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(int(length)),
            )
        )
        if answer is not None:
            self._say(answer)

    def _say(self, answer: ApiAnswer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_DELETE = _exchange  # noqa: N815  http.server's own names

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what arrived is in the outbox, and URLs may hold tokens."""
