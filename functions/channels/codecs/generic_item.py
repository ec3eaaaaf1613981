"""An item of the channel `generic`: a message as a system of one's own writes it, or as `custom_fields` reads it out of a platform's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

MAX_TEXT = 20_000
MAX_NAME = 200


def _id(value: Any) -> Any:
    # Ids are strings with us, whatever the sender's JSON makes of them.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _utc(value: datetime) -> datetime:
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise ValueError("beyond the years 1 to 9999") from None


Id = Annotated[str, BeforeValidator(_id), Field(min_length=1, max_length=256)]
# DynamoDB keeps 38 digits; nobody's file has more than 2^53 bytes.
Count = Annotated[int, Field(ge=0, le=2**53)]
Utc = Annotated[datetime, AfterValidator(_utc)]


class ItemContact(BaseModel):
    """Who wrote. `unionid` is the person's id within the account's `open_platform`."""

    id: Id
    unionid: Id | None = None
    name: str | None = Field(None, max_length=MAX_NAME)
    locale: str | None = Field(None, max_length=35)
    is_bot: bool = False


class ItemAttachment(BaseModel):
    """A file, by link or by id."""

    kind: str = Field("file", max_length=32)
    url: str | None = Field(None, max_length=4096)
    url_expires_at: Utc | None = None
    media_id: Id | None = None
    mime: str | None = None
    size: Count | None = None
    filename: str | None = Field(None, max_length=255)
    caption: str | None = None
    duration_ms: Count | None = None


class ItemReplyTo(BaseModel):
    """The message that is answered."""

    id: Id | None = None
    text: str | None = None


class ItemReferral(BaseModel):
    """Where the contact came from."""

    source: str = "ad"
    ad_id: Id | None = None
    campaign_id: Id | None = None
    creative_id: Id | None = None
    advertiser_id: Id | None = None
    source_url: str | None = None
    headline: str | None = None
    click_id: Id | None = None
    ref: str | None = None


class Item(BaseModel):
    """One message, or what a person did elsewhere: `event` is answered (somebody answered the contact) or recalled (by the contact)."""

    id: Id
    contact: ItemContact
    text: str | None = Field(None, max_length=MAX_TEXT)
    kind: str | None = Field(None, max_length=64)
    attachments: list[ItemAttachment] = Field(default_factory=list, max_length=50)
    reply_to: ItemReplyTo | Id | None = None
    referral: ItemReferral | None = None
    sent_at: Utc | None = None
    event: Literal["answered", "recalled"] | None = None
