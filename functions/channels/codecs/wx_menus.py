"""Buttons under a text, as Tencent's customer-service interfaces take them: a list of words of which the customer taps one.

https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Service_Center_messages.html
https://developer.work.weixin.qq.com/document/path/94677
"""

from __future__ import annotations

from typing import Any


def links(text: str, titles: tuple[str, ...]) -> dict[str, Any]:
    """For an Official Account. A tap comes back as a text with the title in it and the number in `bizmsgmenuid`."""
    choices = [{"id": str(number), "content": title} for number, title in enumerate(titles, start=1)]
    return {"msgtype": "msgmenu", "msgmenu": {"head_content": text, "list": choices, "tail_content": ""}}


def menu(text: str, titles: tuple[str, ...]) -> dict[str, Any]:
    """For 微信客服. A tap comes back as a text with the title in it and the number in `menu_id`."""
    choices = [
        {"type": "click", "click": {"id": str(number), "content": title}} for number, title in enumerate(titles, start=1)
    ]
    return {"msgtype": "msgmenu", "msgmenu": {"head_content": text, "list": choices}}
