"""What a simulator of a platform is: a maker of signed webhooks and a fake of the vendor's send API, with one outbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class Webhook:
    """One HTTP request of the vendor to `/webhooks/{channel}/{account}`. `query` without the question mark, encoded."""

    method: str = "POST"
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Patience:
    """How the vendor retries: seconds until it gives up on an answer, and seconds to wait before each further try.

    `signing` is how a later try is signed: as `the same bytes`, or `signed anew`; `presumably` where the vendor does not say.
    """

    timeout: float
    waits: tuple[float, ...]
    signing: Literal["the same bytes", "signed anew", "presumably signed anew"] = "the same bytes"

    @property
    def ages(self) -> tuple[timedelta, ...]:
        """How old a webhook is at each try, if every one before it had no answer."""
        waited = accumulate(self.waits, initial=0.0)
        return tuple(timedelta(seconds=wait + place * self.timeout) for place, wait in enumerate(waited))


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A call of ours to the vendor's API; `path` without the `/{channel}` under which the simulator is mounted."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """The vendor's answer."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


@dataclass(frozen=True, slots=True)
class Delivered:
    """A reply, or a part of one, that reached the platform. `in_reply_to` is our message id, out of the request's `x-request-id`.

    A picture comes by its address and without a text; `buttons` are the titles under the text.
    """

    channel: str
    account: str
    contact: str
    text: str
    in_reply_to: str | None
    at: datetime
    buttons: tuple[str, ...] = ()
    image_url: str | None = None


Now = Callable[[], datetime]


def utc_now() -> datetime:
    """The machine's time."""
    return datetime.now(UTC)


class Simulator(Protocol):
    """One platform with one of our accounts. `credentials` are those of config/channels.local.yaml.

    Beside `text`, each simulator offers what its platform can send (`image`, `event` …); every maker takes keyword
    arguments `native_id` and `at` (UTC) where the platform has them, so that a retry or a replay is the same bytes. The
    conformance cases use, where a simulator has them: `handshake()` with `handshake_answer(webhook)`, `texts(pairs)` for a batch
    of (contact, text), `unknown(contact)` for a message of a kind that nobody knows, `replayed(captured, contact, text)`
    where the body is not signed, `downgraded(contact, text)` for the platform's weaker mode (None: there is none),
    `signed_anew(webhook)` where each try has a signature of its own, `beside(contact)` for what the vendor tells beside messages
    (receipts, echoes of what we said, finished jobs, messages taken back), `timeless = True` where it tells no time, and `announces = True`
    where a webhook only says that there is something to fetch: one announcement is then seen through before the next.
    """

    channel: str
    account: str
    patience: Patience
    outbox: list[Delivered]
    welcomes_strangers: bool
    """Whether a reply to a message that this simulator did not send shows that the person wrote: true in the local stack,
    where anybody may sign a webhook by hand."""

    def __init__(self, account: str, credentials: Mapping[str, Any], *, now: Now = utc_now) -> None: ...

    def person(self, number: int) -> str:
        """An id as the platform gives to people, the same for the same number."""

    def text(self, contact: str, text: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        """A signed text message of a person."""

    def forged(self, contact: str, text: str) -> Webhook:
        """The same, signed with a wrong secret."""

    def stale(self, contact: str, text: str) -> Webhook | None:
        """The same, rightly signed an hour ago; None where the platform signs no time."""

    def api(self, request: ApiRequest) -> ApiAnswer:
        """The vendor's API: checks what the vendor checks, answers with the vendor's codes, fills `outbox`."""


def said_in(asked: Mapping[str, Any]) -> tuple[Any, tuple[str, ...]]:
    """The words and the buttons' titles of a text, or of a menu, as both of Tencent's customer-service interfaces take them."""
    inner = asked.get(str(asked.get("msgtype")))
    if asked.get("msgtype") not in ("text", "msgmenu") or not isinstance(inner, dict):
        return None, ()
    titles = tuple(choice.get("click", choice)["content"] for choice in inner.get("list", ()))
    return inner.get("content", inner.get("head_content")), titles


def picture_in(asked: Mapping[str, Any]) -> str | None:
    """The picture of a news message as Tencent takes it: one article, with a title, an address and a picture; None for anything else."""
    inner = asked.get("news")
    articles = inner.get("articles") if isinstance(inner, dict) else None
    if not isinstance(articles, list) or len(articles) != 1 or not isinstance(articles[0], dict):
        return None
    found = [articles[0].get(name) for name in ("title", "url", "picurl")]
    whole = all(isinstance(each, str) and each for each in found) and len(str(found[0]).encode()) <= 128
    return str(found[2]) if whole and str(found[2]).startswith(("http://", "https://")) else None
