"""Labels that people correct in conversations: written once beside the audit, read by month for training, masked."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from functions.common import keys
from functions.common.clock import system_clock, to_iso
from infra.inbox.correcting import KEPT, CannotCorrect, correct, corrected, corrections
from infra.records.labels import NoSuchLabel
from tests.fakes.deaths import Death, Watch, When, watching
from tests.fakes.house import House, open_house
from tests.integration.test_people import desk, hear, house, postroom

__all__ = ["house"]


def learnt(house: House) -> list[tuple[str, dict[str, object]]]:
    now = system_clock()
    found = corrections(desk(house).store.table, since=now - KEPT, until=now + timedelta(seconds=1))
    return [(each.text, each.labels) for each in found]


def test_labels_are_said_as_people_say_them() -> None:
    assert corrected(["business=complaint", "退款", "wants_human", "content=price"]) == {
        "business": "complaint",
        "content": ["refund", "price"],
        "wants_human": True,
    }
    assert corrected(["content=none", "risk=none", "wants_human=false", "opt_out=true"]) == {
        "content": [],
        "risk": [],
        "wants_human": False,
        "opt_out": True,
    }


@pytest.mark.parametrize(
    ("said", "fault", "why"),
    [
        (["business=nonsense"], NoSuchLabel, "business has no nonsense"),
        (["nonsense"], NoSuchLabel, "no label nonsense"),
        (["language=en"], CannotCorrect, "follows from the letters"),
        (["business=complaint", "business=enquiry"], CannotCorrect, "business has one value"),
        (["content=price", "content=none"], CannotCorrect, "content cannot both"),
        (["wants_human", "wants_human=false"], CannotCorrect, "wants_human cannot both"),
    ],
)
def test_what_is_no_label_is_refused(said: list[str], fault: type[Exception], why: str) -> None:
    with pytest.raises(fault, match=why):
        corrected(said)


def test_a_correction_is_kept_masked_and_the_stored_judgement_stays(house: House) -> None:
    conv = hear(house, "u1", "你们把我的订单弄丢了,打我电话13912345678")
    (before,) = house.of_kind("M#")
    said = postroom(house, "conversation", "correct", conv, "--label", "投诉", "--label", "content=logistics", "--why", "lost")
    assert said.startswith(f"{conv}: {before['message']['message_id']} is business complaint")
    (after,) = house.of_kind("M#")
    assert after == before
    (line,) = house.of_kind("Z#")
    assert (line["action"], line["by"], line["why"]) == ("correct", "mei", "lost")
    assert learnt(house) == [("你们把我的订单弄丢了,打我电话〔手机号〕", {"business": "complaint", "content": ["logistics"]})]
    (item,) = [item for item in house.items() if item["pk"].startswith("J#")]
    assert item["exp"] > (system_clock() + KEPT - timedelta(days=1)).timestamp()
    assert "13912345678" not in json.dumps(house.items(), default=str)
    assert "correct by mei: lost business complaint content" in postroom(house, "conversation", "show", conv)


def test_of_what_is_said_twice_the_last_word_counts_and_other_axes_add_up(house: House) -> None:
    conv = hear(house, "u1", "这个多少钱")
    first = house.of_kind("M#")[0]["message"]["message_id"]
    hear(house, "u1", "算了", native_id="m2")
    for label in ("business=complaint", "content=none", "business=enquiry"):
        postroom(house, "conversation", "correct", conv, "--message", first, "--label", label)
    assert learnt(house) == [("这个多少钱", {"business": "enquiry", "content": []})]


def test_what_cannot_be_corrected_is_said_in_one_line_and_writes_nothing(house: House) -> None:
    conv = hear(house, "u1", "在吗")
    told = postroom(house, "conversation", "correct", conv, "--label", "mood=bad", code=1)
    assert "no axis mood" in told and "\n" not in told
    other = keys.message_id("generic", "demo", "u2", None, "m1")
    assert "is not a message of" in postroom(
        house, "conversation", "correct", conv, "--message", other, "--label", "投诉", code=1
    )
    mine = keys.message_id("generic", "demo", "u1", None, "gone")
    assert "no message" in postroom(house, "conversation", "correct", conv, "--message", mine, "--label", "投诉", code=1)
    assert "no conversation" in postroom(house, "conversation", "correct", "a" * 16, "--label", "投诉", code=1)
    assert house.of_kind("Z#") == [] and learnt(house) == []


def test_months_are_read_by_key_and_nothing_is_scanned(house: House) -> None:
    conv = hear(house, "u1", "这个多少钱")
    correct(desk(house), conv, ["business=complaint"])
    now, table = system_clock(), desk(house).store.table
    with watching(Watch()) as watch:
        assert len(list(corrections(table, since=now - timedelta(days=70), until=now + timedelta(seconds=1)))) == 1
        assert list(corrections(table, since=now + timedelta(seconds=1), until=now + timedelta(seconds=2))) == []
    assert set(watch.calls) == {"Query"} and len(watch.calls) <= 5


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_line_and_what_is_learnt_from_are_both_there_or_neither(tmp_path: Path, when: When) -> None:
    with open_house(tmp_path, only=("generic",)) as house:
        conv = hear(house, "u1", "这个多少钱")
        for at in range(9):
            lines = len(house.of_kind("Z#"))
            try:
                with watching(Watch(at=at, when=when)):
                    correct(desk(house), conv, ["business=complaint"])
            except Death:
                assert len(house.of_kind("Z#")) == len([item for item in house.items() if item["pk"].startswith("J#")])
                continue
            assert len(house.of_kind("Z#")) == lines + 1
            return
    raise AssertionError("it never ended")


def test_training_reads_what_people_corrected_and_a_file_beside_it(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (requirements/training.txt)")
    from infra.cli.bundle import CONFIG
    from tests.unit.test_corrections import EXAMPLES, OTHERS, TEXTS

    monkeypatch.setattr("training.seed.read_folder", lambda: EXAMPLES[::100])
    config = tmp_path / "own"
    config.mkdir()
    for path in CONFIG.glob("*.yaml"):
        (config / path.name).write_bytes(path.read_bytes())
    now, table = system_clock(), desk(house).store.table
    for number, text in enumerate((*TEXTS, *OTHERS)):
        at = now - timedelta(days=number)
        pk, sk = keys.correction_key(at, f"{number:x}")
        labels = {"business": "appointment" if text in TEXTS else "complaint", "content": []}
        table.put_new({"pk": pk, "sk": sk, "message_id": f"m{number}", "at": to_iso(at), "text": text, "labels": labels})
    own = ("--from-inbox", "--directory", str(config), "--json")
    made = json.loads(postroom(house, "train", *own))
    assert (made["corrections"], made["after"]["business"] > made["before"]["business"]) == (len(TEXTS) + len(OTHERS), True)
    assert (config / "weights" / made["written"]).exists()
    few = (now - timedelta(days=3)).isoformat()
    assert "4 corrections; fewer than 20" in postroom(house, "train", *own, "--since", few, code=1)
    more = tmp_path / "more.jsonl"
    more.write_text('{"text": "hi", "spam": "nonsense"}\n', "utf-8")
    assert "more.jsonl:1: spam cannot be" in postroom(house, "train", str(more), *own, code=1)
    assert "--since belongs to it" in postroom(house, "train", str(more), "--since", few, code=1)
