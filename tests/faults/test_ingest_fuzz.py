"""Anybody may send anything to the webhook address: never a 5xx, never a traceback, never a stored message without a valid signature."""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from functions.channels import registry
from infra.simulators.contract import Webhook
from tests.fakes.house import House, gateway_event, open_house

CHANNELS = ("generic", "wechat_oa", "twilio")
HEADERS = (
    "webhook-id", "webhook-timestamp", "webhook-signature", "x-twilio-signature", "x-twilio-webhooks-signature-settings",
    "content-type", "content-length", "host", "x-forwarded-proto", "x-hub-signature-256", "x-line-signature", "tiktok-signature",
    "x-douyin-signature", "x-lark-signature", "x-slack-signature", "x-slack-request-timestamp", "x-signature-ed25519",
    "x-signature-timestamp", "x-telegram-bot-api-secret-token", "sign", "timestamp", "x-amz-sns-message-type",
)  # fmt: skip
QUERIES = (
    "signature",
    "timestamp",
    "nonce",
    "echostr",
    "msg_signature",
    "encrypt_type",
    "bodySHA256",
    "openid",
    "token",
    "hub.mode",
)
relaxed = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house")) as opened:
        yield opened


anything = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(
    ["", "0", "é", "v1,", "v1,=", "9" * 30, "aes", "1" * 13]
)
queries = st.lists(st.tuples(st.sampled_from(QUERIES), anything), max_size=6).map(
    lambda pairs: "&".join(f"{k}={v}" for k, v in pairs)
)
bodies = st.binary(max_size=300) | st.sampled_from(
    [
        b"{}",
        b"[]",
        b"<xml></xml>",
        b"<!DOCTYPE x><xml/>",
        b"<xml><Encrypt>AAAA</Encrypt></xml>",
        b"a=1&b",
        b'{"messages":[{}]}',
        b"\x00" * 64,
    ]
)
webhooks = st.builds(
    Webhook,
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "x"]),
    query=queries,
    headers=st.dictionaries(st.sampled_from(HEADERS), anything, max_size=6),
    body=bodies,
)


@relaxed
@given(
    st.sampled_from((*CHANNELS, *registry.names(), "contract", "registry", "codecs", "..", "")) | anything,
    st.sampled_from(["demo", "nobody", "../x", ""]) | anything,
    webhooks,
)
@example("wechat_oa", "demo", Webhook("GET", "signature=é&timestamp=1&nonce=1&echostr=x"))
@example("twilio", "demo", Webhook("POST", "bodySHA256=x", {"x-twilio-signature": "é"}, b"{}"))
def test_nothing_unsigned_is_taken(house: House, channel: str, account: str, webhook: Webhook) -> None:
    answer = house.receive(channel, webhook, account)
    assert 400 <= answer["statusCode"] < 500
    assert house.depths()["InboundQueue"] == 0


@relaxed
@given(
    st.dictionaries(
        st.sampled_from(["headers", "body", "rawQueryString", "isBase64Encoded", "requestContext"]), st.none(), max_size=4
    )
)
def test_an_event_with_holes_in_it_is_no_5xx_unless_it_is_no_event(house: House, holes: dict[str, None]) -> None:
    event = gateway_event("generic", "demo", Webhook()) | holes
    expected = range(500, 600) if "requestContext" in holes else range(400, 500)
    assert house.invoke("ingest", event)["statusCode"] in expected


def signed(house: House, channel: str) -> Webhook:
    return house.simulators[channel].text("+8613912345678" if channel == "twilio" else "u1", "你好")


@relaxed
@given(data=st.data(), channel=st.sampled_from(CHANNELS))
def test_a_signed_webhook_with_any_bit_of_its_body_changed_is_refused(house: House, data: Any, channel: str) -> None:
    webhook = signed(house, channel)
    place = data.draw(st.integers(0, len(webhook.body) - 1))
    flipped = bytes([webhook.body[place] ^ (1 << data.draw(st.integers(0, 7)))])
    body = webhook.body[:place] + flipped + webhook.body[place + 1 :]
    answer = house.receive(channel, replace(webhook, body=body))
    # Form bodies that decode to the same parameters are the same message to the vendor's own check.
    if channel == "twilio" and answer["statusCode"] == 200:
        assert same_form(webhook.body, body)
        house.pump()
    elif channel == "wechat_oa" and answer["statusCode"] == 200:
        assert encrypted(body) == encrypted(webhook.body)
        house.pump()
    else:
        assert 400 <= answer["statusCode"] < 500
    assert house.depths()["InboundQueue"] == 0


def same_form(one: bytes, other: bytes) -> bool:
    from urllib.parse import parse_qsl

    return sorted(parse_qsl(one.decode("latin-1"), True)) == sorted(parse_qsl(other.decode("latin-1"), True))


def encrypted(body: bytes) -> bytes:
    return body.partition(b"<Encrypt>")[2].partition(b"</Encrypt>")[0]


@relaxed
@given(channel=st.sampled_from(CHANNELS), noise=st.text(string.ascii_letters, min_size=1, max_size=5))
def test_a_signed_webhook_with_its_signature_changed_is_refused(house: House, channel: str, noise: str) -> None:
    webhook = signed(house, channel)
    headers = {k: noise + v if "signature" in k.lower() else v for k, v in webhook.headers.items()}
    query = webhook.query.replace("signature=", f"signature={noise}")
    answer = house.receive(channel, replace(webhook, headers=headers, query=query))
    assert 400 <= answer["statusCode"] < 500 and house.depths()["InboundQueue"] == 0


def test_no_traceback_ever_reaches_the_log(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    for channel in CHANNELS:
        house.receive(channel, Webhook(body=b"\xff"))
    house.invoke("ingest", {"pathParameters": None})
    printed = "".join(capfd.readouterr()) + house.log.getvalue()
    assert "Traceback" not in printed and "ingest_failed" in printed
