"""A question to the archive, and the one SQL text that asks it: DuckDB reads it on this machine, Athena on AWS.

Both see two relations. `archive` has a row per archived message: `line` (the JSON of functions/archive/parts.py), the partitions `dt` and
`channel`, and `"$path"`, the object. `lists` has rows (`list`, `value`): contacts, conversations or number prefixes, too many to stand in a
query.
Functions are those that Athena has; `local_archive` gives DuckDB the few that it lacks.

Every condition on a field is exact. Before it stands, where there is one, a cheap one on the raw line that holds whenever the exact one
does (the writer's JSON is compact, and a quote inside a text is escaped): it spares most lines from being parsed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from functions.common.clock import to_iso
from functions.common.wire import dumps
from infra.records.errors import RecordsFault
from infra.records.labels import FLAGS, NEUTRAL, SEVERAL
from infra.records.period import Period

# `+86` and the seven digits by which mobile numbers are given to places.
PREFIX_LENGTH = 10
_TEXT = "coalesce(json_extract_scalar(line, '$.message.text'), '')"
_HEARD = "coalesce(json_extract_scalar(line, '$.message.attachments[0].transcript'), '')"
_PRIMARY = "json_extract_scalar(line, '$.message.contact.primary')"
_LOCALE = "coalesce(json_extract_scalar(line, '$.message.contact.locale'), '')"
# More than any platform gives of one contact.
_IDS = 6
# The first in a line is the message's own, and nothing before it has quotes.
_CONVERSATION = """substr(line, strpos(line, '"message_id":"') + 14, 16)"""
_ACCOUNT = """regexp_extract(line, '"account":"([^"]*)"', 1)"""
# Before a conversation's key in a list: no id of a contact is taken for one.
CONVERSATION_MARK = "conversation "
_ROW = """line,
    json_extract_scalar(line, '$.message.received_at') AS received_at,
    json_extract_scalar(line, '$.message.message_id') AS message_id"""
_ORDER = "ORDER BY received_at DESC, message_id DESC"
_NUMBER = """regexp_extract(line, '"kind":"phone_e164","value":"([+0-9]+)"', 1)"""


class QuestionInvalid(RecordsFault):
    """A question that no query can ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a page of results ended: the receipt (ISO 8601) and the id of its last message."""

    received_at: str
    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked for; everything given must hold, and of several values for one thing, one.

    `labels` are pairs of an axis and its values; every word of `keywords` must be in the text or the transcript, upper case or lower.
    `contacts` and `prefixes` name lists, `linked` one of conversations that are the same persons' as the contacts (`who`): theirs are met
    too. `country` (ISO 3166, two letters) is met by a number's `calling_code` or the locale's end.
    """

    period: Period
    channels: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    keywords: tuple[str, ...] = ()
    conversation: str | None = None
    contacts: str | None = None
    linked: str | None = None
    prefixes: str | None = None
    country: str | None = None
    calling_code: str | None = None


def sql(question: Question, *, limit: int, after: Place | None = None, without: tuple[str, ...] = ()) -> str:
    """The query: `line`s, newest first, at most `limit`, those that come `after` a place. `without`: keys of objects to pass over."""
    asked = [*_partitions(question), *_objects(without), *_conditions(question)]
    times = [*_times(question, after)]
    if question.contacts is None:
        return f"""SELECT line
FROM (
  SELECT {_ROW}
  FROM archive
  WHERE {_all(asked)}
) AS found
WHERE {_all(times)}
{_ORDER}
LIMIT {limit}"""
    # A message comes once for each of its names that is listed: as many of the newest are enough.
    return f"""SELECT line
FROM (
  SELECT DISTINCT line, received_at, message_id
  FROM (
    SELECT line, received_at, message_id
    FROM (
      SELECT {_ROW},
        {_names(question)} AS names
      FROM archive
      WHERE {_all(asked)}
    ) AS found
    CROSS JOIN UNNEST(names) AS named (name)
    WHERE {_all([*times, _is_meant(question)])}
    {_ORDER}
    LIMIT {limit * (_IDS + 2)}
  ) AS newest
) AS each_once
{_ORDER}
LIMIT {limit}"""


def who(question: Question, *, without: tuple[str, ...] = ()) -> str:
    """The query for whom `contacts` means in the question's days: rows of a conversation that has one of them, or nothing, then channel and
    account, a space between. So the rows name every account too.
    """
    meant = replace(question, channels=(), linked=None)
    return f"""SELECT DISTINCT concat(CASE WHEN {_is_meant(meant)} THEN conv ELSE '' END, ' ', channel, ' ', account) AS line
FROM (
  SELECT channel, {_ACCOUNT} AS account, {_CONVERSATION} AS conv,
    {_names(meant)} AS names
  FROM archive
  WHERE {_all([*_partitions(meant), *_objects(without)])}
) AS found
CROSS JOIN UNNEST(names) AS named (name)"""


def _times(question: Question, after: Place | None) -> Iterator[str]:
    yield f"received_at >= {_quoted(to_iso(question.period.since))}"
    yield f"received_at < {_quoted(to_iso(question.period.until))}"
    if after is not None:
        at, id_ = _quoted(after.received_at), _quoted(after.message_id)
        yield f"(received_at < {at} OR (received_at = {at} AND message_id < {id_}))"


def _all(conditions: list[str]) -> str:
    return "\n    AND ".join(conditions)


def _partitions(question: Question) -> Iterator[str]:
    first, last = question.period.days()
    yield f"dt BETWEEN {_quoted(first)} AND {_quoted(last)}"
    if question.channels:
        yield f"channel IN ({_listed(question.channels)})"


def _objects(without: tuple[str, ...]) -> Iterator[str]:
    for key in without:
        yield f"""strpos("$path", {_quoted(key)}) = 0"""


def _conditions(question: Question) -> Iterator[str]:
    yield from map(_says, question.keywords)
    if question.conversation:
        yield _has(f'"message_id":"{question.conversation}.')
    if question.accounts:
        yield _one_of("$.message.account", question.accounts)
    for axis, values in question.labels:
        yield _labelled(axis, values)
    if question.teams:
        yield _one_of("$.routing.team", question.teams)
    if question.prefixes:
        yield f"substr({_NUMBER}, 1, {PREFIX_LENGTH}) IN ({_list(question.prefixes)})"
    if question.country:
        by_locale = f"regexp_like({_LOCALE}, {_quoted(f'[-_]{question.country}$')})"
        by_number = f"strpos({_NUMBER}, {_quoted(f'+{question.calling_code}')}) = 1"
        yield f"({by_number} OR {by_locale})" if question.calling_code else by_locale


def _names(question: Question) -> str:
    """Everything by which a message's contact may be listed: the ids, and the conversation where linked ones count."""
    conversation = (f"concat('{CONVERSATION_MARK}', {_CONVERSATION})",) if question.linked else ()
    return f"ARRAY[{', '.join((_PRIMARY, *(_id(place) for place in range(_IDS)), *conversation))}]"


def _is_meant(question: Question) -> str:
    lists = filter(None, (question.contacts, question.linked))
    return f"({' OR '.join(f'name IN ({_list(found)})' for found in lists)})"


def _id(place: int) -> str:
    """The contact's first id, second id, and so on: what a platform gives beside the one by which it is known."""
    before = f"(?:[{{][^{{}}]*[}}],){{{place}}}" if place else ""
    found = f"""regexp_extract(line, '"ids":\\[{before}[{{]"kind":"[^"]*","value":"([^"]*)"', 1)"""
    # Most have one: the others are looked for only in a line that has more.
    return found if place == 0 else f"""CASE WHEN strpos(line, '}},{{"kind":') > 0 THEN {found} ELSE '' END"""


def _says(keyword: str) -> str:
    said = f"({_contains(_TEXT, keyword)} OR {_contains(_HEARD, keyword)})"
    # A word with upper and lower case stands in the line as somebody wrote it, which is not known here.
    return said if keyword.lower() != keyword.upper() else f"{_has(_in_json(keyword))} AND {said}"


def _contains(text: str, keyword: str) -> str:
    return f"strpos(lower({text}), lower({_quoted(keyword)})) > 0"


def _labelled(axis: str, values: tuple[str, ...]) -> str:
    path = f"$.judgement.{axis}"
    if axis in SEVERAL:
        found = [f"json_array_contains(json_extract(line, '{path}'), {_quoted(value)})" for value in values]
        return f"{_any_has(values)} AND ({' OR '.join(found)})"
    if axis in FLAGS:
        return f"{_has(f'{_in_json(axis, quoted=True)}:true')} AND json_extract_scalar(line, '{path}') = 'true'"
    neutral = NEUTRAL[axis]
    exact = f"coalesce(json_extract_scalar(line, '{path}'), {_quoted(neutral)}) IN ({_listed(values)})"
    return exact if neutral in values else f"{_any_has(values)} AND {exact}"


def _one_of(path: str, values: tuple[str, ...]) -> str:
    return f"{_any_has(values)} AND json_extract_scalar(line, '{path}') IN ({_listed(values)})"


def _any_has(values: tuple[str, ...]) -> str:
    return f"({' OR '.join(_has(_in_json(value, quoted=True)) for value in values)})"


def _has(fragment: str) -> str:
    return f"strpos(line, {_quoted(fragment)}) > 0"


def _in_json(text: str, *, quoted: bool = False) -> str:
    """The text as the writer's JSON has it."""
    whole = dumps(text)
    return whole if quoted else whole[1:-1]


def _list(name: str) -> str:
    return f"SELECT value FROM lists WHERE list = {_quoted(name)}"


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(map(_quoted, values))


def _quoted(text: str) -> str:
    """A literal; in both dialects only the quote itself is special."""
    if any(ord(letter) < ord(" ") for letter in text):
        raise QuestionInvalid("a word to look for holds a control character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise QuestionInvalid("a word to look for is not text") from None
    return "'" + text.replace("'", "''") + "'"
