"""config/replies.yaml as operators write it, checked field by field and compiled to a `ReplyBook`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from functions.autoreply.faq import read_faq
from functions.autoreply.replybook import Cap, Limits, Notices, ReplyBook, ReplyPolicy
from functions.autoreply.templates import Template, TemplateInvalid, variables_of
from functions.common.bundle import Bundle
from functions.common.calendar import read_calendars
from functions.common.errors import BundleInvalid
from functions.common.ledger import KEPT

# RepliesQueue's maxReceiveCount: with more attempts than that the queue would give up first, and nobody be told.
QUEUE_TRIES = 5
VARIABLES = {
    "due": "by when a person will have answered at the latest",
    "expected": "when somebody will next be there; in the two out-of-hours notices only",
}


def _template_text(text: str) -> str:
    try:
        unknown = sorted(variables_of(text) - VARIABLES.keys())
    except TemplateInvalid as error:
        raise ValueError(str(error)) from None
    if unknown:
        raise ValueError(f"unknown variable: {', '.join(unknown)}")
    return text


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
# WeChat takes 2048 bytes, and a Han character is three.
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=600), AfterValidator(_template_text)]
Minutes = Annotated[int, Field(strict=True, ge=1, le=7 * 24 * 60)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Template(_Model):
    zh: Text
    en: Text


class _Notices(_Model):
    welcome: Name
    greeting: Name
    welcome_out_of_hours: Name
    out_of_hours: Name


class _Cap(_Model):
    # More than the ledger remembers cannot be counted.
    at_most: Annotated[int, Field(strict=True, ge=0, le=KEPT)]
    within_minutes: Minutes

    def cap(self) -> Cap:
        return Cap(at_most=self.at_most, within=timedelta(minutes=self.within_minutes))


class _Limits(_Model):
    machine_replies: Annotated[tuple[_Cap, ...], Field(min_length=1)]
    same_exchanges: _Cap
    same_text_minutes: Minutes
    keep_for_people: Annotated[int, Field(strict=True, ge=0, le=20)]
    too_old_minutes: Minutes
    takeover_minutes: Minutes
    window_margin_seconds: Annotated[int, Field(strict=True, ge=0, le=600)]
    attempts: Annotated[int, Field(strict=True, ge=1, le=QUEUE_TRIES)]


class _Replies(_Model):
    templates: dict[Name, _Template]
    notices: _Notices
    limits: _Limits

    @model_validator(mode="after")
    def _notices_can_be_given(self) -> _Replies:
        notices = self.notices.model_dump()
        missing = sorted(f"notices.{use}: no template {name}" for use, name in notices.items() if name not in self.templates)
        if missing:
            raise ValueError("; ".join(missing))
        timed = {self.notices.out_of_hours, self.notices.welcome_out_of_hours}
        for name, template in self.templates.items():
            named = variables_of(template.zh) | variables_of(template.en)
            if "expected" in named and name not in timed:
                raise ValueError(f"templates.{name}: {{expected}} has a value in the out-of-hours notices only")
        return self


def read_replies(section: Any) -> ReplyBook:
    """The book of a bundle's `replies` section; `BundleInvalid` names the first field that is wrong."""
    try:
        replies = _Replies.model_validate(section)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise BundleInvalid(f"{'.'.join(('replies', *map(str, first['loc'])))}: {first['msg']}") from None
    return ReplyBook(
        templates={name: Template(name=name, zh=said.zh, en=said.en) for name, said in replies.templates.items()},
        notices=Notices(**replies.notices.model_dump()),
        limits=_limits(replies.limits),
    )


def read_policy(bundle: Bundle) -> ReplyPolicy:
    """All that autoreply works by, out of one bundle; `BundleInvalid` names what is missing or wrong."""
    missing = sorted({"replies", "calendar"} - bundle.sections.keys())
    if missing:
        raise BundleInvalid(f"no section {', '.join(missing)}")
    book, calendars = read_replies(bundle.sections["replies"]), read_calendars(bundle.sections["calendar"])
    faq = read_faq(bundle.sections.get("faq", {}))
    return ReplyPolicy(bundle=bundle.hash, book=book, calendar=calendars.house, faq=faq, teams=calendars.teams)


def _limits(limits: _Limits) -> Limits:
    return Limits(
        machine_replies=tuple(cap.cap() for cap in limits.machine_replies),
        same_exchanges=limits.same_exchanges.cap(),
        same_text=timedelta(minutes=limits.same_text_minutes),
        keep_for_people=limits.keep_for_people,
        too_old=timedelta(minutes=limits.too_old_minutes),
        takeover=timedelta(minutes=limits.takeover_minutes),
        window_margin=timedelta(seconds=limits.window_margin_seconds),
        attempts=limits.attempts,
    )
