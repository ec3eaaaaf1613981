"""An e-mail in MIME, read by the standard library: who sent it to whom, whether a machine did, its words and what hangs on it.

The standard library's parser is lenient and its errors are many; whatever it trips over is `MalformedPayload` here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header
from email.message import Message as Mime
from email.utils import parseaddr
from hashlib import sha256
from html import unescape
from typing import Any

from functions.common.errors import MalformedPayload
from functions.common.message import Attachment

MAX_HEADER = 2000
MAX_TEXT = 40_000
MAX_PARTS = 100
MAX_ATTACHMENTS = 50
# Beyond these the standard library takes seconds where it should take milliseconds; no mail program comes near them.
MAX_FIELD = 2000
MAX_MULTIPARTS = 50
MAX_DELIMITERS = 2000

BLOCKS = frozenset({"p", "div", "br", "tr", "li", "h1", "h2", "h3", "blockquote", "table"})
SILENT = frozenset({"script", "style", "head", "title"})

_ADDRESS = re.compile(r"[^\s@<>\"]{1,64}@[^\s@<>\"]{1,255}")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,250}>")
_MACHINE = re.compile(r"(mailer-daemon|postmaster|no-?reply|do-?not-?reply|bounces?)([+.-].{0,320})?@.{0,320}", re.IGNORECASE)
_BULK = frozenset({"bulk", "junk", "list", "auto_reply"})
# What stands in a mailing of which nobody waits for an answer.
_OF_MACHINES = ("list-id", "list-unsubscribe", "x-auto-response-suppress", "x-autoreply", "x-autorespond", "feedback-id")
_CONTENT_FIELD = re.compile(rb"^(content-(?:type|disposition):)((?:[^\n]|\n[ \t])*)", re.IGNORECASE | re.MULTILINE)
_TAG = re.compile(r"<(!--|[a-z!?][a-z0-9]{0,20}|/[a-z][a-z0-9]{0,20})")
_BLANKS = re.compile(r"\n{3,}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail. `sender` is the address in From, in lower case; `text` without its quoted end; `by_machine`: an answer may start a loop."""

    sender: str
    name: str | None
    subject: str | None
    text: str | None
    attachments: tuple[Attachment, ...]
    message_id: str | None
    in_reply_to: str | None
    thread: str | None
    locale: str | None
    by_machine: bool
    is_bounce: bool


def parse(raw: bytes) -> Mail:
    """The mail in `raw`; `MalformedPayload` when it has no sender, or cannot be read at all."""
    if raw.lower().count(b"boundary=") > MAX_MULTIPARTS or raw.count(b"\n--") > MAX_DELIMITERS:
        raise MalformedPayload("mail: too many parts")
    bounded = _CONTENT_FIELD.sub(lambda field: field.group(1) + field.group(2)[:MAX_FIELD], raw)
    try:
        return _mail(message_from_bytes(bounded))
    except (MessageError, ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError) as error:
        raise MalformedPayload(f"mail: {type(error).__name__}") from None


def _mail(mime: Mime) -> Mail:
    name, sender = _sender(mime)
    earlier = _MESSAGE_ID.findall(header(mime, "references") or "")
    replied = _MESSAGE_ID.search(header(mime, "in-reply-to") or "")
    parts = list(_leaves(mime))
    language = _LANGUAGE.match(header(mime, "content-language") or "")
    bounce = mime.get_content_type() == "multipart/report" or (header(mime, "return-path") or "").strip() == "<>"
    return Mail(
        sender=sender.lower(),
        name=name,
        subject=(header(mime, "subject") or "").strip()[:500] or None,
        text=_words(parts),
        attachments=tuple(_attachment(part) for part in parts if _hangs_on(part))[:MAX_ATTACHMENTS],
        message_id=_first(_MESSAGE_ID.findall(header(mime, "message-id") or "")),
        in_reply_to=replied.group() if replied else None,
        thread=_first(earlier) or (replied.group() if replied else None),
        locale=language.group() if language else None,
        by_machine=bounce or _by_machine(mime, sender),
        is_bounce=bounce,
    )


def _sender(mime: Mime) -> tuple[str | None, str]:
    """Name and address. The address is found before anything is decoded: an encoded name may look like another address."""
    given = mime.get_all("from", [])
    name, sender = parseaddr(str(given[0])[:MAX_HEADER]) if len(given) == 1 else ("", "")
    if not _ADDRESS.fullmatch(sender):
        raise MalformedPayload("mail: From")
    return decoded(name)[:200] or None, sender


def header(mime: Mime, name: str) -> str | None:
    """A header's first value, decoded and cut at `MAX_HEADER`; None when there is none."""
    value = mime.get(name)
    return None if value is None else decoded(str(value)[:MAX_HEADER])


def decoded(value: str) -> str:
    """A header's text with its encoded words decoded, in one line; bytes that are no text become U+FFFD."""
    pieces = (each if isinstance(each, str) else _in_charset(each, charset) for each, charset in decode_header(value))
    return " ".join("".join(pieces).split())


def _by_machine(mime: Mime, sender: str) -> bool:
    """RFC 3834 and what mailers do beside it."""
    automatic = (header(mime, "auto-submitted") or "no").partition(";")[0].strip().lower() != "no"
    bulk = (header(mime, "precedence") or "").strip().lower() in _BULK
    return automatic or bulk or bool(_MACHINE.fullmatch(sender)) or any(mime.get(name) is not None for name in _OF_MACHINES)


def _leaves(mime: Mime) -> Iterator[Mime]:
    """The parts that have no parts, and messages that hang on this one, unopened; `MAX_PARTS` of them."""
    waiting, seen = [mime], 0
    while waiting and seen < MAX_PARTS:
        part = waiting.pop(0)
        seen += 1
        if part.get_content_maintype() == "multipart" and part.is_multipart():
            inner: Any = part.get_payload()
            waiting = [each for each in inner if isinstance(each, Mime)] + waiting
        else:
            yield part


def _hangs_on(part: Mime) -> bool:
    return part.get_content_disposition() == "attachment" or part.get_content_maintype() != "text"


def _words(parts: Iterable[Mime]) -> str | None:
    shown = [part for part in parts if not _hangs_on(part)]
    plain = [_content(part) for part in shown if part.get_content_subtype() == "plain"]
    marked = [_without_markup(_content(part)) for part in shown if part.get_content_subtype() == "html"]
    text = "\n".join(filter(None, (each.strip() for each in plain))) or "\n".join(filter(None, marked))
    text = _BLANKS.sub("\n\n", text.replace("\r\n", "\n")[:MAX_TEXT]).strip()
    return _without_quote(text) or text or None


def _without_quote(text: str) -> str:
    """The text up to what it answers, with the line that leads over to it: our own words must not be read as the sender's."""
    lines = text.split("\n")
    end = len(lines)
    while end and (not lines[end - 1].strip() or lines[end - 1].startswith(">")):
        end -= 1
    if end < len(lines) and end and lines[end - 1].rstrip().endswith((":", "：")):
        end -= 1
    return "\n".join(lines[:end]).strip()


def _content(part: Mime) -> str:
    raw = part.get_payload(decode=True)
    return _in_charset(raw, part.get_content_charset()) if isinstance(raw, bytes) else ""


def _in_charset(raw: bytes, charset: str | None) -> str:
    # What calls itself GB2312 is mostly its superset.
    named = "gb18030" if (charset or "").lower() in ("gb2312", "gbk", "gb_2312-80") else charset or "utf-8"
    try:
        return raw.decode(named, "replace").replace("\x00", "")
    except (LookupError, ValueError):  # a character set that nobody knows, or that is none
        return raw.decode("utf-8", "replace").replace("\x00", "")


def _attachment(part: Mime) -> Attachment:
    mime, raw = part.get_content_type(), part.get_payload(decode=True)
    content = raw if isinstance(raw, bytes) else b""
    name, content_id = part.get_filename(), header(part, "content-id")
    return Attachment(
        kind={"image": "image", "audio": "voice", "video": "video"}.get(part.get_content_maintype(), "file"),
        media_id=content_id[:256] if content_id else None,
        mime=mime[:100],
        size=len(content),
        filename=" ".join(str(name).split())[:255] if name else None,
        sha256=sha256(content).hexdigest() if content else None,
    )


def _first(found: list[str]) -> str | None:
    return found[0] if found else None


def _without_markup(page: str) -> str:
    """The words of a page, a line per block, without scripts and styles. One pass: the standard library's parser takes minutes for some."""
    pieces: list[str] = []
    folded, at = page.lower(), 0
    while at < len(page):
        start = page.find("<", at)
        tag = _TAG.match(folded, start) if start >= 0 else None
        end = len(page) if start < 0 else start + (tag is None)
        pieces.append(page[at:end])
        at = end if tag is None else _past(folded, start, tag.group(1))
        if tag and tag.group(1).removeprefix("/") in BLOCKS:
            pieces.append("\n")
    lines = (" ".join(line.split()) for line in unescape("".join(pieces)).split("\n"))
    return "\n".join(filter(None, lines))


def _past(folded: str, start: int, name: str) -> int:
    """Where the tag that begins at `start` is over, with all that it hides."""
    if name == "!--":
        end = folded.find("-->", start + 4)
        return len(folded) if end < 0 else end + 3
    end = folded.find(">", start)
    if end >= 0 and name in SILENT:
        end = folded.find(f"</{name}", end)
        return len(folded) if end < 0 else end
    return len(folded) if end < 0 else end + 1
