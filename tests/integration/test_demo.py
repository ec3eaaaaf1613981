"""`make demo`, run as its command, and the judge of its outcome."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.demo.findings import findings
from infra.demo.scenes import SCENES
from infra.demo.tour import Delivery, Outcome, tour
from infra.local.stack import Stack

SENT = {"welcome", "keyword", "faq", "command", "out_of_hours", "welcome_out_of_hours"}
SILENT = {
    "bot", "spam", "held", "opted_out", "taken_over", "human_wanted", "quota_exhausted", "answered_with_later", "loop_guard",
    "nothing_to_say",
}  # fmt: skip
ROOT = Path(__file__).parents[2]
LETTERS = tuple(letter for _, _, letters in SCENES for letter in letters)


def test_the_demo_shows_what_it_promises_and_leaves_no_process_behind() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli", "demo", "--width", "150"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Everything happened as it should." in done.stdout and done.stderr == ""
    for promised in (
        "signature refused",
        "duplicate",
        "malformed",
        "channel=wechat_oa",
        "〔手机号〕",
        "held",
        "welcome_out_of_hours",
        "taken_over",
        "answered_with_later",
        "quota_exhausted",
        "opted_out",
        "loop_guard",
        "faq: ",
    ):
        assert promised in done.stdout
    assert "13912345678" not in done.stdout and "4111" not in done.stdout


def test_the_story_holds_what_a_first_look_needs() -> None:
    webhooks = sum(len(letter.answers) for letter in LETTERS)
    assert webhooks >= 24 and {letter.channel for letter in LETTERS} == {"generic", "wechat_oa", "twilio", "weibo"}
    says = " ".join(letter.says for letter in LETTERS)
    reasons = {(expected.reply, expected.sent) for letter in LETTERS for expected in letter.expected.values()}
    assert {reason for reason, sent in reasons if sent} >= SENT
    assert {reason for reason, sent in reasons if not sent} >= SILENT
    for trait in ("forged", "stale", "batch", "twice more", "picture", "receipt"):
        assert trait in says


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    folder = tmp_path_factory.mktemp("demo")
    with Stack(0, directory=folder) as stack:
        yield tour(stack, lambda _: None, folder / "operator")


def test_the_judge_finds_nothing_in_a_good_run(outcome: Outcome) -> None:
    assert findings(outcome) == []


def _relabelled(outcome: Outcome) -> Outcome:
    messages: list[dict[str, Any]] = deepcopy(outcome.messages)
    next(m for m in messages if m["native_id"] == "a4")["labels"]["business"] = "enquiry"
    return replace(outcome, messages=messages)


def _unmasked(outcome: Outcome) -> Outcome:
    messages: list[dict[str, Any]] = deepcopy(outcome.messages)
    next(m for m in messages if m["native_id"] == "a9")["text"] += "13912345678"
    return replace(outcome, messages=messages)


SPOILT = {
    "is enquiry, not complaint": _relabelled,
    "was not masked": _unmasked,
    "stored 0 times": lambda o: replace(o, messages=o.messages[1:]),
    "stored 2 times": lambda o: replace(o, messages=[*o.messages, o.messages[0]]),
    "reached a platform": lambda o: replace(o, outbox=o.outbox[1:]),
    "is not empty": lambda o: replace(o, queues=[{**o.queues[0], "visible": 1}]),
    "messages archived": lambda o: replace(o, archive={"parts": o.archive["parts"][1:]}),
    "archived something again": lambda o: replace(o, again=o.archive),
    "answered (500,)": lambda o: replace(o, deliveries=(Delivery(letter=LETTERS[0], statuses=(500,)), *o.deliveries[1:])),
}


@pytest.mark.parametrize("named", SPOILT)
def test_the_judge_names_whatever_is_not_as_it_should_be(outcome: Outcome, named: str) -> None:
    assert any(named in line for line in findings(SPOILT[named](outcome)))
