"""config/replies.yaml as operators write it, checked field by field and compiled to a `ReplyBook`."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from functions.autoreply.commands import Command, compiled
from functions.autoreply.faq import read_faq
from functions.autoreply.outgoing import read_outgoing
from functions.autoreply.replybook import Cap, Drafts, Limits, Notices, QuietHours, ReplyBook, ReplyPolicy
from functions.autoreply.templates import Template, TemplateInvalid, Texts, variables_of
from functions.common.bundle import Bundle
from functions.common.calendar import read_calendars
from functions.common.errors import BundleInvalid
from functions.common.ledger import KEPT
from functions.common.sections import read_section

# RepliesQueue's maxReceiveCount: with more attempts than that the queue would give up first, and nobody be told.
QUEUE_TRIES = 5
CLOCK = r"^([01]\d|2[0-3]):[0-5]\d$"
VARIABLES = {
    "due": "by when a person will have answered at the latest",
    "expected": "when somebody will next be there; in the two out-of-hours notices only",
    "answer_by": "by when an answer will come, by the calendar and with all who wait already; in the two out-of-hours notices only",
}


def _template_text(text: str) -> str:
    try:
        variables_of(text)
    except TemplateInvalid as error:
        raise ValueError(str(error)) from None
    return text


def _format(text: str) -> str:
    compiled(text)
    return text


def _day(text: str) -> str:
    date.fromisoformat(text)
    return text


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
# WeChat takes 2048 bytes, and a Han character is three.
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=600), AfterValidator(_template_text)]
# WhatsApp shows twenty characters; and whoever taps says the title.
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20)]
Titles = Annotated[tuple[Title, ...], Field(min_length=1, max_length=10)]
Picture = Annotated[str, StringConstraints(pattern=r"^https://[!-~]{4,1000}$")]
Minutes = Annotated[int, Field(strict=True, ge=1, le=7 * 24 * 60)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Buttons(_Model):
    zh: Titles
    en: Titles

    @model_validator(mode="after")
    def _the_same_in_both(self) -> _Buttons:
        if len(self.zh) != len(self.en):
            raise ValueError("there must be as many buttons in one language as in the other")
        return self


class _Texts(_Model):
    zh: Text
    en: Text

    def texts(self) -> Texts:
        return Texts(zh=self.zh, en=self.en)


class _Template(_Texts):
    owner: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
    review: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_day)]
    channels: dict[Name, _Texts] = Field(default_factory=dict)
    buttons: _Buttons | None = None
    image: Picture | None = None
    variants: dict[Annotated[str, StringConstraints(pattern=r"^[b-h]$")], _Texts] = Field(default_factory=dict)

    def every(self) -> list[_Texts]:
        return [self, *self.channels.values(), *self.variants.values()]

    def named(self) -> set[str]:
        """Every variable that any of its wordings names."""
        return {name for texts in self.every() for text in (texts.zh, texts.en) for name in variables_of(text)}

    def template(self, name: str) -> Template:
        return Template(
            name=name,
            zh=self.zh,
            en=self.en,
            owner=self.owner,
            review=date.fromisoformat(self.review),
            channels={channel: texts.texts() for channel, texts in self.channels.items()},
            variants={variant: texts.texts() for variant, texts in self.variants.items()},
            buttons_zh=self.buttons.zh if self.buttons else (),
            buttons_en=self.buttons.en if self.buttons else (),
            image_url=self.image,
        )


class _Command(_Model):
    name: Name
    formats: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_format)], ...], Field(min_length=1)
    ]
    reply: Name

    def command(self) -> Command:
        return Command(name=self.name, formats=tuple(map(compiled, self.formats)), reply=self.reply)


class _QuietHours(_Model):
    channels: tuple[Name, ...] = ()
    begin: Annotated[str, StringConstraints(pattern=CLOCK)] = Field(alias="from")
    end: Annotated[str, StringConstraints(pattern=CLOCK)] = Field(alias="to")

    @model_validator(mode="after")
    def _lasts(self) -> _QuietHours:
        if self.begin == self.end:
            raise ValueError("quiet hours that end when they begin")
        return self

    def hours(self) -> QuietHours:
        begin, end = time.fromisoformat(self.begin), time.fromisoformat(self.end)
        return QuietHours(channels=self.channels, begin=begin, end=end)


class _Notices(_Model):
    welcome: Name
    greeting: Name
    welcome_out_of_hours: Name
    out_of_hours: Name
    receipt: Name


class _Cap(_Model):
    # More than the ledger remembers cannot be counted.
    at_most: Annotated[int, Field(strict=True, ge=0, le=KEPT)]
    within_minutes: Minutes

    def cap(self) -> Cap:
        return Cap(at_most=self.at_most, within=timedelta(minutes=self.within_minutes))


class _Limits(_Model):
    machine_replies: Annotated[tuple[_Cap, ...], Field(min_length=1)]
    same_exchanges: _Cap
    same_template: _Cap
    account_per_hour: Annotated[int, Field(strict=True, ge=1)] | None = None
    same_text_minutes: Minutes
    keep_for_people: Annotated[int, Field(strict=True, ge=0, le=20)]
    too_old_minutes: Minutes
    takeover_minutes: Minutes
    window_margin_seconds: Annotated[int, Field(strict=True, ge=0, le=600)]
    attempts: Annotated[int, Field(strict=True, ge=1, le=QUEUE_TRIES)]


class _Drafts(_Model):
    send_picks: Annotated[bool, Field(strict=True)] = False
    send_for: tuple[Name, ...] = ()


class _Replies(_Model):
    templates: dict[Name, _Template]
    commands: tuple[_Command, ...] = ()
    notices: _Notices
    limits: _Limits
    quiet_hours: tuple[_QuietHours, ...] = ()
    drafts: _Drafts = _Drafts()

    @model_validator(mode="after")
    def _can_be_sent(self) -> _Replies:
        commands = [command.command() for command in self.commands]
        named = [(f"notices.{use}", name) for use, name in self.notices.model_dump().items()]
        named += [(f"commands.{command.name}", command.reply) for command in commands]
        named += [("drafts.send_for", name) for name in self.drafts.send_for]
        missing = sorted(f"{where}: no template {name}" for where, name in named if name not in self.templates)
        if missing:
            raise ValueError("; ".join(missing))
        if len({command.name for command in commands}) < len(commands):
            raise ValueError("commands: two have one name")
        for name, template in self.templates.items():
            self._has_values(name, template, [command.arguments for command in commands if command.reply == name])
        return self

    def _has_values(self, name: str, template: _Template, arguments: list[frozenset[str]]) -> None:
        known = VARIABLES.keys() | (frozenset.intersection(*arguments) if arguments else frozenset())
        if unknown := sorted(template.named() - known):
            raise ValueError(f"templates.{name}: unknown variable: {', '.join(unknown)}")
        timed = {"expected", "answer_by"} & template.named()
        if timed and name not in {self.notices.out_of_hours, self.notices.welcome_out_of_hours}:
            raise ValueError(f"templates.{name}: {{{min(timed)}}} has a value in the out-of-hours notices only")


def read_replies(section: Any) -> ReplyBook:
    """The book of a bundle's `replies` section; `BundleInvalid` names the first field that is wrong."""
    replies = read_section(_Replies, "replies", section)
    return ReplyBook(
        templates={name: said.template(name) for name, said in replies.templates.items()},
        notices=Notices(**replies.notices.model_dump()),
        limits=_limits(replies.limits),
        commands=tuple(said.command() for said in replies.commands),
        quiet_hours=tuple(said.hours() for said in replies.quiet_hours),
        drafts=Drafts(**replies.drafts.model_dump()),
    )


def read_policy(bundle: Bundle) -> ReplyPolicy:
    """All that autoreply works by, out of one bundle; `BundleInvalid` names what is missing or wrong."""
    missing = sorted({"replies", "calendar"} - bundle.sections.keys())
    if missing:
        raise BundleInvalid(f"no section {', '.join(missing)}")
    book, calendars = read_replies(bundle.sections["replies"]), read_calendars(bundle.sections["calendar"])
    return ReplyPolicy(
        bundle=bundle.hash,
        book=book,
        calendar=calendars.house,
        faq=read_faq(bundle.sections.get("faq", {})),
        teams=calendars.teams,
        outgoing=read_outgoing(bundle.sections.get("outgoing", {})),
    )


def _limits(limits: _Limits) -> Limits:
    return Limits(
        machine_replies=tuple(cap.cap() for cap in limits.machine_replies),
        same_exchanges=limits.same_exchanges.cap(),
        same_template=limits.same_template.cap(),
        account_per_hour=limits.account_per_hour,
        same_text=timedelta(minutes=limits.same_text_minutes),
        keep_for_people=limits.keep_for_people,
        too_old=timedelta(minutes=limits.too_old_minutes),
        takeover=timedelta(minutes=limits.takeover_minutes),
        window_margin=timedelta(seconds=limits.window_margin_seconds),
        attempts=limits.attempts,
    )
