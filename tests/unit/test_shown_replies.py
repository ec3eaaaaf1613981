"""Every channel against its simulator: a long answer, buttons and a picture arrive, as such or in words, within the vendor's limits."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from functions.autoreply.delivery import Answer, parcels
from functions.channels import registry
from functions.channels.codecs.text_parts import size
from functions.channels.contract import ParseResult
from functions.common.inbound import inbound_entries
from functions.common.message import Message
from functions.common.origin import UNMARKED, is_marked, unmarked
from tests.fakes.channel_account import ChannelAccount
from tests.fakes.house import ACCOUNTS
from tests.fakes.simulated_platform import SimulatedPlatform

PICTURE = "https://shop.example/map.png"
TITLES = ("退货", "换货")
ANSWERING = [name for name in registry.names() if name not in ("email", "aliyun_sms", "tencent_sms")]
LIMITED = [name for name in ANSWERING if registry.adapter(name).max_text]


def account_of(channel: str) -> ChannelAccount:
    settings = json.loads(
        json.dumps(ACCOUNTS[channel]["demo"]).replace("${PLATFORM_API_ORIGIN}/generic", "https://crm.example")
    )
    return ChannelAccount(channel, settings)


def heard(account: ChannelAccount) -> tuple[Message, SimulatedPlatform]:
    """A message of a person, and the way to answer it."""
    simulator = account.simulator()
    platform = SimulatedPlatform(simulator)
    request = account.request(simulator.text(simulator.person(1), "请问怎么退货?"))
    lowered = {name.lower(): value for name, value in request.headers.items()}
    result = account.parse(replace(request, headers=lowered))
    for task in result.pulls:
        result = account.adapter.pull(task, None, account.credentials(), platform).result
    (message,) = result.messages
    return message, platform


def delivered(channel: str, answer: Answer) -> list[Any]:
    account = account_of(channel)
    message, platform = heard(account)
    for parcel in parcels(message, answer, account.adapter):
        result = account.adapter.send(parcel, account.credentials(), platform)
        assert result.outcome == "sent", (channel, result)
    arrived = list(platform.simulator.outbox)
    assert all(is_marked(reply.text) for reply in arrived if reply.text) is (channel not in UNMARKED), (
        "an echo of any part must be known"
    )
    return [replace(reply, text=unmarked(reply.text)) for reply in arrived]


@pytest.mark.parametrize("channel", ANSWERING)
def test_buttons_and_a_picture_arrive_as_such_or_in_words(channel: str) -> None:
    shows = registry.adapter(channel).shows.to(heard(account_of(channel))[0])
    arrived = delivered(channel, Answer(text="请选择", buttons=TITLES, image_url=PICTURE))
    words = "\n".join(reply.text for reply in arrived)
    assert words.startswith("请选择")
    assert [reply.buttons for reply in arrived if reply.buttons] == ([TITLES] if shows.buttons else [])
    assert [reply.image_url for reply in arrived if reply.image_url] == ([PICTURE] if shows.image else [])
    assert all(title in words for title in TITLES) is not bool(shows.buttons)
    assert (PICTURE in words) is not shows.image


@pytest.mark.parametrize("channel", LIMITED)
def test_a_long_text_arrives_whole_in_parts_that_the_vendor_takes(channel: str) -> None:
    adapter = registry.adapter(channel)
    limit, sentence = adapter.max_text or 0, "请带上发票😀。"
    text = sentence * (limit * 3 // 2 // size(sentence, adapter.max_text_unit) + 1)
    arrived = delivered(channel, Answer(text=text))
    assert len(arrived) == 2
    assert "".join(reply.text for reply in arrived) == text
    assert arrived[0].text.endswith("。")


@pytest.mark.parametrize("channel", LIMITED)
def test_a_text_beyond_the_limit_is_refused_here_and_not_by_the_vendor(channel: str) -> None:
    account = account_of(channel)
    message, platform = heard(account)
    (whole, *_) = parcels(message, Answer(text="好"), account.adapter)
    limit = account.adapter.max_text or 0
    before = len(platform.asked)
    result = account.adapter.send(replace(whole, text="好" * (limit + 1)), account.credentials(), platform)
    assert (result.outcome, result.code) == ("invalid", "too_long")
    assert len(platform.asked) == before


@pytest.mark.parametrize("channel", [name for name in ANSWERING if registry.adapter(name).idempotent_send])
def test_each_part_has_a_key_of_its_own_and_the_same_one_every_time(channel: str) -> None:
    account = account_of(channel)
    message, platform = heard(account)
    (whole,) = parcels(message, Answer(text="好的。"), account.adapter)
    parts = [whole, replace(whole, part=1)]
    outcomes = [account.adapter.send(part, account.credentials(), platform).outcome for part in (*parts, *parts)]
    assert outcomes[:2] == ["sent", "sent"], "equal words in two parts are two messages"
    assert len(platform.simulator.outbox) == 2


@pytest.mark.parametrize("channel", registry.names())
def test_messages_of_an_account_that_only_receives_are_never_answered(channel: str) -> None:
    account = account_of(channel)
    message, _ = heard(account)
    assert account.credentials(receive_only=True).receive_only and not account.credentials().receive_only
    _, result = inbound_entries(ParseResult(messages=(message,)), receive_only=True)
    assert result.messages[0].reply.mode == "none"
    assert result.messages[0].text == message.text
