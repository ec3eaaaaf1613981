"""The bench's own parts: tables that line up, aims that can be missed, and a measurement that this machine cannot do."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from bench import __main__ as command
from bench.rig.figures import Figures, NotMeasurable, aim, rendered

FIGURES = Figures(title="Speed", how="by hand", columns=("what", "ms"), rows=(("私信", "7"), ("order", "12")), aims=("fine",))


def measurement(monkeypatch: pytest.MonkeyPatch, name: str, outcome: Figures | NotMeasurable) -> None:
    def measure() -> Figures:
        if isinstance(outcome, NotMeasurable):
            raise outcome
        return outcome

    module = ModuleType(f"bench.{name}")
    module.measure = measure  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, f"bench.{name}", module)
    monkeypatch.setattr(command, "measurements", lambda: ["fast", "slow"])


def test_columns_line_up_where_letters_are_two_wide() -> None:
    assert rendered(FIGURES).splitlines() == [
        "Speed",
        "(by hand)",
        "",
        "what   ms",
        "-----  --",
        "私信    7",
        "order  12",
        "→ fine",
    ]


def test_an_aim_says_whether_it_was_met() -> None:
    assert aim("own time", 0.4, 0.5, " ms") == "own time: 0.40 ms, aim at most 0.5 ms: met"
    assert aim("own time", 0.6, 0.5, " ms").endswith("MISSED")


def test_what_cannot_be_measured_here_is_said_and_the_rest_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measurement(monkeypatch, "fast", NotMeasurable("no emulator"))
    measurement(monkeypatch, "slow", FIGURES)
    assert command.main([]) == 0
    said = capsys.readouterr().out
    assert said.startswith("fast: not measured: no emulator\n")
    assert rendered(FIGURES) in said


def test_a_name_that_is_no_measurement_is_refused_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["cold-start"]) == 2
    assert "cold_start, decision_time, faq_retrieval" in capsys.readouterr().err
