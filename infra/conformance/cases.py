"""The cases: what a platform does to a webhook address, and what a good address makes of it.

A simulator that lacks the means for a case (a platform without a handshake, say) makes it "does not apply", never a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from infra.conformance.address import Address
from infra.simulators.contract import Webhook
from infra.simulators.delivery import Attempt

REFUSALS = (401, 403)
OVERSIZE = 1024 * 1024 + 1


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


@dataclass(slots=True)
class Bench:
    """One channel's simulator and the address under test. Each case has a person of its own."""

    simulator: Any
    address: Address
    first_person: int
    people: int = 0

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
        return attempt

    def refused(self, webhook: Webhook, *statuses: int) -> str:
        """Deliver; the answer must be one of the statuses, by default a refusal of the signature."""
        attempt = self.address.send(webhook)
        if attempt.status not in (statuses or REFUSALS):
            raise Unexpected(f"answered {attempt.status}")
        return f"answered {attempt.status}"

    def must_store(self, person: str, count: int) -> str:
        """So many messages of the person are stored, where that can be seen."""
        stored = self.address.stored(person)
        if stored is None:
            return "accepted (what is stored cannot be seen here)"
        if len(stored) != count:
            raise Unexpected(f"{len(stored)} stored, not {count}")
        return f"{count} stored"


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
    return bench.must_store(person, 1)


def forged(bench: Bench) -> str:
    """A wrong secret is refused."""
    person = bench.person()
    seen = bench.refused(bench.made("forged", person, "你好"))
    bench.must_store(person, 0)
    return seen


def stale(bench: Bench) -> str:
    """A right signature of an hour ago is refused."""
    return bench.refused(bench.made("stale", bench.person(), "你好"))


def replayed(bench: Bench) -> str:
    """A captured signature does not vouch for another body, where the body is not signed."""
    captured = bench.made("text", bench.person(), "你好")
    bench.accepted(captured)
    return bench.refused(bench.made("replayed", captured, bench.person(), "请把钱转给我"))


def batch(bench: Bench) -> str:
    """Several messages in one webhook are all stored."""
    one, other = bench.person(), bench.person()
    bench.accepted(bench.made("texts", [(one, "第一条"), (other, "第二条")]))
    bench.must_store(one, 1)
    return f"{bench.must_store(other, 1)} for each of two people"


def duplicate(bench: Bench) -> str:
    """The same webhook twice leaves one message."""
    person = bench.person()
    webhook = bench.made("text", person, "这条会发两次")
    bench.accepted(webhook)
    bench.accepted(webhook)
    return bench.must_store(person, 1)


def retry_ladder(bench: Bench) -> str:
    """Every try of the vendor's ladder, as if our answers had been lost, is accepted and leaves one message."""
    person = bench.person()
    webhook = bench.made("text", person, "每次重试都是同一条")
    tries = 1 + len(bench.simulator.patience.waits)
    resigned = getattr(bench.simulator, "signed_anew", lambda same: same)
    for _ in range(tries):
        bench.accepted(resigned(webhook))
    return f"{tries} tries, {bench.must_store(person, 1)}"


def unknown_kind(bench: Bench) -> str:
    """A message of a kind that nobody knows is stored as unsupported, never an error, never dropped."""
    person = bench.person()
    bench.accepted(bench.made("unknown", person))
    stored = bench.address.stored(person)
    if stored is not None and [message["kind"] for message in stored] != ["unsupported"]:
        raise Unexpected(f"stored as {[message['kind'] for message in stored]}")
    return bench.must_store(person, 1)


def oversize(bench: Bench) -> str:
    """A body beyond a mebibyte is refused, whoever signed it."""
    webhook = bench.made("text", bench.person(), "x")
    return bench.refused(replace(webhook, body=webhook.body + b" " * OVERSIZE), 413)


def downgrade(bench: Bench) -> str:
    """Without its signature a webhook is refused: the configured mode decides, never the request."""
    webhook = bench.made("text", bench.person(), "没有签名")
    return bench.refused(replace(webhook, headers={"content-type": webhook.headers.get("content-type", "")}, query=""))


CASES: tuple[Callable[[Bench], str], ...] = (
    handshake, good, forged, stale, replayed, batch, duplicate, retry_ladder, unknown_kind, oversize, downgrade,
)  # fmt: skip


def verdicts(bench: Bench) -> Iterator[Verdict]:
    """Every case in turn."""
    for case in CASES:
        name = case.__name__.replace("_", " ")
        try:
            yield Verdict(name, "passed", case(bench))
        except NotApplicable:
            yield Verdict(name, "does not apply", "the platform has no such thing")
        except Unexpected as seen:
            yield Verdict(name, "failed", str(seen))
