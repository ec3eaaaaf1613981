"""The parts of a `generic` account that describe a platform that we do not know, as the account's secret has them.

Imported for accounts that have such parts only: their models cost more than the whole rest of the channel.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from functions.channels.codecs.custom_answers import CustomAnswer, CustomHandshake
from functions.channels.codecs.custom_fields import CustomFields
from functions.channels.codecs.custom_signature import DigestSignature, Ed25519Signature, HmacSignature
from functions.channels.codecs.custom_wechat import WechatSignature
from functions.common.invalid import first_fault

CustomSignature = HmacSignature | DigestSignature | Ed25519Signature | WechatSignature

_PARTS: dict[str, TypeAdapter[Any]] = {
    "signature": TypeAdapter(Annotated[CustomSignature, Field(discriminator="scheme")]),
    "fields": TypeAdapter(CustomFields),
    "handshake": TypeAdapter(CustomHandshake),
    "answer": TypeAdapter(CustomAnswer),
}


def part(name: str, value: Any) -> Any:
    """A part of the account out of plain JSON; `ValueError` that names the field, never what stands in it."""
    try:
        return _PARTS[name].validate_python(value)
    except ValidationError as error:
        fault = first_fault(error)
        raise ValueError(f"{fault.place or name}: {fault.says}") from None
