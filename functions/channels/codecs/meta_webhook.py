"""What Messenger, Instagram and WhatsApp have in common: the account, the handshake, the signature and the envelope.

`X-Hub-Signature-256` covers the body and no time. The handshake (GET) is unsigned; it shows that the sender knows our verify token.
One app's webhook serves all its pages and numbers: what is for another is ignored, not refused, or Meta would try again for days.
https://developers.facebook.com/docs/graph-api/webhooks/getting-started
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, SecretStr

from functions.channels.codecs import strict_json
from functions.channels.codecs.batch import Item, listed
from functions.channels.codecs.constant_time import same
from functions.channels.codecs.hmac_raw_body import holds
from functions.channels.codecs.json_fields import Fields, loggable
from functions.channels.contract import (
    Credentials,
    HttpAnswer,
    Ignored,
    ItemError,
    Payload,
    RawRequest,
    Rejected,
    Verified,
)
from functions.common.errors import MalformedPayload
from functions.common.message import Verification

SIGNED = Verification(scheme="meta-hub-sha256", body_signed=True, timestamped=False)
TOKEN_ONLY = Verification(scheme="meta-verify-token", body_signed=False, timestamped=False)
# What is reflected is what a browser could not take for a page (trap T20). Meta sends digits.
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{1,256}")

AccountId = Annotated[str, Field(pattern=r"^[0-9]{1,32}\z")]


class MetaCredentials(Credentials):
    """An app's settings. Without `access_token` the channel only receives. `appsecret_proof`: the app demands it of every call."""

    app_secret: SecretStr = Field(min_length=16)
    verify_token: SecretStr = Field(min_length=8)
    access_token: SecretStr | None = Field(None, min_length=8)
    graph_version: str = Field("v24.0", pattern=r"^v[0-9]{1,3}\.[0-9]{1,2}\z")
    graph_origin: str = Field("https://graph.facebook.com", pattern=r"^https://[a-z0-9.-]{1,253}(:[0-9]{1,5})?\z")
    appsecret_proof: bool = False


def verify(request: RawRequest, credentials: MetaCredentials) -> Verified | Rejected:
    """The handshake by its token, a webhook by its signature; nothing else is Meta's."""
    if request.method == "GET":
        return _verify_handshake(request, credentials)
    theirs = request.headers.get("x-hub-signature-256")
    if request.method != "POST":
        return Rejected("method", 403)
    if not theirs:
        return Rejected("no_signature", 403)
    if not holds(theirs, credentials.app_secret.get_secret_value(), request.body, prefix="sha256="):
        return Rejected("bad_signature", 403)
    return Verified(request, credentials, SIGNED)


def _verify_handshake(request: RawRequest, credentials: MetaCredentials) -> Verified | Rejected:
    theirs = request.parameter("hub.verify_token")
    if request.parameter("hub.mode") != "subscribe" or not theirs:
        return Rejected("no_signature", 403)
    if not same(credentials.verify_token.get_secret_value(), theirs):
        return Rejected("bad_signature", 403)
    return Verified(request, credentials, TOKEN_ONLY)


def decode(verified: Verified, account: str) -> Payload:
    """The JSON object of a webhook, or the challenge of a handshake."""
    if verified.request.method != "GET":
        return Payload(verified, account, strict_json.parse_object(verified.request.body))
    challenge = verified.request.parameter("hub.challenge") or ""
    if not _CHALLENGE.fullmatch(challenge):
        raise MalformedPayload("hub.challenge")
    return Payload(verified, account, {"challenge": challenge})


def handshake(payload: Payload) -> HttpAnswer | None:
    """The challenge as plain text, or None for a webhook."""
    return HttpAnswer(200, payload.body["challenge"]) if payload.verified.request.method == "GET" else None


def acknowledgement() -> HttpAnswer:
    """What Meta's own samples answer; any 200 will do."""
    return HttpAnswer(200, "EVENT_RECEIVED")


def foreign(body: Fields, expected: str) -> Ignored | None:
    """A webhook about another kind of object than this channel's, such as an Instagram event at Messenger's address."""
    return None if body.get("object") == expected else Ignored(f"object_{loggable(body.get('object'))}"[:64])


def entries(body: Fields) -> Iterator[Item | ItemError]:
    """Every entry of the envelope with its place."""
    return listed(body, "entry", "entry")
