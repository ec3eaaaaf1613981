"""A request's body off the wire: by its length, or in chunks (RFC 9112, sections 6 and 7)."""

from __future__ import annotations

from email.message import Message
from io import BufferedIOBase

_MAX_LINE = 1024


class BodyTooLarge(Exception):
    """The body is longer than is allowed. Nothing more of the connection may be read."""


class BodyUnreadable(Exception):
    """The body's framing is wrong. Nothing more of the connection may be read."""


def read_body(headers: Message, stream: BufferedIOBase, limit: int) -> bytes:
    """The whole body, at most `limit` bytes."""
    lengths = set(headers.get_all("content-length", []))
    if headers.get("transfer-encoding", "").strip().lower() == "chunked":
        if lengths:
            raise BodyUnreadable("both a length and chunks")
        return _chunks(stream, limit)
    if "transfer-encoding" in headers or len(lengths) > 1:
        raise BodyUnreadable("framing")
    return _exactly(stream, _number(lengths.pop().strip() if lengths else "0", 10), limit)


def _chunks(stream: BufferedIOBase, limit: int) -> bytes:
    body = b""
    while size := _number(_line(stream).partition(b";")[0].strip().decode("latin-1"), 16):
        body += _exactly(stream, size, limit - len(body))
        if _line(stream):
            raise BodyUnreadable("chunk")
    while _line(stream):
        pass  # trailers say nothing that we need
    return body


def _exactly(stream: BufferedIOBase, size: int, limit: int) -> bytes:
    if size > limit:
        raise BodyTooLarge
    read = stream.read(size)
    if len(read) < size:
        raise BodyUnreadable("cut short")
    return read


def _line(stream: BufferedIOBase) -> bytes:
    line = stream.readline(_MAX_LINE)
    if not line.endswith(b"\n"):
        raise BodyUnreadable("line")
    return line.rstrip(b"\r\n")


def _number(text: str, base: int) -> int:
    if not text.isascii() or not text.isalnum():
        raise BodyUnreadable("length")
    try:
        return int(text, base)
    except ValueError:
        raise BodyUnreadable("length") from None
