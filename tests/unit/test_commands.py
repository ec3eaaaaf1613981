from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.autoreply.commands import Command, FormatInvalid, command_in, compiled

LOOKUP = Command(name="lookup", formats=tuple(map(compiled, ("查询 {number}", "CXJL {number}", "cx {number}"))), reply="r")
MOVE = Command(name="move", formats=(compiled("改约 {code} 到 {day}"), compiled("move {code} to {day}")), reply="r")
HELP = Command(name="help", formats=(compiled("帮助"), compiled("HELP")), reply="r")


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("查询 12345", "lookup", {"number": "12345"}),
        ("查询12345", "lookup", {"number": "12345"}),
        ("查询：ＳＦ１２３４。", "lookup", {"number": "SF1234"}),
        (" cxjl  Ab-12_3 ", "lookup", {"number": "Ab-12_3"}),
        ("CX:1", "lookup", {"number": "1"}),
        ("改约A1到20261124", "move", {"code": "A1", "day": "20261124"}),
        ("move A1 to monday", "move", {"code": "A1", "day": "monday"}),
        ("帮助!", "help", {}),
        ("Help", "help", {}),
    ],
)
def test_a_message_that_is_all_of_a_format_is_the_command(text, name, arguments):
    found = command_in((LOOKUP, MOVE, HELP), text)
    assert found is not None
    assert (found[0].name, dict(found[1])) == (name, arguments)


@pytest.mark.parametrize(
    "text",
    [
        "查询",
        "查询一下订单",
        "请查询 12345",
        "查询 12345 到哪了",
        "查询 [手机号]",
        "cx " + "1" * 41,
        "cx 1" + " " * 200 + "x",
        "help me",
        "",
        None,
    ],
)
def test_any_other_message_is_not(text):
    assert command_in((LOOKUP, MOVE, HELP), text) is None


def test_the_arguments_that_every_format_has_may_be_named():
    either = Command(name="x", formats=(compiled("a {one} b {two}"), compiled("c {one}")), reply="r")
    assert (either.arguments, HELP.arguments) == ({"one"}, frozenset())


@pytest.mark.parametrize("text", ["{n}", "  {n} x", "a {n} {n}", "a {n}{m}", "a {N}", "a {", "a }", "a {1}", "a {n} b {n}"])
def test_what_is_no_format_is_refused(text):
    with pytest.raises(FormatInvalid):
        compiled(text)


@given(st.text(alphabet="查询cx{}n []()*+?.\\1 :", max_size=30), st.text(alphabet="查询cxn []()*+?.1 :", max_size=200))
def test_no_format_and_no_message_makes_trouble(form, text):
    try:
        known = Command(name="x", formats=(compiled(form),), reply="r")
    except FormatInvalid:
        return
    found = command_in((known,), text)
    assert found is None or all(re.fullmatch("[0-9A-Za-z_-]{1,40}", value) for value in found[1].values())
