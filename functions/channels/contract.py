"""What a channel is: seven questions that ingest and autoreply ask of a platform, and the shapes of the answers.

`verify` never raises on hostile input and compares secrets in constant time; `decode` and `parse` see verified bytes only and
raise nothing but `MalformedPayload`. `send` never raises: what happened is a `SendResult`.

A platform that announces messages instead of sending them is asked an eighth, `pull`: see `PullingAdapter`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from functions.common.errors import Retryable
from functions.common.message import Message, Verification
from functions.common.wire import PullTask, Sighting


class Credentials(BaseModel):
    """What an account's secret holds, in the vendor's own field names. Unknown fields are refused: a typo must not weaken a check.

    `receive_only`: nothing is ever sent from this account; for one whose API may not send.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    receive_only: bool = False


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A webhook as it came. Header names are lower case; `query` is decoded once, in order, duplicates kept.

    `path` is the path of our route (`/webhooks/{channel}/{account}`), `raw_query` the query string as it was sent.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    raw_query: str
    headers: Mapping[str, str]
    body: bytes
    source_ip: str
    received_at: datetime

    def parameter(self, name: str) -> str | None:
        """The first value of a query parameter."""
        return next((value for key, value in self.query if key == name), None)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the platform is told. The body is sent as it is."""

    status: int = 200
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Verified:
    """The webhook is the platform's, under `credentials`.

    Where the signature does not cover the body, `replay_key` names the signature: one signature may vouch for one body only.
    """

    request: RawRequest
    credentials: Any
    verification: Verification
    replay_key: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The webhook is not, or cannot be shown to be, the platform's. `reason` is for the log, never for the sender."""

    reason: str
    status: Literal[401, 403] = 401


@dataclass(frozen=True, slots=True)
class Payload:
    """A verified webhook, decrypted and parsed as far as its container goes. `body` is the channel's own business."""

    verified: Verified
    account: str
    body: Any


@dataclass(frozen=True, slots=True)
class Ignored:
    """An item that needs no answer: a receipt, an echo, a follow event. A `sighting` in it reaches its conversation."""

    kind: str
    native_id: str | None = None
    sighting: Sighting | None = None


@dataclass(frozen=True, slots=True)
class ItemError:
    """An item of a verified webhook that could not be read. `where` names its place in the payload, never its content."""

    reason: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class ParseResult:
    """Every item of a webhook, once: its counts add up to what was verified. `pulls` are announcements: what they announce is fetched."""

    messages: tuple[Message, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    errors: tuple[ItemError, ...] = ()
    pulls: tuple[PullTask, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PulledPage:
    """A page of what was announced. `next_cursor` is where the next one begins; None: where this one did."""

    result: ParseResult
    next_cursor: str | None
    has_more: bool


class PullFailed(Retryable):
    """The platform gave no page. The message is the vendor's code or ours, never what was asked."""


TextUnit = Literal["characters", "utf16", "bytes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shows:
    """What of a reply a platform shows beside plain text; all else reaches it as words.

    `image`: a picture by its address. `buttons`: at most so many, of `button_title` characters each, under a text of at most
    `text_beside_buttons` (in the unit of `max_text`). `parts`: whether a long text may come as several messages. `links`: whether a text
    may name an address.
    `only`: where it depends on the person or the account, what is shown in answer to a message; these fields are then the most there is.
    """

    image: bool = False
    buttons: int = 0
    button_title: int = 20
    text_beside_buttons: int | None = None
    parts: bool = True
    links: bool = True
    only: Callable[[Message], Shows] | None = None

    def to(self, message: Message) -> Shows:
        """What is shown in answer to a message."""
        return self.only(message) if self.only else self


TEXT_ONLY = Shows()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingReply:
    """A text, or a picture, for one contact. `message_id` is the message it answers.

    A long answer goes out in several parts, counted from 0. `buttons` (titles; a tap says the title) and `image_url` come only where
    `Adapter.shows` says that the platform has them; with an image the text is empty. `token` is what that message's `reply` window
    held: whatever the platform wants back with the answer.
    """

    message_id: str
    native_id: str | None
    contact: str
    text: str
    not_after: datetime | None = None
    token: str | None = field(default=None, repr=False)
    part: int = 0
    buttons: tuple[str, ...] = ()
    image_url: str | None = None

    @property
    def key(self) -> str:
        """The idempotency key of this part, the same for every try, where a platform takes one."""
        return f"{self.message_id}.{self.part}" if self.part else self.message_id


Outcome = Literal[
    "sent",  # the platform took it
    "duplicate",  # the platform had taken it before
    "window_closed",  # too late, or too many
    "rate_limited",  # not taken; try after `retry_after`
    "auth_expired",  # not taken; the access token must be fetched anew
    "invalid",  # not taken, and never will be
    "transient",  # not taken, may be later
    "unknown",  # nobody can say
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """What became of a send. `retry_after` in seconds; `code` is the vendor's own; `provider_id` the id it gave our reply."""

    outcome: Outcome
    provider_id: str | None = None
    retry_after: float | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class HttpResult:
    """A platform's HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Unreachable(Exception):
    """The request did not leave: nothing was sent."""


class NoAnswer(Exception):
    """The request left and no answer came back whole: it may or may not have been carried out."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A platform's access token and for how many seconds it is good."""

    value: str = field(repr=False)
    expires_in: int


class Outbound(Protocol):
    """What a channel may use to reach its platform. The real one is `functions.common.outbound.PlatformHttp`."""

    def now(self) -> datetime:
        """The time, UTC."""

    def origin(self, default: str) -> str:
        """Scheme and host of the platform's API: `default`, or in a local run the simulator's address for it."""

    def request(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes) -> HttpResult:
        """One HTTP exchange, no retries, no redirects; `Unreachable` or `NoAnswer` when there was none."""

    def access_token(self, app: str, fetch: Callable[[], AccessToken]) -> str:
        """The access token of an app (`keys.app`) out of the shared lease; `fetch` is called by at most one holder at a time."""

    def forget_token(self, app: str, token: str) -> None:
        """The platform refused this token: the next call fetches another."""


class Adapter(Protocol):
    """One platform, in one object without state.

    `idempotent_send`: the platform takes an idempotency key, so a send with an unknown outcome may be tried again. `max_text`: how much
    text one of its messages takes, as the vendor counts (UTF-16 code units, UTF-8 bytes); None where no limit is known.
    """

    channel: str
    credentials: type[Credentials]
    idempotent_send: bool
    max_text: int | None
    max_text_unit: TextUnit
    shows: Shows

    def verify(self, request: RawRequest, credentials: Any, now: datetime) -> Verified | Rejected:
        """Whether the webhook is the platform's, from the raw bytes and the configured mode alone."""

    def decode(self, verified: Verified, account: str) -> Payload:
        """Decrypt and parse the container; `MalformedPayload` when it is not the platform's format."""

    def handshake(self, payload: Payload) -> HttpAnswer | None:
        """The answer to a console's verification call, or None when this is not one."""

    def parse(self, payload: Payload) -> ParseResult:
        """Every item of the webhook as a message, an ignored item or an error; one bad item spares its siblings.

        A message's `reply` says until when and how often the platform lets us answer it.
        """

    def acknowledge(self, payload: Payload, result: ParseResult) -> HttpAnswer:
        """What the platform wants to hear once the messages are safe."""

    def send(self, reply: OutgoingReply, credentials: Any, outbound: Outbound) -> SendResult:
        """Send one text or picture."""


class PullingAdapter(Adapter, Protocol):
    """A platform whose webhooks announce and whose messages are fetched: `parse` gives `pulls`, a later step of its own asks for pages."""

    def pull(self, task: PullTask, cursor: str | None, credentials: Any, outbound: Outbound) -> PulledPage:
        """One page from `cursor` (None: from the earliest there is); one bad item spares its siblings.

        `PullFailed`, `Unreachable`, `NoAnswer` or the lease's own `Retryable` when there was no page: asking again does no harm.
        """
