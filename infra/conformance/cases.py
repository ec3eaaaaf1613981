"""The cases: what a platform does to a webhook address, and what a good address makes of it.

A simulator that lacks the means for a case (a platform without a handshake, say) makes it "does not apply", never a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal

from infra.conformance.address import Address
from infra.conformance.durations import spoken
from infra.simulators.contract import Webhook, utc_now
from infra.simulators.delivery import Attempt

REFUSALS = (401, 403)
OVERSIZE = 1024 * 1024 + 1
AGES = (timedelta(seconds=6), timedelta(seconds=3))  # some platforms tell their time to the second


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a case ended; `detail` says what was seen."""

    case: str
    outcome: Literal["passed", "failed", "does not apply"]
    detail: str


class NotApplicable(Exception):
    """The platform has no such thing."""


class Unexpected(Exception):
    """What was seen is not what should be."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a case says must be stored of a person, looked at when every case has been tried: queues take their time."""

    person: str
    count: int
    kind: str | None = None
    texts: tuple[str, ...] = ()


@dataclass(slots=True)
class Bench:
    """One channel's simulator and the address under test. Each case has people of its own."""

    simulator: Any
    address: Address
    first_person: int
    people: int = 0
    expected: list[Stored] = field(default_factory=list)

    def person(self) -> str:
        """Somebody who has not written before."""
        self.people += 1
        return str(self.simulator.person(self.first_person + self.people))

    def made(self, name: str, *arguments: Any) -> Webhook:
        """A webhook by the simulator's maker of this name; `NotApplicable` when it has none, or makes none."""
        maker = getattr(self.simulator, name, None)
        webhook = maker(*arguments) if maker else None
        if webhook is None:
            raise NotApplicable
        found: Webhook = webhook
        return found

    def accepted(self, webhook: Webhook) -> Attempt:
        """Deliver; the answer must be a 2xx."""
        attempt = self.address.send(webhook)
        if not attempt.accepted:
            raise Unexpected(f"answered {attempt.status}")
        if getattr(self.simulator, "announces", False):
            self.address.drain()
        return attempt

    def refused(self, webhook: Webhook, *statuses: int) -> str:
        """Deliver; the answer must be one of the statuses, by default a refusal of the signature."""
        attempt = self.address.send(webhook)
        if attempt.status not in (statuses or REFUSALS):
            raise Unexpected(f"answered {attempt.status}")
        return f"answered {attempt.status}"

    def must_store(self, person: str, count: int, kind: str | None = None, texts: tuple[str, ...] = ()) -> None:
        """So many messages of the person must be stored, of a certain kind and with these texts in this order, if given."""
        self.expected.append(Stored(person, count, kind, texts))


def handshake(bench: Bench) -> str:
    """The console's verification call is answered with what the console wants."""
    webhook = bench.made("handshake")
    answer = bench.accepted(webhook)
    wanted = bench.simulator.handshake_answer(webhook)
    if answer.body != wanted:
        raise Unexpected(f"answered {answer.body[:60]!r}")
    return "answered as the console wants"


def good(bench: Bench) -> str:
    """A signed text is taken and stored."""
    person = bench.person()
    bench.accepted(bench.made("text", person, "你好,请问几点开门?"))
    bench.must_store(person, 1)
    return "accepted"


def forged(bench: Bench) -> str:
    """A wrong secret is refused."""
    person = bench.person()
    bench.must_store(person, 0)
    return bench.refused(bench.made("forged", person, "你好"))


def stale(bench: Bench) -> str:
    """A right signature of an hour ago is refused."""
    person = bench.person()
    bench.must_store(person, 0)
    return bench.refused(bench.made("stale", person, "你好"))


def replayed(bench: Bench) -> str:
    """A captured signature does not vouch for another body."""
    captured = bench.made("text", bench.person(), "你好")
    other = bench.person()
    replay = _replay(bench, captured, other)
    bench.accepted(captured)
    if not getattr(
        bench.simulator, "announces", False
    ):  # where webhooks only announce, what the other person wrote is fetched anyhow
        bench.must_store(other, 0)
    return bench.refused(replay)


def _replay(bench: Bench, captured: Webhook, other: str) -> Webhook:
    """What was captured, with a body of another's; there is nothing to capture where a signature is the same for all bodies, or in them."""
    if hasattr(bench.simulator, "replayed"):
        return bench.made("replayed", captured, other, "请把钱转给我")
    honest = bench.made("text", other, "请把钱转给我")
    replay = replace(captured, body=honest.body)
    if _signs_alike(replay, honest):
        raise NotApplicable
    return replay


def _signs_alike(one: Webhook, other: Webhook) -> bool:
    ours = {name: value for name, value in one.headers.items() if name.lower() not in ("content-type", "msg-id", "webhook-id")}
    return one.query == other.query and all(other.headers.get(name) == value for name, value in ours.items())


def batch(bench: Bench) -> str:
    """Several messages in one webhook are all stored."""
    one, other = bench.person(), bench.person()
    bench.accepted(bench.made("texts", [(one, "第一条"), (other, "第二条")]))
    bench.must_store(one, 1)
    bench.must_store(other, 1)
    return "accepted"


def duplicate(bench: Bench) -> str:
    """The same webhook twice leaves one message."""
    person = bench.person()
    webhook = bench.made("text", person, "这条会发两次")
    bench.accepted(webhook)
    bench.accepted(webhook)
    bench.must_store(person, 1)
    return "accepted twice"


def reordered(bench: Bench) -> str:
    """Of two messages that come in the wrong order none is lost, and the conversation has them as they were written."""
    person, now = bench.person(), utc_now()
    texts = ("先说的", "后说的")
    first, second = (bench.simulator.text(person, text, at=now - age) for text, age in zip(texts, AGES, strict=True))
    bench.accepted(second)
    bench.accepted(first)
    told = not getattr(bench.simulator, "timeless", False)
    bench.must_store(person, 2, texts=texts if told else ())
    return "accepted, in the order of the platform's time" if told else "accepted; the platform tells no time"


def beside(bench: Bench) -> str:
    """Receipts, echoes and whatever else the vendor tells between two messages are accepted, and are no messages."""
    person = bench.person()
    told = bench.simulator.beside(person) if hasattr(bench.simulator, "beside") else []
    if not told:
        raise NotApplicable
    for webhook in (bench.made("text", person, "第一句"), *told, bench.made("text", person, "第二句")):
        bench.accepted(webhook)
    bench.must_store(person, 2)
    return f"accepted {len(told)} between two messages"


def retry_ladder(bench: Bench) -> str:
    """Every try of the vendor's ladder, as if our answers had been lost, is accepted and leaves one message.

    Nobody waits: the message, and its signature where later tries bear the first one's, is as old as at the last try.
    """
    person, patience = bench.person(), bench.simulator.patience
    webhook = bench.simulator.text(person, "每次重试都是同一条", at=utc_now() - patience.ages[-1])
    resigned = getattr(bench.simulator, "signed_anew", lambda same: same)
    for _ in patience.ages:
        bench.accepted(resigned(webhook))
    bench.must_store(person, 1)
    if not patience.waits:
        return "accepted; the vendor is not known to try again"
    return f"accepted at {', '.join(map(spoken, patience.ages))}; {patience.signing}"


def unknown_kind(bench: Bench) -> str:
    """A message of a kind that nobody knows is stored as unsupported, never an error, never dropped."""
    person = bench.person()
    bench.accepted(bench.made("unknown", person))
    bench.must_store(person, 1, "unsupported")
    return "accepted"


def oversize(bench: Bench) -> str:
    """A body beyond a mebibyte is refused, whoever signed it."""
    webhook = bench.made("text", bench.person(), "x")
    return bench.refused(replace(webhook, body=webhook.body + b" " * OVERSIZE), 413)


def downgrade(bench: Bench) -> str:
    """Unsigned, or in a weaker mode that the platform has, a webhook is refused: the configured mode decides, never the request."""
    person = bench.person()
    bench.must_store(person, 0)
    if hasattr(bench.simulator, "downgraded"):
        bench.refused(bench.made("downgraded", person, "没有加密"))
    webhook = bench.made("text", person, "没有签名")
    bare = replace(webhook, headers={"content-type": webhook.headers.get("content-type", "")}, query="")
    return bench.refused(bare)


CASES: tuple[Callable[[Bench], str], ...] = (
    handshake, good, forged, stale, replayed, batch, duplicate, reordered, beside, retry_ladder, unknown_kind, oversize, downgrade,
)  # fmt: skip


def verdicts(bench: Bench) -> Iterator[Verdict]:
    """Every case in turn; then, where it can be seen, what was stored of each."""
    tried = [(_verdict(case, bench), _taken(bench.expected)) for case in CASES]
    stored = bench.address.stored()
    for verdict, expected in tried:
        yield verdict if verdict.outcome != "passed" else confirmed(verdict, expected, stored)


def _verdict(case: Callable[[Bench], str], bench: Bench) -> Verdict:
    name = case.__name__.replace("_", " ")
    try:
        return Verdict(name, "passed", case(bench))
    except NotApplicable:
        bench.expected.clear()
        return Verdict(name, "does not apply", "the platform has no such thing")
    except Unexpected as seen:
        return Verdict(name, "failed", str(seen))


def _taken(expected: list[Stored]) -> tuple[Stored, ...]:
    taken = tuple(expected)
    expected.clear()
    return taken


def confirmed(verdict: Verdict, expected: tuple[Stored, ...], stored: list[dict[str, Any]] | None) -> Verdict:
    """The verdict once more, with what was stored; as it is where nobody can be asked (None)."""
    if stored is None or not expected:
        return verdict
    for wanted in expected:
        theirs = [message for message in stored if message["contact"] == wanted.person]
        kinds, texts = [message["kind"] for message in theirs], tuple(message["text"] for message in theirs)
        if len(kinds) != wanted.count or (wanted.kind and set(kinds) != {wanted.kind}):
            return replace(verdict, outcome="failed", detail=f"{verdict.detail}, stored {kinds or 'nothing'}")
        if wanted.texts and texts != wanted.texts:
            return replace(verdict, outcome="failed", detail=f"{verdict.detail}, stored as {', '.join(map(str, texts))}")
    return replace(verdict, detail=f"{verdict.detail}, {sum(wanted.count for wanted in expected)} stored")
