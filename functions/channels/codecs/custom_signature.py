"""A platform's signature, described by configuration: where it stands, how it is made, what it covers.

Everything is the account's to say and nothing the request's. What cannot be checked cannot be configured: each form covers the whole body;
a timestamp counts only if it is signed, and is then checked. The four forms are a MAC under a key, a plain digest with the key
in it, Ed25519, and WeChat's with its encryption.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from datetime import datetime, timedelta
from hmac import digest as hmac_digest
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from functions.channels.codecs import ed25519, sha_concat, strict_json
from functions.channels.codecs.constant_time import fresh, same, unix_time
from functions.channels.contract import HttpAnswer, RawRequest, Rejected
from functions.common.message import Verification

MIN_KEY = 16  # bytes
MAX_CANDIDATES = 10  # while a platform rotates its key it signs with both
_PLACE = re.compile(r"\{(key|id|timestamp|body)\}")
_HEADER = r"^[A-Za-z0-9_-]{1,64}$"

Header = Annotated[str, Field(pattern=_HEADER), AfterValidator(str.lower)]
Encoding = Literal["hex", "base64"]


class Section(BaseModel):
    """A part of the account's secret. Unknown fields are refused: a typo must not weaken a check."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class HeaderSignature(Section, ABC):
    """What a signature in a header has, however it is made.

    `signed` says what it covers: `{timestamp}.{body}`. `part` names the signature among `name=value` pairs in its header, `timestamp_part`
    the time there. Several signatures stand with spaces between them, or as several parts of one name; one that holds is enough.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"body"})

    header: Header
    key: SecretStr
    encoding: Encoding = "hex"
    prefix: str = Field("", max_length=32)
    part: str | None = Field(None, pattern=r"^\w{1,32}$")
    signed: str = Field("{body}", max_length=200)
    id_header: Header | None = None
    timestamp_header: Header | None = None
    timestamp_part: str | None = Field(None, pattern=r"^\w{1,32}$")
    timestamp_unit: Literal["s", "ms"] = "s"
    tolerance_seconds: int = Field(300, ge=1, le=28_800)

    @model_validator(mode="after")
    def _covers_what_it_names(self) -> Self:
        places = _PLACE.findall(self.signed)
        named = {"body"} | self.needs
        named |= {"timestamp"} if self.timestamp_header or self.timestamp_part else set()
        named |= {"id"} if self.id_header else set()
        if sorted(places) != sorted(named):
            raise ValueError(f"`signed` must name {', '.join(sorted(named))}, each once, and nothing that has no header")
        if re.search(r"\{id\}(?=\{)", self.signed):
            raise ValueError(
                "`signed` must have something between the id and what follows: bytes could move from one to the other"
            )
        if self.timestamp_part and (self.timestamp_header or not self.part):
            raise ValueError(
                "`timestamp_part` stands in the signature's header, beside a `part`, and needs no header of its own"
            )
        return self

    def checked(self, request: RawRequest, now: datetime) -> Verification | Rejected:
        """Whether the request is signed as described; never raises."""
        if request.method != "POST":
            return Rejected("method")
        found = self._values(request.headers)
        if found is None:
            return Rejected("no_signature")
        candidates, values = found
        message = self._message(values, request.body)
        if not any(self._holds(candidate, message) for candidate in candidates[:MAX_CANDIDATES]):
            return Rejected("bad_signature")
        timed = "timestamp" in values
        sent = unix_time(values.get("timestamp"), milliseconds=self.timestamp_unit == "ms")
        if timed and not fresh(sent, now, timedelta(seconds=self.tolerance_seconds)):
            return Rejected("stale")
        return Verification(scheme=self._name(), body_signed=True, timestamped=timed)

    def decoded(self, request: RawRequest) -> dict[str, Any]:
        """The JSON of a verified request."""
        return strict_json.parse_object(request.body)

    def echo(self, request: RawRequest) -> HttpAnswer | None:
        """No such platform asks by GET."""
        return None

    def _values(self, headers: Mapping[str, str]) -> tuple[list[str], dict[str, str]] | None:
        """The signatures and what else is signed, or None when something is missing."""
        given = headers.get(self.header)
        if not given:
            return None
        pairs = [pair.strip().partition("=") for pair in given.split(",")[:20]] if self.part else []
        candidates = [value for name, _, value in pairs if name == self.part] if self.part else given.split(" ")
        wanted = {"id": self.id_header, "timestamp": self.timestamp_header}
        values = {name: headers.get(header, "") for name, header in wanted.items() if header}
        if self.timestamp_part:
            values["timestamp"] = next((value for name, _, value in pairs if name == self.timestamp_part), "")
        return (candidates, values) if candidates and all(values.values()) else None

    def _message(self, values: Mapping[str, str], body: bytes) -> bytes:
        parts: Mapping[str, bytes] = {name: value.encode("utf-8", "surrogatepass") for name, value in values.items()}
        parts = {**parts, "body": body, "key": self._key_bytes()}
        pieces = _PLACE.split(self.signed)
        return b"".join(parts[piece] if place % 2 else piece.encode() for place, piece in enumerate(pieces))

    def _key_bytes(self) -> bytes:
        return self.key.get_secret_value().encode("utf-8", "surrogatepass")

    @abstractmethod
    def _holds(self, theirs: str, message: bytes) -> bool:
        """Whether one of the signatures is that of the message, in constant time; False for what is no signature."""

    @abstractmethod
    def _name(self) -> str:
        """How the verification calls the scheme."""


class HmacSignature(HeaderSignature):
    """`prefix` + hex or base64 of HMAC(key, what is signed): GitHub, Shopify, Viber, Stripe and most others."""

    scheme: Literal["hmac"]
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    key_encoding: Literal["text", "hex", "base64"] = "text"

    @model_validator(mode="after")
    def _strong(self) -> Self:
        if len(self._key_bytes()) < MIN_KEY:
            raise ValueError(f"a key must hold at least {MIN_KEY} bytes")
        return self

    def _key_bytes(self) -> bytes:
        text = self.key.get_secret_value()
        if self.key_encoding == "hex":
            return bytes.fromhex(text)
        return b64decode(text, validate=True) if self.key_encoding == "base64" else text.encode("utf-8", "surrogatepass")

    def _holds(self, theirs: str, message: bytes) -> bool:
        return same(self.prefix + _written(hmac_digest(self._key_bytes(), message, self.algorithm), self.encoding), theirs)

    def _name(self) -> str:
        return f"hmac-{self.algorithm}"


class DigestSignature(HeaderSignature):
    """`prefix` + hex or base64 of a plain digest over a text with `{key}` in it: Kuaishou. See `sha_concat` for what that is worth."""

    needs = frozenset({"body", "key"})
    scheme: Literal["digest"]
    algorithm: sha_concat.Algorithm = "sha256"

    @model_validator(mode="after")
    def _strong(self) -> Self:
        if len(self._key_bytes()) < MIN_KEY:
            raise ValueError(f"a key must hold at least {MIN_KEY} bytes")
        return self

    def _holds(self, theirs: str, message: bytes) -> bool:
        return same(self.prefix + _written(bytes.fromhex(sha_concat.digest(self.algorithm, message)), self.encoding), theirs)

    def _name(self) -> str:
        return f"digest-{self.algorithm}"


class Ed25519Signature(HeaderSignature):
    """An Ed25519 signature under the platform's public `key` (hex): Discord."""

    scheme: Literal["ed25519"]

    @model_validator(mode="after")
    def _a_key(self) -> Self:
        if not re.fullmatch(r"[0-9a-fA-F]{64}", self.key.get_secret_value()):
            raise ValueError("a public key is 64 hex digits")
        return self

    def _holds(self, theirs: str, message: bytes) -> bool:
        signature = _read(theirs.removeprefix(self.prefix), self.encoding) if theirs.startswith(self.prefix) else None
        return signature is not None and ed25519.verify(bytes.fromhex(self.key.get_secret_value()), signature, message)

    def _name(self) -> str:
        return "ed25519"


def _written(digest: bytes, encoding: Encoding) -> str:
    from base64 import b64encode

    return digest.hex() if encoding == "hex" else b64encode(digest).decode()


def _read(text: str, encoding: Encoding) -> bytes | None:
    try:
        return bytes.fromhex(text) if encoding == "hex" else b64decode(text, validate=True)
    except (ValueError, NotBase64):
        return None
