"""Time of one decision: of a message, with everything that was read for it, to the finished text or the reason for none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from statistics import quantiles
from time import thread_time

from bench.rig.figures import Figures, aim

ROUNDS = 2000
AIM_MS = 0.2


def measure() -> Figures:
    """Microseconds of CPU per decision, case by case: the middle one and the slowest of a hundred.

    By the clock of the thread: on a busy machine one decision in a hundred waits for its turn for 4 to 30 ms, which says nothing of it.
    """
    times = {what: _timed(case) for what, case in cases().items()}
    rows = tuple((what, f"{middle * 1e6:.0f}", f"{slow * 1e6:.0f}") for what, (middle, slow) in times.items())
    slowest = max(middle for middle, _ in times.values())
    return Figures(
        title="Time of a decision",
        how=f"{ROUNDS} decisions per case with the shipped replies, rules of hours and questions, one process, CPU time",
        columns=("case", "median µs", "99 of 100 within µs"),
        rows=rows,
        aims=(aim("the slowest case's median, ms", slowest * 1e3, AIM_MS),),
    )


def cases() -> dict[str, object]:
    """What a decision may be about."""
    from functions.common.ledger import KEPT
    from tests.fakes.reply_desk import OPEN, SHUT, case, having_said, said, task

    asks = {"reply": "return_how", "labels": {"business": "enquiry"}}
    plain = case(task(99, **asks))
    entries = [
        said(task(n, text=f"{n} 号问题"), at=OPEN - timedelta(hours=n), text=f"{n}", rule=f"{n}") for n in range(KEPT, 0, -1)
    ]
    full = replace(plain, conversation=having_said(plain.conversation, *entries))
    later = tuple(task(100 + n, text="还有一个问题", labels={"business": "enquiry"}).judged for n in range(3))
    night = SHUT + timedelta(hours=1)
    return {
        "barred: spam": case(task(labels={"spam": "ad"}, reply="return_how")),
        "a rule's reply": plain,
        "a rule's reply, full ledger": full,
        "a rule's reply, three messages since": replace(full, later=later),
        "a question for the FAQ": _asked_faq(case(task(text="你们支持花呗分期吗?", labels={"business": "enquiry"}))),
        "a command": case(task(text="查询 SF1234567")),
        "welcome out of hours": case(task(first_contact=True, now=night), now=night),
        "nothing to say": case(task()),
    }


def _asked_faq(case: object) -> object:
    import yaml

    from functions.autoreply.faq import read_faq
    from tests.fakes.reply_desk import CONFIG

    faq = read_faq(yaml.safe_load((CONFIG / "faq.yaml").read_text("utf-8")))
    return replace(case, policy=replace(case.policy, faq=faq))  # type: ignore[type-var,attr-defined]


def _timed(case: object) -> tuple[float, float]:
    from functions.autoreply.decision import decide

    taken = []
    for _ in range(ROUNDS):
        began = thread_time()
        decide(case)  # type: ignore[arg-type]
        taken.append(thread_time() - began)
    hundredths = quantiles(taken, n=100)
    return hundredths[49], hundredths[98]
