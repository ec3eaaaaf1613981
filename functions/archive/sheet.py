"""Messages as a CSV that a spreadsheet opens without harm: UTF-8 with a mark, commas, CRLF, a heading in Chinese.

A cell that a spreadsheet would take for a formula gets an apostrophe in front, and so does a row of twelve digits or more, of which it
would keep fifteen, and what would be a formula after a semicolon, a tab or a new line within the cell. https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

from functions.common.judgement import CHINESE

COLUMNS = (
    *(
        "接收时间",
        "渠道",
        "账号",
        "联系人",
        "昵称",
        "消息类型",
        "内容",
        "业务类型",
        "内容属性",
        "紧急程度",
        "情绪",
        "垃圾信息",
        "风险",
    ),
    *("负责团队", "回复状态", "回复内容", "会话编号", "消息编号"),
)
BUSINESSES = tuple(CHINESE["business"])
_NEUTRAL = {"business": "other", "urgency": "normal", "sentiment": "neutral", "spam": "none"}
_REPLY = {"none": "未回复", "reserved": "发送中", "sent": "已回复", "failed": "失败", "unknown": "未知"}
# What begins a formula, full-width and small forms too, whatever blanks and invisible letters a spreadsheet skips before it.
_SKIPPED = r"\s\x00-\x1f\x7f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff"
_SIGN = r"[=+\-@＝＋－＠\ufe66\ufe62\ufe63\ufe6b\u2212]"
_FORMULA = re.compile(rf"[{_SKIPPED}]*{_SIGN}|[\t\r\n]")
# Where lists are written with semicolons a spreadsheet heeds no quotes after our commas: these begin a cell or a row inside ours.
_INNER_FORMULA = re.compile(rf"([;\t\r\n](?:(?![\t\r\n])[{_SKIPPED}\"])*)(?={_SIGN})")
_LONG_NUMBER = re.compile(r"[0-9]{12,}")
_CHUNK = 1 << 16


def sheet(lines: Iterable[bytes], business: str, zone: ZoneInfo) -> Iterator[bytes]:
    """The CSV, piece by piece, of those of a part's lines that are of a business. Times are those of `zone`."""
    text = StringIO("\ufeff")
    text.seek(1)
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for line in lines:
        if not may_be(business, line):
            continue
        raw = json.loads(line)
        if raw["judgement"].get("business", "other") == business:
            writer.writerow(map(safe, row(raw, zone)))
            if text.tell() >= _CHUNK:
                yield _taken(text)
    yield _taken(text)


def may_be(business: str, line: bytes) -> bool:
    """Whether a part's line can be of a business at all, without reading it; what is `other` does not say so."""
    if b'"business":"' not in line:
        return business == "other"
    return f'"business":"{business}"'.encode() in line


def safe(cell: str) -> str:
    """The cell as a spreadsheet takes it for the text that it is."""
    text = _INNER_FORMULA.sub(r"\1'", cell)
    return f"'{text}" if _FORMULA.match(cell) or _LONG_NUMBER.fullmatch(cell) else text


def row(raw: dict[str, Any], zone: ZoneInfo) -> list[str]:
    """A line's cells, in the order of `COLUMNS`."""
    message, judgement, reply = raw["message"], raw["judgement"], raw["reply"] or {}
    labels = [CHINESE[axis][judgement.get(axis, neutral)] for axis, neutral in _NEUTRAL.items()]
    several = [" ".join(CHINESE[axis][value] for value in judgement.get(axis, ())) for axis in ("content", "risk")]
    received = datetime.fromisoformat(message["received_at"]).astimezone(zone)
    heard = next((a["transcript"] for a in message.get("attachments", ()) if a.get("transcript")), "")
    return [
        f"{received:%Y-%m-%d %H:%M:%S}",
        message["channel"],
        message["account"],
        message["contact"]["primary"],
        message["contact"].get("name") or "",
        message["kind"],
        message.get("text") or heard,
        labels[0],
        several[0],
        *labels[1:],
        several[1],
        raw["routing"]["team"],
        _REPLY.get(reply.get("state", "none"), ""),
        reply.get("text") or "",
        message["message_id"].partition(".")[0],
        message["message_id"],
    ]


def _taken(text: StringIO) -> bytes:
    # A lone surrogate cannot be written in UTF-8.
    taken = text.getvalue().encode("utf-8", "replace")
    text.seek(0)
    text.truncate()
    return taken
