"""What forbids a machine to answer, one small step each; asked in order when a decision is made and again just before a reply is sent."""

from __future__ import annotations

from datetime import timedelta

from functions.autoreply.case import Case, Silence, Step
from functions.autoreply.reasons import Reason
from functions.common.origin import is_marked
from functions.common.store import recall_mark

# From UTC-12 to UTC+14.
ZONES = timedelta(hours=26)


def stopped(case: Case) -> Silence | None:
    """An operator stopped everything, the channel or the account."""
    scope = case.stops.of_account(case.message.channel, case.message.account)
    return Silence(reason=Reason.STOPPED, detail=scope) if scope else None


def bot(case: Case) -> Silence | None:
    """A machine wrote the message: the platform says so, or it has the mark of one of ours."""
    if case.message.contact.is_bot:
        return Silence(reason=Reason.BOT)
    return Silence(reason=Reason.BOT, detail="our_mark") if is_marked(case.message.text) else None


def spam(case: Case) -> Silence | None:
    """An ad, a fraud or noise."""
    return Silence(reason=Reason.SPAM) if case.judged.judgement.spam != "none" else None


def held(case: Case) -> Silence | None:
    """The message, or the conversation by now, waits for review."""
    there = case.conversation
    by_now = there is not None and (there.status == "held" or bool(there.hold))
    return Silence(reason=Reason.HELD) if case.judged.routing.hold or by_now else None


def blocked(case: Case) -> Silence | None:
    """An operator blocked the contact."""
    there = case.conversation is not None and case.conversation.blocked
    return Silence(reason=Reason.BLOCKED) if there else None


def opted_out(case: Case) -> Silence | None:
    """The contact wants no messages, from this one on or since an earlier one."""
    there = case.conversation
    earlier = there is not None and there.opted_out
    # Who opts in again is heard at once, unless there is more from them by now, which may have been another opt-out.
    again = case.judged.routing.opt_in and not case.later
    return Silence(reason=Reason.OPTED_OUT) if case.judged.judgement.opt_out or (earlier and not again) else None


def taken_over(case: Case) -> Silence | None:
    """A person answered not long ago: an agent here, or somebody on the platform itself."""
    answered_at = case.conversation.person_at if case.conversation is not None else None
    recent = answered_at is not None and case.now - answered_at < case.policy.book.limits.takeover
    return Silence(reason=Reason.TAKEN_OVER) if recent else None


def recalled(case: Case) -> Silence | None:
    """The contact took the message back."""
    marks = case.conversation.recalled if case.conversation is not None else ()
    gone = bool(marks) and recall_mark(case.message.native_id or "") in marks
    return Silence(reason=Reason.RECALLED) if gone else None


def no_reply(case: Case) -> Silence | None:
    """A rule forbids a machine's answer."""
    return Silence(reason=Reason.NO_REPLY) if case.judged.routing.no_reply else None


def human_wanted(case: Case) -> Silence | None:
    """The contact asked for a person, now or since, and people are there."""
    asked = any(each.judgement.wants_human for each in (case.judged, *case.later))
    there = asked and case.calendar.is_open(case.now)
    return Silence(reason=Reason.HUMAN_WANTED) if there else None


def receive_only(case: Case) -> Silence | None:
    """The channel or the account has no way to answer."""
    return Silence(reason=Reason.RECEIVE_ONLY) if case.message.reply.mode == "none" else None


def window_closed(case: Case) -> Silence | None:
    """The platform's time for answers is over, or about to be."""
    closes = case.message.reply.expires_at
    shut = closes is not None and case.now >= closes - case.policy.book.limits.window_margin
    return Silence(reason=Reason.WINDOW_CLOSED) if shut else None


def stale(case: Case) -> Silence | None:
    """The message came too long ago by our own clock, or was under way for so long that no zone explains it: a platform's time may be
    wrong by one.
    """
    message, too_old = case.message, case.policy.book.limits.too_old
    late = case.now - message.received_at > too_old
    lost = message.sent_at is not None and case.now - message.sent_at > too_old + ZONES
    return Silence(reason=Reason.STALE) if late or lost else None


def quiet_hours(case: Case) -> Silence | None:
    """Nothing goes out on this channel at this time of day."""
    local = case.now.astimezone(case.calendar.zone).time()
    quiet = any(hours.hold(case.message.channel, local) for hours in case.policy.book.quiet_hours)
    return Silence(reason=Reason.QUIET_HOURS) if quiet else None


BARS: tuple[Step, ...] = (
    stopped, bot, spam, held, blocked, opted_out, taken_over, recalled, no_reply, human_wanted, receive_only, window_closed, stale,
    quiet_hours,
)  # fmt: skip
