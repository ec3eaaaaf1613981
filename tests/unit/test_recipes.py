"""The recipes of docs/channels.md, as they stand there: signed as each vendor signs, a message comes through and a forgery does not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey
from wechatpy.crypto import PrpCrypto

from functions.channels.codecs.custom_answers import CustomAnswer, CustomHandshake
from functions.channels.codecs.custom_fields import CustomFields
from functions.channels.codecs.custom_signature import DigestSignature, Ed25519Signature, HmacSignature, Section
from functions.channels.codecs.custom_wechat import WechatSignature
from functions.channels.contract import HttpAnswer, Payload, RawRequest, Rejected, Verified
from functions.channels.generic import ADAPTER, GenericCredentials
from infra.simulators.contract import ApiRequest
from infra.simulators.custom import UnknownForm
from infra.simulators.generic import GenericSimulator
from tests.fakes.simulated_platform import NOW

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "channels.md").read_text(encoding="utf-8")
SECONDS = str(int(NOW.timestamp()))
MILLISECONDS = int(NOW.timestamp()) * 1000
KEY = "a-secret-of-the-vendors-console"
AES_KEY = base64.b64encode(bytes(range(32))).decode().rstrip("=")
DISCORD = SigningKey(b"d" * 32)
FILLED = {
    "<public key>": DISCORD.verify_key.encode().hex(), "<EncodingAESKey>": AES_KEY, "<Token>": "a-token-1", "<app id>": "xhs-1",
    "<event of a message>": "message",
}  # fmt: skip


def blocks(title: str) -> list[dict[str, Any]]:
    """The accounts below a heading of the page, with test values for what stands in angle brackets."""
    section = re.split(r"^#{2,3} ", PAGE.partition(f"### {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    found = re.findall(r"^```json\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return [json.loads(re.sub(r"<[^<>]+>", lambda place: FILLED.get(place[0], KEY), block)) for block in found]


def came(body: bytes, headers: dict[str, str], query: tuple[tuple[str, str], ...] = (), method: str = "POST") -> RawRequest:
    lowered = {name.lower(): value for name, value in headers.items()}
    return RawRequest(method, "/webhooks/generic/x", query, "", lowered, body, "192.0.2.1", NOW)


def taken(account: dict[str, Any], request: RawRequest) -> Payload | str:
    """The verified, decoded webhook, or why it was refused."""
    verified = ADAPTER.verify(request, GenericCredentials.model_validate(account), NOW)
    return verified.reason if isinstance(verified, Rejected) else ADAPTER.decode(verified, "x")


def mac(body: bytes, key: str = KEY) -> str:
    return hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


def viber(body: bytes, key: str = KEY) -> RawRequest:
    return came(body, {"X-Viber-Content-Signature": mac(body, key)})


def discord(body: bytes, key: str = KEY) -> RawRequest:
    signer = DISCORD if key == KEY else SigningKey(b"x" * 32)
    signature = signer.sign(SECONDS.encode() + body).signature.hex()
    return came(body, {"X-Signature-Ed25519": signature, "X-Signature-Timestamp": SECONDS})


def kuaishou(body: bytes, key: str = KEY) -> RawRequest:
    return came(body, {"kwaisign": hashlib.md5(body + key.encode()).hexdigest()})


def xiaohongshu(body: bytes, key: str = KEY) -> RawRequest:
    encrypted = PrpCrypto(base64.b64decode(AES_KEY + "=")).encrypt(body.decode(), "xhs-1").decode()
    token = "a-token-1" if key == KEY else key
    signature = hashlib.sha1("".join(sorted((token, SECONDS, "n", encrypted))).encode()).hexdigest()
    query = (("msg_signature", signature), ("timestamp", SECONDS), ("nonce", "n"))
    return came(json.dumps({"Encrypt": encrypted}).encode(), {}, query)


def ocean_engine(body: bytes, key: str = KEY) -> RawRequest:
    return came(body, {"X-Open-Signature": mac(body, key)})


Signed = Callable[..., RawRequest]
RECIPES: dict[str, tuple[Signed, dict[str, Any]]] = {
    "Viber": (
        viber,
        {
            "event": "message", "timestamp": MILLISECONDS, "message_token": 4912661846655238145,
            "sender": {"id": "u1", "name": "王芳", "language": "zh"}, "message": {"type": "text", "text": "你好"},
        },
    ),
    "Discord": (
        discord,
        {"id": "91", "type": 2, "user": {"id": "u1", "username": "王芳"}, "data": {"options": [{"name": "text", "value": "你好"}]}},
    ),
    "Kuaishou": (
        kuaishou,
        {"event": "message", "message_id": "91", "timestamp": MILLISECONDS, "data": {"from_open_id": "u1", "text": "你好"}},
    ),
    "Xiaohongshu": (xiaohongshu, {"MsgId": 91, "MsgType": "text", "FromUserName": "u1", "Content": "你好", "CreateTime": int(SECONDS)}),
    "Ocean Engine": (
        ocean_engine,
        {"message_id": "91", "from_user_id": "u1", "content": {"text": "你好"}, "create_time": int(SECONDS)},
    ),
}  # fmt: skip


def test_every_recipe_of_the_page_is_tried():
    section = PAGE.partition("## Platforms without a channel of their own")[2].partition("\n## ")[0]
    assert re.findall(r"^### (.+)$", section, re.MULTILINE) == [*RECIPES, "Anything else"]


@pytest.mark.parametrize("platform", RECIPES)
def test_a_message_signed_as_the_vendor_signs_comes_through(platform):
    signed, said = RECIPES[platform]
    (account,) = blocks(platform)
    payload = taken(account, signed(json.dumps(said).encode()))
    assert isinstance(payload, Payload), payload
    result = ADAPTER.parse(payload)
    assert [(m.contact.primary, m.text, m.kind) for m in result.messages] == [("u1", "你好", "text")], result
    assert (result.messages[0].sent_at is None) == (platform == "Discord")
    answer = ADAPTER.acknowledge(payload, result)
    assert answer.status == 202 if "answer" not in account else answer.status == 200


@pytest.mark.parametrize("platform", RECIPES)
def test_the_local_stack_plays_the_platform_of_a_recipe_as_it_stands(platform):
    (account,) = blocks(platform)
    simulator = GenericSimulator("x", account, now=lambda: NOW)
    assert simulator.api(ApiRequest("POST", "/replies/x", {}, {}, b"{}")).status == 401, "without a secret nothing is received"
    if account["signature"]["scheme"] not in ("hmac", "digest"):
        with pytest.raises(UnknownForm):  # it lacks the platform's own key
            simulator.text("u1", "你好")
        return
    webhook = simulator.text("u1", "你好")
    payload = taken(account, came(webhook.body, dict(webhook.headers)))
    assert isinstance(payload, Payload), payload
    assert [(m.contact.primary, m.text) for m in ADAPTER.parse(payload).messages] == [("u1", "你好")]


@pytest.mark.parametrize("platform", RECIPES)
def test_a_message_signed_with_another_key_does_not(platform):
    signed, said = RECIPES[platform]
    (account,) = blocks(platform)
    assert taken(account, signed(json.dumps(said).encode(), "another key altogether")) == "bad_signature"
    assert taken(account, came(json.dumps(said).encode(), {})) == "no_signature"


@pytest.mark.parametrize("platform", ["Viber", "Discord", "Kuaishou", "Xiaohongshu"])
def test_what_is_no_message_is_ignored(platform):
    signed, _ = RECIPES[platform]
    (account,) = blocks(platform)
    payload = taken(account, signed(b'{"event":"webhook","type":3,"MsgType":"event"}'))
    assert isinstance(payload, Payload)
    result = ADAPTER.parse(payload)
    assert (len(result.ignored), result.messages, result.errors) == (1, (), ())


def test_discords_ping_is_answered_and_viber_hears_200():
    (account,) = blocks("Discord")
    payload = taken(account, discord(b'{"type":1}'))
    assert isinstance(payload, Payload)
    assert ADAPTER.handshake(payload) == HttpAnswer(200, '{"type":1}', "application/json")
    told = json.loads(GenericCredentials.model_validate(account).answer.body)
    assert told["type"] == 4 and told["data"]["content"]


def test_xiaohongshus_console_hears_its_echostr():
    (account,) = blocks("Xiaohongshu")
    signature = hashlib.sha1("".join(sorted(("a-token-1", SECONDS, "n"))).encode()).hexdigest()
    query = (("signature", signature), ("timestamp", SECONDS), ("nonce", "n"), ("echostr", "123"))
    payload = taken(account, came(b"", {}, query, "GET"))
    assert isinstance(payload, Payload) and ADAPTER.handshake(payload) == HttpAnswer(200, "123")


def test_the_common_forms_are_what_they_say():
    body = b'{"id":"1","contact":{"id":"u1"},"text":"hi"}'
    github, shopify, stripe = blocks("Anything else")
    raw = hmac.new(KEY.encode(), body, hashlib.sha256).digest()
    assert isinstance(taken(github, came(body, {"X-Hub-Signature-256": "sha256=" + raw.hex()})), Payload)
    assert isinstance(taken(shopify, came(body, {"X-Shopify-Hmac-Sha256": base64.b64encode(raw).decode()})), Payload)
    timed = mac(f"{SECONDS}.".encode() + body)
    assert isinstance(taken(stripe, came(body, {"X-Signature": f"t={SECONDS},v1={timed}"})), Payload)


@pytest.mark.parametrize(
    "section", [HmacSignature, DigestSignature, Ed25519Signature, WechatSignature, CustomFields, CustomHandshake, CustomAnswer]
)
def test_every_field_is_explained(section: type[Section]):
    named = set(re.findall(r"`(\w+)`", (DOCS / "channels" / "generic.md").read_text(encoding="utf-8")))
    assert set(section.model_fields) <= named


def test_a_recipe_leads_to_a_message_only_through_verification():
    (account,) = blocks("Viber")
    verified = ADAPTER.verify(viber(b"{}"), GenericCredentials.model_validate(account), NOW)
    assert isinstance(verified, Verified) and (verified.verification.body_signed, verified.verification.timestamped) == (
        True,
        False,
    )
