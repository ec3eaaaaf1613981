"""Instagram: direct messages to a professional account, story replies and mentions among them, answered through the Send API.

`graph_origin` is Facebook's for an account that is linked to a page, and https://graph.instagram.com with Instagram Login.
https://developers.facebook.com/documentation/business-messaging/instagram-messaging/webhooks
https://developers.facebook.com/docs/messenger-platform/instagram/features/send-message
"""

from __future__ import annotations

from functions.channels.codecs.meta_messaging import MetaMessaging
from functions.channels.codecs.meta_webhook import AccountId, MetaCredentials
from functions.channels.contract import Credentials, Shows, TextUnit


class InstagramCredentials(MetaCredentials):
    """`instagram_account_id` is the professional account's (IGID), as it stands in `entry[].id`."""

    instagram_account_id: AccountId


class Instagram(MetaMessaging):
    """The channel `instagram`."""

    channel = "instagram"
    credentials: type[Credentials] = InstagramCredentials
    object_name = "instagram"
    id_kind = "igsid"
    max_text = 1000
    max_text_unit: TextUnit = "bytes"
    shows = Shows(image=True, buttons=13, button_title=20)

    def account_id(self, credentials: InstagramCredentials) -> str:
        return credentials.instagram_account_id


ADAPTER = Instagram()
