"""HTTP to platforms: what `channels.contract.Outbound` asks for, over urllib3. https://urllib3.readthedocs.io

The one question that matters after a fault is whether the request left. Whatever fails until the connection stands, TLS included, is
`Unreachable`; whatever fails after that is `NoAnswer`. A connection serves one request: one that idled while the function was frozen
may look alive and swallow a request, which would make an unknown outcome out of nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from functions.channels.contract import AccessToken, HttpResult, NoAnswer, Unreachable
from functions.common.clock import Clock
from functions.common.token_lease import TokenLeases

if TYPE_CHECKING:
    from datetime import datetime

    from urllib3 import BaseHTTPResponse, PoolManager

CONNECT_SECONDS = 2.0
READ_SECONDS = 5.0
# In all, names, several addresses and TLS included: a request that its sender allowed a moment ago must not leave much later.
CONNECTED_WITHIN = 10.0
MAX_ANSWER = 64 * 1024
# Undecoded: nobody asked for a compressed answer, and a small one may unpack to a large one.
_ONE_TRY: dict[str, Any] = {
    "retries": False,
    "preload_content": False,
    "decode_content": False,
    "enforce_content_length": True,
}

# Behind these stands an IPv4 address: NAT64 translates the one (RFC 6052), the other was its forerunner (RFC 4291).
_EMBEDDED = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"))

# At WARNING urllib3 quotes the URL of an answer whose headers it cannot read, and some URLs hold tokens.
logging.getLogger("urllib3").setLevel(logging.ERROR)


class PlatformHttp:
    """One reply's, or one pull's, way out. `override` is the origin under which simulators are mounted, in local runs only.

    `max_answer`: bytes of an answer beyond which it counts as none.
    """

    def __init__(
        self,
        *,
        channel: str,
        request_id: str,
        override: str | None,
        leases: TokenLeases,
        clock: Clock,
        max_answer: int = MAX_ANSWER,
    ) -> None:
        self._channel = channel
        self._request_id = request_id
        self._override = override.rstrip("/") if override else None
        self._leases = leases
        self._clock = clock
        self._max_answer = max_answer

    def now(self) -> datetime:
        """The time, UTC."""
        return self._clock()

    def origin(self, default: str) -> str:
        """`default`, or the simulator's address in a local run."""
        return f"{self._override}/{self._channel}" if self._override else default

    def request(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes) -> HttpResult:
        """One HTTP exchange; `Unreachable` also for an address that we do not call: not HTTPS, or not on the public internet."""
        local = self._is_local(url)
        if not local:
            _check(url)
        sent = {**headers, "x-request-id": self._request_id, "connection": "close"}
        return _exchange(pools(public_only=not local), method, url, sent, body, limit=self._max_answer)

    def access_token(self, app: str, fetch: Callable[[], AccessToken]) -> str:
        """The app's token out of the shared lease."""
        return self._leases.token(app, fetch)

    def forget_token(self, app: str, token: str) -> None:
        """Drop a token that the platform refused."""
        self._leases.forget(app, token)

    def _is_local(self, url: str) -> bool:
        # By parts: http://127.0.0.1:80 is how http://127.0.0.1:8080 and http://127.0.0.1:80@elsewhere begin, too.
        return self._override is not None and _origin(_split(url)) == _origin(_split(self._override))


def _exchange(pool: PoolManager, method: str, url: str, headers: dict[str, str], body: bytes, *, limit: int) -> HttpResult:
    from urllib3.exceptions import ConnectTimeoutError, HTTPError, LocationValueError, NewConnectionError

    try:
        response = pool.urlopen(method, url, redirect=False, headers=headers, body=body, **_ONE_TRY)
        with response:
            return HttpResult(response.status, {k.lower(): v for k, v in response.headers.items()}, _bounded(response, limit))
    except (NewConnectionError, ConnectTimeoutError, LocationValueError) as error:
        raise Unreachable(type(error).__name__) from None
    except (HTTPError, OSError, ValueError) as error:
        # Only the type: urllib3's words hold the URL.
        raise NoAnswer(type(error).__name__) from None


def _bounded(response: BaseHTTPResponse, limit: int) -> bytes:
    body = b""
    # To the very end: only the read that finds nothing more tells a whole answer from one that was cut short.
    while piece := response.read(limit + 1):
        body += piece
        if len(body) > limit:
            raise NoAnswer("answer too large")
    return body


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # ValueError when it is no port
    except ValueError:
        raise Unreachable("not a URL") from None
    return parts


def _origin(parts: SplitResult) -> tuple[Any, ...]:
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default, parts.username, parts.password


def _check(url: str) -> None:
    parts = _split(url)
    if parts.scheme != "https" or not parts.hostname or parts.username is not None:
        raise Unreachable("not a plain https URL")
    try:
        literal = is_public(parts.hostname)
    except ValueError:
        return  # a name: the connection checks what it resolves to
    if not literal:
        raise Unreachable("not a public address")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet; `ValueError` when the text is no address."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address):
        embedded = IPv4Address(int(parsed) & 0xFFFFFFFF) if any(parsed in network for network in _EMBEDDED) else None
        parsed = embedded or parsed.ipv4_mapped or parsed.sixtofour or parsed
    return parsed.is_global and not parsed.is_multicast


@cache
def pools(*, public_only: bool) -> PoolManager:
    """The process's connections. With `public_only` a host whose name resolves to another kind of address is not talked to.

    What counts is the address that was connected to, not what a look-up before it said: a name may resolve differently the next time.
    """
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout
    from urllib3.connection import HTTPConnection, HTTPSConnection

    class _Connection(_Guard, HTTPConnection):
        pass

    class _SecureConnection(_Guard, HTTPSConnection):
        pass

    class _Pool(HTTPConnectionPool):
        ConnectionCls = _Connection

    class _SecurePool(HTTPSConnectionPool):
        ConnectionCls = _SecureConnection

    _Connection.public_only = _SecureConnection.public_only = public_only
    manager = PoolManager(timeout=Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS))
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return manager


class _Guard:
    """Mixed into a connection: whatever happens before it stands is `Unreachable`, a forbidden address included."""

    public_only = True

    def connect(self) -> None:
        began = monotonic()
        try:
            super().connect()  # type: ignore[misc]
            if monotonic() - began > CONNECTED_WITHIN:
                raise Unreachable("took too long to connect")
        except Unreachable:
            raise
        except Exception as error:  # nothing has been sent yet, whatever it was
            raise Unreachable(type(error).__name__) from None

    def _new_conn(self) -> Any:
        sock = super()._new_conn()  # type: ignore[misc]
        if self.public_only and not is_public(sock.getpeername()[0]):
            sock.close()
            raise Unreachable("not a public address")
        return sock
