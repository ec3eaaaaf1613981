"""Why there is a reply, or none: the whole enumeration, in the order in which docs/replies.md explains it.

Its values are stored with every message and never renamed; a test compares the document with this list.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a message is answered, or not."""

    COMMAND = "command"  # a fixed format that config/replies.yaml knows: 查询 12345
    KEYWORD = "keyword"  # a rule names a template
    FAQ = "faq"  # config/faq.yaml has the answer
    WELCOME = "welcome"  # the first message of somebody
    WELCOME_OUT_OF_HOURS = "welcome_out_of_hours"  # the same, with the notice, in one reply
    OUT_OF_HOURS = "out_of_hours"  # nobody is there; the reply says when an answer will come
    RECEIPT = "receipt"  # a complaint or an urgent matter has arrived, and a person will see to it

    STOPPED = "stopped"  # an operator stopped the machine
    BOT = "bot"  # a machine wrote the message
    SPAM = "spam"
    HELD = "held"  # the message, or the conversation by now, waits for review
    BLOCKED = "blocked"  # an operator blocked the contact
    OPTED_OUT = "opted_out"  # the contact wants no messages of ours
    TAKEN_OVER = "taken_over"  # a person is answering, here or on the platform itself
    RECALLED = "recalled"  # the contact took the message back
    NO_REPLY = "no_reply"  # a rule forbids a machine's answer
    HUMAN_WANTED = "human_wanted"  # the contact asked for a person, and people are there
    RECEIVE_ONLY = "receive_only"  # the platform lets us not answer
    WINDOW_CLOSED = "window_closed"  # the platform no longer lets us answer
    ANSWERED_WITH_LATER = "answered_with_later"  # the contact wrote more, and the answer to that answers this, too
    STALE = "stale"  # too late for a machine's answer to be of use
    QUIET_HOURS = "quiet_hours"  # nothing goes out on this channel at this time of day
    QUOTA_EXHAUSTED = "quota_exhausted"  # what the platform still allows is kept for people
    LOOP_GUARD = "loop_guard"  # machines have said enough here for now
    ANSWERED_WITH_EARLIER = "answered_with_earlier"  # a reply went out when this was there already
    CAPPED = "capped"  # this template, or the account, has been used as often as it may be for now
    REPEATED = "repeated"  # the same text went out a moment ago
    NOTICE_GIVEN = "notice_given"  # the contact knows that nobody is there, and until when
    TEMPLATE_INVALID = "template_invalid"  # the text cannot be completed, or is not in the bundle
    TEMPLATE_EXPIRED = "template_expired"  # nobody has looked at the text for too long
    TEXT_REFUSED = "text_refused"  # the check of what goes out found something that must not
    NOTHING_TO_SAY = "nothing_to_say"


NOTICES = (Reason.OUT_OF_HOURS, Reason.WELCOME_OUT_OF_HOURS)
# Answers to what was asked; all others are courtesies.
ANSWERS = (Reason.COMMAND, Reason.KEYWORD, Reason.FAQ)
