"""XML from outside: UTF-8 only, no DOCTYPE, of bounded size and depth, flattened to text by name; and XML to the outside.

Expat stops the billion laughs but expands small entities of a document's own (trap T18), so any DOCTYPE is refused: without one
there are none but the five that XML knows by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NoReturn
from xml.parsers import expat

from functions.common.errors import MalformedPayload

MAX_BYTES = 128 * 1024
MAX_DEPTH = 8
MAX_ELEMENTS = 1000
MAX_NAME = 64

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def flat(body: bytes) -> dict[str, str]:
    """The text of every innermost element, by its name below the root: `Content`, `ScanCodeInfo.ScanType`. The first of a name stands.

    Attributes, comments and text between elements are dropped. `MalformedPayload` when the body is not such XML.
    """
    if len(body) > MAX_BYTES:
        raise MalformedPayload("XML: too large")
    reader = _Reader()
    try:
        reader.parser.Parse(body.decode("utf-8"), True)
    except (expat.ExpatError, UnicodeError) as error:
        raise MalformedPayload(f"not XML: {type(error).__name__}") from None
    return reader.fields


def document(fields: Mapping[str, str | int]) -> str:
    """`<xml>` with one element per field: text as CDATA, numbers as they are. What XML cannot carry becomes U+FFFD."""
    return "<xml>" + "".join(f"<{name}>{_content(value)}</{name}>" for name, value in fields.items()) + "</xml>"


def _content(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    # A CDATA section ends at the first `]]>`; one in the text is cut between two sections.
    text = _NOT_XML.sub("\ufffd", value).replace("]]>", "]]]]><![CDATA[>")
    return f"<![CDATA[{text}]]>"


class _Reader:
    """One document's way through expat."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.XmlDeclHandler = self._declaration
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.CharacterDataHandler = self._characters
        self.parser.EndElementHandler = self._end
        self._path: list[str] = []
        self._text: list[str] = []
        self._elements = 0
        self._innermost = False

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding and encoding.lower() != "utf-8":
            raise MalformedPayload("XML: not UTF-8")

    def _doctype(self, *_declared: object) -> NoReturn:
        raise MalformedPayload("XML: DOCTYPE")

    def _start(self, name: str, _attributes: object) -> None:
        self._path.append(name)
        self._elements += 1
        if len(name) > MAX_NAME or len(self._path) > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise MalformedPayload("XML: too long a name, too deep or too many elements")
        self._text = []
        self._innermost = True

    def _characters(self, text: str) -> None:
        self._text.append(text)

    def _end(self, _name: str) -> None:
        if self._innermost and len(self._path) > 1:
            self.fields.setdefault(".".join(self._path[1:]), "".join(self._text))
        self._path.pop()
        self._innermost = False
