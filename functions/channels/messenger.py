"""Facebook Messenger: direct messages to a page, answered through the Send API.

https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks
https://developers.facebook.com/docs/messenger-platform/reference/send-api
"""

from __future__ import annotations

from typing import Any

from functions.channels.codecs.meta_messaging import MetaMessaging
from functions.channels.codecs.meta_webhook import AccountId, MetaCredentials
from functions.channels.contract import Credentials, OutgoingReply, Shows, TextUnit


class MessengerCredentials(MetaCredentials):
    """`page_id` is the page's own; `access_token` a page access token with `pages_messaging`."""

    page_id: AccountId


class Messenger(MetaMessaging):
    """The channel `messenger`."""

    channel = "messenger"
    credentials: type[Credentials] = MessengerCredentials
    object_name = "page"
    id_kind = "psid"
    max_text = 2000
    max_text_unit: TextUnit = "characters"
    shows = Shows(image=True, buttons=13, button_title=20)

    def account_id(self, credentials: MessengerCredentials) -> str:
        return credentials.page_id

    def body(self, reply: OutgoingReply) -> dict[str, Any]:
        return {"messaging_type": "RESPONSE", **super().body(reply)}


ADAPTER = Messenger()
