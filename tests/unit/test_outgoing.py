"""What must not go out: denied words, personal data, links to strangers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from functions.autoreply.config import read_policy
from functions.autoreply.decision import decide, objections
from functions.autoreply.outgoing import Outgoing, read_outgoing
from functions.common.bundle import dump_bundle, read_bundle
from functions.common.errors import BundleInvalid
from infra.cli.bundle import read_sections
from infra.cli.config import _may_go_out
from tests.fakes.reply_desk import CALENDAR, POLICY, case, task

CHECK = read_outgoing(
    {"deny": ["全网最低", "Guaranteed Profit"], "links": ["shop.example"], "ours": ["400-820-8820", "help@shop.example"]}
)


def kinds(text: str) -> list[tuple[str, str]]:
    return [(each.kind, each.found) for each in CHECK.objections(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("这是全网最低价", [("denied_word", "全网最低")]),
        ("这是全 网·最低价", [("denied_word", "全网最低")]),
        ("這是全網最低價", [("denied_word", "全网最低")]),
        ("GUARANTEED profit!", [("denied_word", "guaranteed profit")]),
        ("请联系13912345678", [("personal_data", "mobile")]),
        ("卡号4111 1111 1111 1111", [("personal_data", "bank_card")]),
        ("写信给 a@b.example", [("personal_data", "email")]),
        ("看https://evil.example/a", [("link", "evil.example")]),
        ("看 ｈｔｔｐｓ：//evil.example", [("link", "evil.example")]),
        ("去taobao.com看看", [("link", "taobao.com")]),
        ("https://shop.example.evil.com/", [("link", "shop.example.evil.com")]),
        ("https://notshop.example/", [("link", "notshop.example")]),
        ("javascript:alert(1)", [("link", "javascript:")]),
        ("weixin://dl/business", [("link", "weixin:")]),
    ],
)
def test_what_is_found_is_named_and_personal_data_only_by_kind(text: str, found: list[tuple[str, str]]) -> None:
    assert kinds(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "您好，9.30开门，18.00关门。",
        "Hello.Thanks for writing, e.g. about Node.js 3.2.1",
        "详见 https://shop.example/a 和 www.shop.example",
        "客服热线 400-820-8820，邮箱 help@shop.example",
        "订单在11月24日上午9:15前发出",
    ],
)
def test_what_is_ours_or_harmless_may_go_out(text: str) -> None:
    assert kinds(text) == []


def test_a_host_after_an_at_sign_is_where_a_link_leads() -> None:
    assert ("link", "evil.com") in kinds("http://shop.example@evil.com/") and ("link", "evil.com") in kinds(
        "http://evil.com\\@shop.example"
    )


@pytest.mark.parametrize("section", [{"deny": [""]}, {"deny": ["\u200b"]}, {"links": ["http://x.com"]}, {"allow": []}, []])
def test_a_file_that_cannot_be_meant_is_refused(section: Any) -> None:
    with pytest.raises(BundleInvalid, match="outgoing"):
        read_outgoing(section)


def test_a_text_that_may_not_go_out_is_suppressed_with_its_reason_and_the_next_one_is_tried() -> None:
    policy = replace(POLICY, outgoing=Outgoing(deny=("订单号",)))
    asked = case(task(text="怎么退货", first_contact=True, reply="return_how", needs_person=True), policy=policy)
    decision = decide(asked)
    assert (decision.suppressed[0].template, str(decision.suppressed[0].because)) == ("return_how", "text_refused")
    assert objections(asked, ["return_how"]) == ["return_how denied_word 订单号"]
    every = replace(asked, policy=replace(POLICY, outgoing=Outgoing(deny=("您",))))
    assert (decide(every).reason, decide(every).text) == ("text_refused", None)


def test_every_shipped_text_may_go_out() -> None:
    sections = read_sections()
    check = read_outgoing(sections["outgoing"])
    for name, said in sections["replies"]["templates"].items():
        assert check.objections(said["zh"]) == check.objections(said["en"]) == (), name


def test_a_published_text_that_would_be_stopped_is_refused_at_once(tmp_path: Path) -> None:
    import shutil

    from infra.cli.bundle import CONFIG
    from infra.cli.config import checked

    shutil.copytree(CONFIG, tmp_path / "config")
    (tmp_path / "config" / "outgoing.yaml").write_text("deny: [尺码表]\n")
    with pytest.raises(BundleInvalid, match=r"faq\.entries\.size\.zh: denied word"):
        checked(tmp_path / "config")


@pytest.mark.parametrize(
    "beside",
    [
        {"buttons_zh": ("退货", "全网最低"), "buttons_en": ("Return", "Cheapest")},
        {"image_url": "https://evil.example/map.png"},
    ],
)
def test_what_stands_beside_a_text_is_checked_too(beside: dict[str, Any]) -> None:
    template = replace(POLICY.book.templates["return_how"], **beside)
    book = replace(POLICY.book, templates={**POLICY.book.templates, "return_how": template})
    heard = case(task(reply="return_how", text="怎么退货"), policy=replace(POLICY, book=book, outgoing=CHECK))
    decision = decide(heard)
    assert [each.because for each in decision.suppressed] == ["text_refused"]
    assert objections(heard, ["return_how"])[0].startswith("return_how ")


@pytest.mark.parametrize("place", ["buttons", "image"])
def test_what_stands_beside_a_published_text_is_checked_too(place: str) -> None:
    sections = read_sections()
    template = sections["replies"]["templates"]["return_how"]
    beside = {"buttons": {"zh": ["全网最低"], "en": ["Cheapest"]}, "image": "https://evil.example/a.png"}
    template[place] = beside[place]
    sections["outgoing"] = {"deny": ["全网最低"], "links": [], "ours": []}
    bundle = read_bundle(dump_bundle(sections | {"calendar": CALENDAR}))
    with pytest.raises(BundleInvalid, match=f"return_how.{place}"):
        _may_go_out(read_policy(bundle), bundle)
