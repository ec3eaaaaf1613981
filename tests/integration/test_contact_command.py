from __future__ import annotations

import pytest
from typer.testing import CliRunner

from infra.cli.app import app
from tests.fakes.house import House, open_house


def run(house: House, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["contact", *words, "--table", house.table, "--by", "小李"])
    return result.exit_code, result.output


def ask(house: House, text: str, native_id: str) -> str:
    house.receive("generic", house.simulators["generic"].text("u1", text, native_id=native_id))
    house.pump()
    newest = max(house.of_kind("M#"), key=lambda item: item["seq"])
    (reply,) = (item for item in house.of_kind("R#") if item["sk"][2:] == newest["sk"][2:])
    return str(reply["reason"])


@pytest.mark.parametrize(("act", "reason"), [("answered", "taken_over"), ("block", "blocked")])
def test_machines_heed_what_a_person_says_of_a_contact(tmp_path, act, reason):
    with open_house(tmp_path, only=("generic",)) as house:
        assert ask(house, "请问几点开门?", "m1") == "keyword"
        (message,) = house.of_kind("M#")
        assert run(house, act, message["message"]["message_id"], "--why", "打电话来了")[0] == 0
        assert ask(house, "请问怎么退货?", "m2") == reason
        (line,) = house.of_kind("Z#")
        assert (line["action"], line["by"], line["reason"]) == (act, "小李", "打电话来了")


def test_a_contact_is_unblocked(tmp_path):
    with open_house(tmp_path, only=("generic",)) as house:
        ask(house, "请问几点开门?", "m1")
        conv = house.of_kind("@")[0]["pk"].removeprefix("C#")
        assert [run(house, act, conv)[0] for act in ("block", "unblock")] == [0, 0]
        assert ask(house, "请问怎么退货?", "m2") == "keyword"
        assert [line["action"] for line in house.of_kind("Z#")] == ["block", "unblock"]


def test_an_unknown_conversation_is_one_line_and_changes_nothing(tmp_path):
    with open_house(tmp_path, only=("generic",)) as house:
        code, _ = run(house, "block", "aaaaaaaaaaaaaaaa")
        assert code != 0 and house.items() == []
