"""Messenger, Instagram, WhatsApp, LINE and TikTok: no request makes them raise, and no bad item costs a good one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.channels.contract import RawRequest, Rejected, Verified
from functions.common.errors import MalformedPayload
from functions.common.wire import Inbound, dumps, read_inbound
from tests.fakes.absurd import paths, replaced
from tests.fakes.channel_account import EVERY, INSTAGRAM, LINE, MESSENGER, TIKTOK, WHATSAPP, ChannelAccount
from tests.fakes.simulated_platform import NOW

every = pytest.mark.parametrize("account", EVERY, ids=lambda account: account.channel)
PERSON = "8613800138000"
HEADERS = ("x-hub-signature-256", "x-hub-signature", "x-line-signature", "tiktok-signature")

odd_text = st.text(max_size=20) | st.sampled_from(["\ud800", "\ufffe", "x" * 5000, "0", "-1", "text", "message", "²"])
odd = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | odd_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_text, inner, max_size=3),
    max_leaves=6,
)


def full_items(account: ChannelAccount) -> list[dict[str, Any]]:
    """Items with everything that the platform may put into one."""
    simulator = account.simulator()
    if account is LINE:
        text = {"type": "text", "text": "hi", "mention": {"mentionees": [{"userId": "U"}]}, "quotedMessageId": "1"}
        place = {"type": "location", "latitude": 1.5, "longitude": 2.5, "title": "t", "address": "a"}
        sticker = {"type": "sticker", "packageId": "1", "stickerId": "2"}
        picture = {
            "type": "image",
            "contentProvider": {"type": "external", "originalContentUrl": "https://e.com/"},
            "duration": 1,
        }
        tap = simulator.event_item(PERSON, "postback", at=NOW, key="p", postback={"data": "d", "params": {"date": "x"}})
        return [*(simulator.item(PERSON, said) for said in (text, place, sticker, picture)), tap]
    if account is WHATSAPP:
        card = [{"name": {"formatted_name": "n"}, "phones": [{"phone": "1", "wa_id": "2"}]}]
        kinds: list[tuple[str, Any]] = [
            ("text", {"body": "hi"}),
            ("image", {"id": "1", "mime_type": "a/b", "caption": "c", "sha256": "s"}),
            ("audio", {"id": "1", "voice": True}),
            ("location", {"latitude": 1.5, "longitude": 2.5, "name": "n", "url": "https://e.com/"}),
            ("contacts", card),
            ("interactive", {"type": "list_reply", "list_reply": {"id": "1", "title": "t"}}),
            ("button", {"text": "t", "payload": "p"}),
            ("reaction", {"message_id": "w", "emoji": "😮"}),
            ("order", {"text": "t", "product_items": [{"product_retailer_id": "x", "quantity": 1}]}),
            ("sticker", {"id": "1"}),
        ]
        referral = {"source_url": "https://e.com/", "source_id": "1", "source_type": "ad", "ctwa_clid": "c"}
        more = {"context": {"id": "w"}, "referral": referral}
        return [simulator.item(PERSON, kind, content, **more) for kind, content in kinds]
    if account is TIKTOK:
        info = {"referenced_message_id": "1"}
        webhooks = [simulator.text(PERSON, "hi", referenced_message_info=info), simulator.image(PERSON, "m")]
        return [json.loads(json.loads(webhook.body)["content"]) for webhook in webhooks]
    attachments = [
        {"type": "image", "payload": {"url": "https://e.com/", "sticker_id": 1}},
        {"type": "location", "payload": {"coordinates": {"lat": 1.5, "long": 2.5}}},
        {"type": "story_mention", "payload": {"url": "https://e.com/"}},
    ]
    referral = {"source": "ADS", "ad_id": "1", "ref": "r", "ads_context_data": {"ad_title": "t"}, "product": {"id": "1"}}
    said = {"text": "hi", "attachments": attachments, "quick_reply": {"payload": "p"}, "referral": referral}
    reply = {"reply_to": {"mid": "m", "story": {"id": "s", "url": "https://e.com/"}}}
    tap = json.loads(simulator.postback(PERSON, "t", "p", referral=referral).body)["entry"][0]["messaging"][0]
    return [simulator.item(PERSON, said | reply), tap]


def enveloped(account: ChannelAccount, items: list[Any]) -> Any:
    """The signed webhook that holds the items."""
    simulator = account.simulator()
    if account is TIKTOK:
        return simulator.event("im_receive_msg", items[0])
    return simulator.batch(items)


def read(account: ChannelAccount, webhook: Any) -> Any:
    """What a signed webhook gives: a result, whose messages can be put on the queue and taken off it, or None when malformed."""
    verified = account.verify(webhook)
    assert isinstance(verified, Verified)
    try:
        payload = account.adapter.decode(verified, "demo")
        result = account.adapter.parse(payload)
    except MalformedPayload:
        return None
    assert account.adapter.acknowledge(payload, result).status == 200
    for message in result.messages:
        assert read_inbound(dumps(Inbound(message=message))).message.message_id == message.message_id
    return result


@every
@given(data=st.data())
@settings(max_examples=150)
def test_one_absurd_field_costs_at_most_its_own_item(account, data):
    item = data.draw(st.sampled_from(full_items(account)))
    path = data.draw(st.sampled_from(paths(item)))
    bad = replaced(item, path, data.draw(odd), dropped=data.draw(st.booleans()))
    good = full_items(account)[0]
    result = read(account, enveloped(account, [bad] if account is TIKTOK else [good, bad, good]))
    if account is TIKTOK:
        assert result is None or len(result.messages) + len(result.ignored) + len(result.errors) == 1
    else:
        assert len(result.messages) + len(result.ignored) + len(result.errors) == 3
        assert len(result.messages) >= 2


@every
@given(data=st.data())
@settings(max_examples=60)
def test_an_absurd_envelope_is_read_or_malformed(account, data):
    body = json.loads(enveloped(account, full_items(account)).body)
    path = data.draw(st.sampled_from(paths(body)))
    read(account, account.simulator().webhook(replaced(body, path, data.draw(odd), dropped=data.draw(st.booleans()))))


@every
@given(body=odd.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=200))
@settings(max_examples=60)
def test_whatever_is_rightly_signed_is_read_or_malformed(account, body):
    read(account, account.simulator().webhook(body))


@every
@given(
    method=st.sampled_from(["GET", "POST", "PUT"]),
    query=st.lists(
        st.tuples(st.sampled_from(["hub.mode", "hub.verify_token", "hub.challenge"]) | st.text(), st.text()), max_size=4
    ),
    headers=st.dictionaries(st.sampled_from(HEADERS) | st.text(), odd_text | st.just("t=1,s=" + "0" * 64)),
    body=st.binary(max_size=100),
)
@settings(max_examples=60)
def test_verification_never_raises_and_never_accepts_an_unsigned_request(account, method, query, headers, body):
    came = RawRequest(method, "/webhooks/x/demo", tuple(query), "", headers, body, "192.0.2.1", NOW)
    assert isinstance(account.verify(came), Rejected)


@every
@pytest.mark.parametrize("depth", [400, 1000, 100_000])
def test_depth_is_malformed_or_read_and_never_a_fault(account, depth):
    deep = b'{"object":"page","events":' + b"[" * depth + b'"\\ud800"' + b"]" * depth + b"}"
    read(account, account.simulator().webhook(deep))


@pytest.mark.parametrize("account", [MESSENGER, INSTAGRAM, WHATSAPP, LINE], ids=lambda account: account.channel)
def test_a_thousand_items_are_a_thousand_outcomes(account):
    good = full_items(account)[0]
    result = read(account, enveloped(account, [good, None] * 500))
    assert (len(result.messages), len(result.errors)) == (500, 500)


@pytest.mark.parametrize("account", [MESSENGER, INSTAGRAM, WHATSAPP, LINE], ids=lambda account: account.channel)
def test_more_than_a_thousand_items_are_one_error(account):
    result = read(account, enveloped(account, [{}] * 1001))
    assert not result.messages and [error.reason for error in result.errors] == ["too many"]
