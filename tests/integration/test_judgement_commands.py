"""`postroom classify` and `postroom evaluate`, as people and scripts use them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from infra.cli.app import app
from infra.cli.bundle import CONFIG
from infra.judgement.figures import AXES, measured

KEYS = {"business", "content", "urgency", "sentiment", "spam", "risk", "wants_human", "opt_out", "language"}


def run(*arguments: str, stdin: str = "", code: int = 0) -> str:
    outcome = CliRunner().invoke(app, list(arguments), input=stdin)
    assert outcome.exit_code == code, outcome.output
    return outcome.output


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_each_line_becomes_one_object_in_the_form_of_the_label_sheet() -> None:
    first, second = objects(run("classify", stdin='请问多少钱一件\n\n{"text": "转人工", "id": 7}\n'))
    assert set(first) >= KEYS
    assert (first["business"], first["content"]) == ("enquiry", ["price"])
    assert second["wants_human"] is True


def test_labels_come_with_scores_spans_and_rules_in_the_text_as_given() -> None:
    text = "我的电话13912345678，收到的货 少了一件，麻烦补寄"
    (said,) = objects(run("classify", stdin=text + "\n"))
    assert said["business"] == "after_sales"
    assert 0 < said["scores"]["business.after_sales"] <= 1
    for spans in (*said["spans"].values(), *(rule["spans"] for rule in said["rules"])):
        assert all(0 <= start < end <= len(text) for start, end in spans)
    words = [text[start:end] for start, end in said["spans"]["business.after_sales"]]
    assert any("补" in word or "少" in word for word in words)
    assert any("少了一件" in text[slice(*span)] for rule in said["rules"] for span in rule["spans"])


MANY = (
    "你好",
    "请问这款意式咖啡机多少钱?双十二有优惠吗?",
    "再不退款我就打12315举报,还要在微博曝光你们!",
    "加微信领取兼职日结,在家刷单月入过万",
    "啊啊啊啊啊啊啊啊啊啊啊",
    "不要转人工,机器人就行",
    "TD",
    "I don't want to be here any more",
    "My order arrived broken and nobody answers my emails",
    "12345",
)


def test_every_value_of_every_axis_has_a_score_those_that_say_nothing_too() -> None:
    for said in objects(run("classify", stdin="\n".join(MANY))):
        wanted = {f"{axis}.{said[axis]}" for axis in ("business", "urgency", "sentiment", "spam")}
        wanted |= {f"{axis}.{value}" for axis in ("content", "risk") for value in said[axis] or ["none"]}
        wanted |= {f"{flag}.{str(said[flag]).lower()}" for flag in ("wants_human", "opt_out")}
        wanted |= {f"business.{value}" for value in said["also"]}
        assert said["scores"].keys() == wanted
        assert all(0 < score <= 1 for score in said["scores"].values())


def test_a_flag_that_a_rule_takes_back_is_as_sure_as_the_rule_and_people_are_shown_what_says_something() -> None:
    (said,) = objects(run("classify", stdin="不要转人工,机器人就行"))
    assert said["scores"]["wants_human.false"] == 0.9
    shown = run("classify", "--explain", stdin="在家刷单月入过万,加微信\n你好")
    assert "spam.ad" in shown and "business.other" in shown
    assert not any(label in shown for label in ("urgency.normal", "content.none", "wants_human.false", "sentiment.neutral"))


def test_without_a_model_nobody_says_how_sure_it_is_of_what_no_rule_said(tmp_path: Path) -> None:
    for path in CONFIG.glob("*.yaml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.yaml").write_text("weights: none\n", "utf-8")
    first, second = objects(run("classify", "--directory", str(tmp_path), stdin="你好\n加微信领取兼职日结,在家刷单月入过万"))
    assert first["scores"] == {"business.other": 0.9}
    assert second["scores"] == dict.fromkeys(
        ("spam.ad", "business.other", "urgency.normal", "sentiment.neutral", "content.none"), 0.9
    )


def test_explaining_names_label_score_and_words() -> None:
    out = run("classify", "--explain", stdin="客服态度太差了，我要投诉\n")
    assert "business.complaint" in out
    assert "rule complaint-in-words" in out


def test_any_bytes_are_a_message(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes(b"\xff\xfe\n{not json\n" + "😀".encode() * 500 + b"\n")
    assert len(objects(run("classify", str(path)))) == 3


def test_only_a_line_feed_ends_a_line_and_a_mark_at_the_beginning_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes('\ufeff{"text": "退款\u2028转人工"}\r\n退款\x85\x0b怎么办\n'.encode())
    first, second = objects(run("classify", str(path)))
    assert first["wants_human"] is True and "content.refund" in first["scores"]
    assert second["content"] == ["refund"]


def test_what_is_nested_too_deeply_is_a_message_and_half_a_character_can_be_shown() -> None:
    deep = '{"text":' * 50_000
    assert len(objects(run("classify", stdin=f"{deep}\n" + '{"text": "\\ud800 退款"}'))) == 2
    assert "\ufffd 退款" in run("classify", "--explain", stdin='{"text": "\\ud800 退款"}')


@pytest.mark.parametrize(
    ("content", "fault"),
    [(b'{"text": "\xe9"}', "not UTF-8"), (b"[" * 100_000, "expected a JSON object"), (b'"x"', "expected a JSON object")],
)
def test_a_file_that_cannot_be_evaluated_is_one_line(tmp_path: Path, content: bytes, fault: str) -> None:
    path = tmp_path / "right.jsonl"
    path.write_bytes(content)
    out = run("evaluate", str(path), code=1)
    assert fault in out and out.count("\n") == 1


def test_an_object_without_a_text_is_one_clear_line() -> None:
    out = run("classify", stdin='{"message": "x"}\n', code=1)
    assert "line 1: no `text`" in out


def test_evaluating_prints_every_axis_that_the_file_labels(tmp_path: Path) -> None:
    path = tmp_path / "right.jsonl"
    rows = [
        {"text": "请问这款多少钱", "business": "enquiry", "content": ["price"], "wants_human": False},
        {"text": "转人工", "business": "complaint", "wants_human": True},
    ]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    figures = json.loads(run("evaluate", str(path), "--json"))
    assert set(figures) == {"messages", "business", "content", "wants_human"}
    assert (figures["business"]["accuracy"], figures["content"]["messages"]) == (0.5, 1)
    assert figures["business"]["confusion"] == [{"right": "complaint", "said": "other", "count": 1}]
    assert figures["wants_human"]["values"]["true"] == {
        "precision": 1.0, "recall": 1.0, "f1": 1.0, "right": 1, "said": 1, "hits": 1,
    }  # fmt: skip
    assert "confused: complaint as other 1" in run("evaluate", str(path))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("[]", "expected a JSON object with `text`: TypeError"),
        ('{"text": "b", "busines": "other"}', "no label beside `text`; there are business, content"),
        ('{"text": "b", "business": "grumble"}', "business has no grumble; it has enquiry, complaint"),
        ('{"text": "b", "content": ["price", "colour"]}', "content has no colour; it has tech, price"),
        ('{"text": "b", "content": [{}]}', "expected a JSON object with `text`: TypeError"),
    ],
)
def test_a_line_that_is_no_labelled_message_is_named(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "right.jsonl"
    path.write_text(f'{{"text": "a", "business": "other"}}\n{line}\n', encoding="utf-8")
    assert f"right.jsonl:2: {says}" in " ".join(run("evaluate", str(path), code=1).split())


def test_scores_that_are_what_they_claim_have_no_calibration_error() -> None:
    said = {"business": "enquiry", "scores": {"business.enquiry": 0.75}, "uncertain": []}
    rows = [({"business": right}, said) for right in ("enquiry", "enquiry", "enquiry", "other")]
    figures = measured(rows)["business"]
    assert figures["calibration"] == {"bins": [{"count": 4, "score": 0.75, "right": 0.75}], "error": 0.0}
    assert figures["values"]["enquiry"]["precision"] == 0.75


@pytest.mark.parametrize("axis", AXES)
def test_every_axis_can_be_measured(axis: str) -> None:
    label: Any = [] if axis in ("content", "risk") else (False if axis in ("wants_human", "opt_out") else AXES[axis][0])
    assert measured([({axis: label}, {axis: label, "scores": {}})])[axis]["accuracy"] == 1.0
