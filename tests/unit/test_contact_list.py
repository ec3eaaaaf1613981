"""Contacts as people paste them: what is understood is looked for, and what is not is said, with its line."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.records.contact_list import ContactList, ListInvalid, read_contacts


def read(tmp_path: Path, content: str | bytes) -> tuple[ContactList, set[str]]:
    source, target = tmp_path / "list.csv", tmp_path / "values"
    source.write_bytes(content.encode() if isinstance(content, str) else content)
    found = read_contacts(source, target)
    return found, set(target.read_text().splitlines())


@pytest.mark.parametrize(
    "written",
    [
        "13912345678", "+8613912345678", "8613912345678", "008613912345678", "139 1234 5678", "139-1234-5678", " '13912345678",
        '="13912345678"', "13912345678.0", "１３９１２３４５６７８", "tel:+86 139 1234 5678", "+86(139)12345678", "\u202a13912345678\u202c",
    ],
)  # fmt: skip
def test_a_number_is_one_number_however_it_is_written(tmp_path: Path, written: str) -> None:
    found, values = read(tmp_path, f"{written}\n")
    assert (found.numbers, found.ids, found.misread.total()) == (1, 0, 0)
    assert {"+8613912345678", "13912345678", "8613912345678"} <= values


def test_ids_of_platforms_stay_as_they_are(tmp_path: Path) -> None:
    found, values = read(tmp_path, "oGZUI0egBJY1zhBYw2KhdUfwVAOA\n106912345\nperson@example.com\nwmAbcdefghijklmnopq\n")
    assert (found.numbers, found.ids) == (0, 4)
    assert values == {"oGZUI0egBJY1zhBYw2KhdUfwVAOA", "106912345", "person@example.com", "wmAbcdefghijklmnopq"}


def test_garbage_is_named_with_its_line_and_the_rest_is_read(tmp_path: Path) -> None:
    found, values = read(
        tmp_path, '13912345678\n\n1.39E+10\nhello\n"unclosed,\n\x00\x01\n13912345678\n??,13912345679\n+8613912345679\n'
    )
    assert (found.lines, found.numbers, found.repeated, found.empty) == (9, 2, 1, 1)
    assert found.misread == {"a spreadsheet cut its digits off": 1, "neither a number nor an id": 4}
    assert [line for line, _ in found.examples] == [3, 4, 5, 6, 8]
    assert "+8613912345679" in values
    assert "5 not understood (4 neither a number nor an id, 1 a spreadsheet cut its digits off; line 3: " in found.words()


@pytest.mark.parametrize(
    "content",
    [
        "姓名,手机号\n小王,13912345678\n".encode("gb18030"),
        "姓名;手机号\n小王;13912345678\n".encode(),
        "\ufeff手机号\t姓名\r\n13912345678\t小王\r\n".encode(),
        "姓名,Mobile\n小王,13912345678\n".encode("utf-16"),
        b'name,"Phone"\r\n"a, b",13912345678\r\n',
    ],
)
def test_spreadsheets_in_their_encodings_with_a_heading(tmp_path: Path, content: bytes) -> None:
    found, values = read(tmp_path, content)
    assert (found.lines, found.numbers, found.misread.total()) == (1, 1, 0)
    assert "+8613912345678" in values


def test_a_file_without_any_contact_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ListInvalid, match=r"list.csv: no contact in it; 2 lines: .* line 1: neither"):
        read(tmp_path, "foo\nbar\n")
    with pytest.raises(ListInvalid, match="0 lines"):
        read(tmp_path, "")


def test_many_examples_are_not_all_printed(tmp_path: Path) -> None:
    found, _ = read(tmp_path, "13912345678\n" + "foo\n" * 1000)
    assert found.misread.total() == 1000
    assert len(found.examples) == 20


def test_the_same_contacts_make_the_same_list(tmp_path: Path) -> None:
    one, _ = read(tmp_path, "13912345678\n+8613912345679\n")
    same, _ = read(tmp_path, "号码\n+86 139 1234 5678\nrubbish\n139-1234-5679\n")
    other, _ = read(tmp_path, "13912345678\n")
    assert one.digest == same.digest != other.digest


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    try:
        found, _ = read(tmp_path_factory.mktemp("list"), content)
    except ListInvalid:
        return
    assert found.lines == found.numbers + found.ids + found.repeated + found.empty + found.misread.total()


def test_what_a_long_list_takes_grows_with_its_contacts_and_it_is_read_twice(tmp_path: Path) -> None:
    lines = 40_000
    source, target = tmp_path / "many.csv", tmp_path / "list"
    with source.open("w", encoding="utf-8") as out:
        out.writelines(f"+8613{n:09d}\n" if n % 10 else "谁知道\n" for n in range(lines))
    opened = Path.open
    with mock.patch.object(Path, "open", autospec=True, side_effect=opened) as opening:
        tracemalloc.start()
        found = read_contacts(source, target)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (found.numbers, found.misread.total(), found.lines) == (lines * 9 // 10, lines // 10, lines)
    assert [call.args[0] for call in opening.call_args_list].count(source) == 2  # for its encoding, and line by line
    # A million numbers: a hundred and some megabytes, however long their lines are.
    assert peak / found.numbers < 180
