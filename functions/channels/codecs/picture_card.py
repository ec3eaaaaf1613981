"""A picture as a card, on platforms that show one by its address only so: a title, the picture, and the address behind both.

https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Service_Center_messages.html
https://developer.work.weixin.qq.com/document/path/90236
https://open.weibo.com/wiki/Send_Customer_Service_Message
"""

from __future__ import annotations

from typing import Any

TITLE = "图片 Picture"  # a card must have one, and a picture of ours comes without words


def news(url: str) -> dict[str, Any]:
    """For an Official Account, which takes one article at a time, and for an application of WeCom."""
    return {"msgtype": "news", "news": {"articles": [{"title": TITLE, "description": "", "url": url, "picurl": url}]}}


def article(url: str) -> dict[str, Any]:
    """For Weibo: the `data` of a message of the type `articles`."""
    return {"articles": [{"display_name": TITLE, "summary": TITLE, "image": url, "url": url}]}
