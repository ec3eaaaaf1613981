"""The authored messages: their format, and that every fault in them is told by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from functions.common.folding import fold
from training.corpus import ConceptsInvalid, read_concepts
from training.seed import FOLDER, SeedInvalid, read_file, read_folder

HELD_OUT, DEVELOPMENT = (FOLDER.parent / name for name in ("held_out", "development"))
BLOCK = "@ industry=restaurant style=young-slang\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "zh_some.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_line_gives_every_axis_and_where_it_stands(tmp_path: Path) -> None:
    line = "C|logistics,refund|u|-||legal_media,money|h,lang=mixed|再不退款 | 我就打12315\\n听到没\n"
    (found,) = read_file(written(tmp_path, f"# a note\n\n{BLOCK}{line}"))
    assert (found.business, found.content, found.urgency, found.sentiment) == (
        "complaint",
        ("logistics", "refund"),
        "urgent",
        "negative",
    )
    assert (found.risk, found.wants_human, found.opt_out, found.language) == (("money", "legal_media"), True, False, "mixed")
    assert (found.industry, found.style, found.where) == ("restaurant", "young-slang", "zh_some.txt:4")
    assert found.text == "再不退款 | 我就打12315\n听到没"


def test_its_file_says_whether_a_message_is_ordinary_and_in_which_language(tmp_path: Path) -> None:
    for name in ("zh_inbox_1.txt", "en_inbox_1.txt", "en_hard_inbox_1.txt"):
        (tmp_path / name).write_text(BLOCK + "E||n|0||||hi\n", encoding="utf-8")
    found = {example.where: (example.ordinary, example.language) for example in read_folder(tmp_path)}
    assert found == {
        "zh_inbox_1.txt:2": (True, "zh"),
        "en_inbox_1.txt:2": (True, "en"),
        "en_hard_inbox_1.txt:2": (False, "en"),
    }
    assert 0.1 < sum(example.ordinary for example in read_folder()) / len(read_folder()) < 0.5


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("E||n|0||||hi\n", "zh_some.txt:1: a message before the first `@` line"),
        ("@ industry=x\n", "zh_some.txt:1: expected `@ industry=… style=…`"),
        (BLOCK + "E||n|0|||hi\n", "zh_some.txt:2: 7 fields of 8"),
        (BLOCK + "X||n|0||||hi\n", "zh_some.txt:2: business cannot be 'X'"),
        (BLOCK + "E|colour|n|0||||hi\n", "zh_some.txt:2: content cannot be 'colour'"),
        (BLOCK + "E||n|0|junk|||hi\n", "zh_some.txt:2: spam cannot be 'junk'"),
        (BLOCK + "E||n|0|||q|hi\n", "zh_some.txt:2: no flag 'q'"),
        (BLOCK + "E||n|0||||\n", "zh_some.txt:2: no text"),
        (BLOCK + "E||n|0|ad|||buy\n", "zh_some.txt:2: spam has business other"),
        (BLOCK + "C||n|-||safety||it burns\n", "zh_some.txt:2: legal_media and safety are urgent"),
    ],
)
def test_a_fault_is_told_by_file_and_line(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(SeedInvalid) as told:
        list(read_file(written(tmp_path, text)))
    assert str(told.value).startswith(fault)


def test_what_is_not_utf8_is_told_by_file(tmp_path: Path) -> None:
    path = tmp_path / "zh_some.txt"
    path.write_bytes("投诉".encode("gbk"))
    with pytest.raises(SeedInvalid, match=r"zh_some\.txt: not UTF-8"):
        list(read_file(path))


def test_the_shipped_set_is_sound_and_large_enough() -> None:
    examples = read_folder()
    english = sum(example.language == "en" for example in examples)
    assert english >= 1000
    assert len(examples) - english >= 3000


def test_a_list_of_concepts_that_stands_twice_is_told_by_line() -> None:
    assert read_concepts(["# note", "", "book: 预约, book"]) == {"book": ["预约", "book"]}
    with pytest.raises(ConceptsInvalid, match=r"concepts\.txt:2"):
        read_concepts(["book: 预约", "book: 预订"])


def test_no_message_that_is_measured_or_chosen_by_is_learnt_from() -> None:
    learnt = {letters(example.text) for example in read_folder()}
    for folder in (HELD_OUT, DEVELOPMENT):
        asked = read_folder(folder)
        assert len(asked) > 1000
        assert [example.where for example in asked if letters(example.text) in learnt] == []


def letters(text: str) -> str:
    return "".join(filter(str.isalnum, fold(text).text)).lower() or text
