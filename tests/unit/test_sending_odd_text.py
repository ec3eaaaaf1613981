"""`send` never raises, whatever text, ids and tokens a reply has and whatever the platform answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from functions.channels import registry
from functions.channels.contract import AccessToken, HttpResult, OutgoingReply
from tests.fakes.house import ACCOUNTS
from tests.fakes.simulated_platform import NOW

ODD = ("\ud800", "a\r\nb\x00", "不" * 9)
TOKENS = (None, "", "\ud800", "im_reply_msg 1", "C0123/1700000000.000100", "https://oapi.dingtalk.com/x?y=\ud800", "1/2")
ANSWERS = (
    b"",
    b"null",
    b"\xff",
    b'{"errcode":"0","code":{},"ok":1,"error":[1]}',
    b'{"error":{"code":[],"error_subcode":{}},"Response":{"Error":{"Code":7},"SendStatusSet":[1]}}',
    b'{"access_token":"t","tenant_access_token":"t","expires_in":60,"expire":60,"data":{"access_token":"t","expires_in":60}}',
)


class Echoing:
    """A platform that answers everything alike, and looks at whether what it is asked could be sent at all."""

    def __init__(self, status: int, body: bytes) -> None:
        self.answer = HttpResult(status, {"retry-after": "²"}, body)

    def now(self) -> Any:
        return NOW

    def origin(self, default: str) -> str:
        return default

    def request(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes) -> HttpResult:
        sent = [text for pair in headers.items() for text in pair]
        assert method in ("GET", "POST") and isinstance(body, bytes)
        assert all(text.isascii() and text.isprintable() for text in sent)
        return self.answer

    def access_token(self, app: str, fetch: Callable[[], AccessToken]) -> str:
        return fetch().value

    def forget_token(self, app: str, token: str) -> None:
        pass


@pytest.mark.parametrize("channel", registry.names())
@pytest.mark.parametrize("odd", ODD)
def test_whatever_is_sent_and_answered_there_is_an_outcome(channel: str, odd: str) -> None:
    adapter = registry.adapter(channel)
    credentials = adapter.credentials.model_validate(ACCOUNTS[channel]["demo"])
    for token in TOKENS:
        reply = OutgoingReply(
            message_id="a" * 16 + ".1700000000000." + "b" * 10,
            native_id=odd,
            contact=odd,
            text=odd,
            token=token,
            buttons=(odd,),
        )
        for status in (200, 302, 400, 401, 429, 500):
            for body in ANSWERS:
                result = adapter.send(reply, credentials, Echoing(status, body))
                assert result.outcome != "sent" or status == 200, (status, body, result)
