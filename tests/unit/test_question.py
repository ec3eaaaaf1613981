"""The one SQL text: what it finds is what reading every message would find, and both engines can read it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.archive.parts import Filed, line
from functions.common import keys
from functions.common.clock import to_iso
from functions.common.judgement import Judgement
from functions.common.message import Attachment, ContactId
from functions.common.table import Table
from infra.local import template
from infra.records.labels import NoSuchLabel, labels
from infra.records.linked import sightings
from infra.records.local_archive import LocalArchive
from infra.records.period import Period
from infra.records.question import CONVERSATION_MARK, Place, Question, QuestionInvalid, sql, who
from tests.fakes.archive_room import NOW, ArchiveRoom

PERIOD = Period(since=NOW - timedelta(days=10), until=NOW)
WORDS = ("退款", "Refund", "refund", 'say "hi"', "C:\\temp", "it's", "%_", "一\n二", "😀", '"business":"complaint"', "\ufffe")
ROOM = ArchiveRoom(table=Table(None, ""), bucket=None)  # type: ignore[arg-type]


def some(*values: str) -> st.SearchStrategy[tuple[str, ...]]:
    """One of the values, or two of them."""
    return st.sampled_from([*((value,) for value in values), values[:2]])


def maybe(*values: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.one_of(st.just(()), some(*values))


def with_ids(others: list[str], text: str, **about: Any) -> Filed:
    """A message of somebody with several ids."""
    filed = ROOM.message(text, **about)
    message = filed.judged.message
    ids = (*message.contact.ids, *(ContactId(kind="unionid", value=value, scope="op") for value in others))
    return replace(filed, judged=replace(filed.judged, message=replace(message, contact=replace(message.contact, ids=ids))))


judgements = st.builds(
    Judgement,
    business=st.sampled_from(("enquiry", "complaint", "other")),
    content=maybe("refund", "price"),
    urgency=st.sampled_from(("urgent", "normal")),
    sentiment=st.sampled_from(("negative", "neutral")),
    spam=st.sampled_from(("none", "ad")),
    risk=maybe("money", "safety"),
    wants_human=st.booleans(),
    language=st.sampled_from(("zh", "en")),
)
texts = st.lists(st.sampled_from(WORDS), max_size=3).map(" ".join)
messages = st.builds(
    lambda text, judgement, channel, account, contact, team, heard, minutes, others, locale: with_ids(
        others,
        text,
        judgement=judgement,
        channel=channel,
        account=account,
        contact=contact,
        team=team,
        received_at=NOW - timedelta(days=10) + timedelta(minutes=minutes),
        attachments=(Attachment(kind="voice", transcript=heard),) if heard else (),
        locale=locale,
    ),
    texts,
    judgements,
    st.sampled_from(("generic", "wechat_oa")),
    st.sampled_from(("demo", "shop")),
    st.sampled_from(("u1", "u2", "+8613912345678")),
    st.sampled_from(("frontdesk", "finance")),
    st.sampled_from((None, "退款")),
    st.integers(-600, 16_000),
    st.lists(st.sampled_from(("o-1", "union-2", "user]3", "u2")), max_size=5, unique=True),
    st.sampled_from((None, "zh_CN", "en-US", "CN")),
)

label_choices = st.fixed_dictionaries(
    {},
    optional={
        "business": some("enquiry", "complaint", "other"),
        "content": some("refund", "price"),
        "urgency": some("urgent", "normal"),
        "spam": some("none", "ad"),
        "risk": some("money", "safety"),
        "wants_human": st.just(("true",)),
        "language": some("zh", "en"),
    },
).map(lambda chosen: tuple(chosen.items()))
questions = st.builds(
    Question,
    period=st.just(PERIOD),
    channels=maybe("generic", "wechat_oa"),
    accounts=maybe("demo", "shop"),
    teams=maybe("frontdesk", "finance"),
    labels=label_choices,
    keywords=st.lists(st.sampled_from([word for word in WORDS if "\n" not in word]), max_size=2).map(tuple),
    contacts=st.sampled_from((None, "people")),
    linked=st.sampled_from((None, "linked")),
    prefixes=st.sampled_from((None, None, "region")),
    country=st.sampled_from((None, None, "CN")),
    calling_code=st.sampled_from((None, "86")),
)
REGION = "+861391234"
LINKED = [keys.conversation_key("generic", "demo", "u1")]
LISTED = {"u2", "+8613912345678", "union-2", "user]3"}


def meets(question: Question, filed: Filed) -> bool:
    """The question, answered by reading."""
    message, judgement = filed.judged.message, filed.judged.judgement
    heard = message.attachments[0].transcript if message.attachments else None
    if not question.period.holds(message.received_at):
        return False
    for chosen, is_ in (
        (question.channels, message.channel),
        (question.accounts, message.account),
        (question.teams, filed.judged.routing.team),
    ):
        if chosen and is_ not in chosen:
            return False
    for axis, values in question.labels:
        is_ = getattr(judgement, axis)
        held = {"true"} if is_ is True else set() if is_ is False else set(is_) if isinstance(is_, tuple) else {is_}
        if not held & set(values):
            return False
    ids = {message.contact.primary, *(known.value for known in message.contact.ids)}
    number = next((known.value for known in message.contact.ids if known.kind == "phone_e164"), "")
    if question.prefixes and not number.startswith(REGION):
        return False
    by_number = bool(question.calling_code) and number.startswith(f"+{question.calling_code}")
    if question.country and not by_number and not (message.contact.locale or "").endswith(("_CN", "-CN")):
        return False
    is_linked = question.linked and message.message_id.split(".")[0] in LINKED
    if question.contacts and not ids & LISTED and not is_linked:
        return False
    return all(any(word.lower() in (text or "").lower() for text in (message.text, heard)) for word in question.keywords)


# Athena has NULL, where DuckDB has an empty text, for what a pattern does not find.
AS_IN_ATHENA = (
    "CREATE MACRO athenas_extract(text, pattern, part) AS"
    " CASE WHEN regexp_matches(text, pattern) THEN regexp_extract(text, pattern, part) END"
)


def as_athena_reads(query: str) -> str:
    """The query as Athena understands it, in DuckDB's words."""
    (text,) = sqlglot.transpile(query, read="athena", write="duckdb")
    return text.replace("REGEXP_EXTRACT(", "athenas_extract(")


def asked(tmp: Path, filed: list[Filed], query: str, *, raw: bool = False) -> list[str]:
    files = set()
    for one in filed:
        message = one.judged.message
        path = tmp / f"dt={message.received_at:%Y-%m-%d}" / f"channel={message.channel}" / "part.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(line(one))
        files.add(path)
    people = tmp / "people"
    people.write_text("\n".join(LISTED) + "\n")
    linked = tmp / "linked"
    linked.write_text("".join(f"{CONVERSATION_MARK}{conv}\n" for conv in LINKED))
    (tmp / "region").write_text(f"{REGION}\n")
    lists = {"people": people, "linked": linked, "region": tmp / "region"}
    archive = LocalArchive(sorted(files), lists, tmp)
    archive._connection.execute(AS_IN_ATHENA)
    found = archive.lines(query)
    return list(found) if raw else [json.loads(text)["message"]["message_id"] for text in found]


@settings(max_examples=60)
@given(st.lists(messages, max_size=6), questions)
def test_the_query_finds_what_reading_every_message_finds_in_either_engine(
    tmp_path_factory: pytest.TempPathFactory, filed: list[Filed], question: Question
) -> None:
    query = sql(question, limit=100)
    wanted = [one.judged.message for one in filed if meets(question, one)]
    wanted.sort(key=lambda message: (to_iso(message.received_at), message.message_id), reverse=True)
    for text in (query, as_athena_reads(query)):
        assert asked(tmp_path_factory.mktemp("archive"), filed, text) == [message.message_id for message in wanted]


@settings(max_examples=30)
@given(st.lists(messages, max_size=6), st.sampled_from((None, "linked")))
def test_the_query_for_who_is_meant_names_them_and_every_account(
    tmp_path_factory: pytest.TempPathFactory, filed: list[Filed], linked: str | None
) -> None:
    question = Question(period=PERIOD, contacts="people", linked=linked)
    query = who(question)
    rows = asked(tmp_path_factory.mktemp("archive"), filed, query, raw=True)
    assert sorted(rows) == sorted(asked(tmp_path_factory.mktemp("archive"), filed, as_athena_reads(query), raw=True))
    first, last = PERIOD.days()
    near = [one.judged.message for one in filed if first <= f"{one.judged.message.received_at:%Y-%m-%d}" <= last]
    named = {
        message.message_id.split(".")[0]
        for message in near
        if {message.contact.primary, *(known.value for known in message.contact.ids)} & LISTED
    }
    found = sightings(rows)
    assert found.own == named
    assert found.accounts == {(message.channel, message.account) for message in near}


def test_a_page_ends_at_its_limit_and_the_next_begins_after_it(tmp_path: Path) -> None:
    # Three of one instant: only their ids tell them apart.
    filed = [ROOM.message(contact=f"u{n}", received_at=NOW - timedelta(days=1 + n // 3)) for n in range(6)]
    question = Question(period=PERIOD)
    whole = asked(tmp_path / "1", filed, sql(question, limit=100))
    pages, after = [], None
    for number in range(3):
        page = asked(tmp_path / f"page{number}", filed, sql(question, limit=2, after=after))
        pages += page
        last = next(one.judged.message for one in filed if one.judged.message.message_id == page[-1])
        after = Place(received_at=to_iso(last.received_at), message_id=last.message_id)
    assert pages == whole
    assert len(whole) == 6


def test_an_object_that_was_not_committed_is_passed_over(tmp_path: Path) -> None:
    filed = [ROOM.message()]
    assert asked(tmp_path, filed, sql(Question(period=PERIOD), limit=9, without=("channel=generic/part.jsonl",))) == []


EVERYTHING = Question(
    period=PERIOD,
    channels=("generic", "o'hare"),
    accounts=("demo",),
    teams=("finance",),
    labels=labels(["投诉", "content=refund", "risk=money", "wants_human", "urgency=normal", "language=en"]),
    keywords=("退款", "it's"),
    conversation="a" * 16,
    contacts="people",
    linked="linked",
    prefixes="region",
    country="CN",
    calling_code="86",
)


def test_a_long_list_is_held_once_however_many_ids_a_contact_may_have() -> None:
    question = Question(period=PERIOD, contacts="people")
    for text in (sql(question, limit=10), who(question)):
        assert text.count("list = 'people'") == 1, "an engine keeps the list for each place that it stands in"


@pytest.mark.parametrize("dialect", ["duckdb", "athena", "trino"])
def test_both_engines_can_read_the_queries(dialect: str) -> None:
    place, without = Place(received_at=to_iso(NOW), message_id="x"), ("dt=1/channel=2/part",)
    for text in (sql(EVERYTHING, limit=10, after=place, without=without), who(EVERYTHING, without=without)):
        (parsed,) = sqlglot.parse(text, read=dialect)
        assert parsed is not None
        assert {table.name for table in parsed.find_all(sqlglot.exp.Table)} == {"archive", "lists"}


def test_the_query_names_columns_and_tables_that_the_template_has() -> None:
    resources = template.translated()["Resources"]
    archive, lists = (resources[name]["Properties"]["TableInput"] for name in ("ArchiveTable", "ListsTable"))
    assert (archive["Name"], lists["Name"]) == ("archive", "lists")
    assert [c["Name"] for c in archive["StorageDescriptor"]["Columns"] + archive["PartitionKeys"]] == ["line", "dt", "channel"]
    assert [c["Name"] for c in lists["StorageDescriptor"]["Columns"] + lists["PartitionKeys"]] == ["value", "list"]


def test_athena_knows_every_channel() -> None:
    from functions.channels import registry

    table = template.translated()["Resources"]["ArchiveTable"]["Properties"]["TableInput"]
    assert table["Parameters"]["projection.channel.values"].split(",") == sorted(registry.names())


@pytest.mark.parametrize("word", ["a\x00b", "a\nb", "\ud800"])
def test_a_word_that_no_query_can_hold_is_refused(word: str) -> None:
    with pytest.raises(QuestionInvalid):
        sql(Question(period=PERIOD, keywords=(word,)), limit=1)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (["投诉"], (("business", ("complaint",)),)),
        (["business=complaint", "business=咨询"], (("business", ("complaint", "enquiry")),)),
        (["退款", "legal_media"], (("content", ("refund",)), ("risk", ("legal_media",)))),
        (["opt_out", "language=fr"], (("language", ("fr",)), ("opt_out", ("true",)))),
    ],
)
def test_labels_are_said_by_either_name(said: list[str], meant: Any) -> None:
    assert labels(said) == meant


@pytest.mark.parametrize("said", ["business=nonsense", "colour", "colour=", "nonsense", "business="])
def test_a_label_that_is_none_is_named(said: str) -> None:
    with pytest.raises(NoSuchLabel, match=said.partition("=")[2] or said.partition("=")[0]):
        labels([said])


def test_every_value_of_every_axis_can_be_said_without_its_axis_or_says_that_it_cannot() -> None:
    from functions.common.judgement import CHINESE

    for axis, names in CHINESE.items():
        for value, chinese in names.items():
            for said in (value, chinese):
                try:
                    assert labels([said]) == ((axis, (value,)),)
                except NoSuchLabel as ambiguous:
                    assert "several axes" in str(ambiguous)
            assert labels([f"{axis}={chinese}"]) == ((axis, (value,)),)


def test_the_same_question_makes_the_same_text() -> None:
    one = Question(
        period=Period(since=datetime(2026, 11, 1, tzinfo=UTC), until=datetime(2026, 11, 2, tzinfo=UTC)), keywords=("退款",)
    )
    assert (
        sql(one, limit=2)
        == """SELECT line
FROM (
  SELECT line,
    json_extract_scalar(line, '$.message.received_at') AS received_at,
    json_extract_scalar(line, '$.message.message_id') AS message_id
  FROM archive
  WHERE dt BETWEEN '2026-10-31' AND '2026-11-03'
    AND strpos(line, '退款') > 0 AND (strpos(lower(coalesce(json_extract_scalar(line, '$.message.text'), '')), lower('退款')) > 0 \
OR strpos(lower(coalesce(json_extract_scalar(line, '$.message.attachments[0].transcript'), '')), lower('退款')) > 0)
) AS found
WHERE received_at >= '2026-11-01T00:00:00.000Z'
    AND received_at < '2026-11-02T00:00:00.000Z'
ORDER BY received_at DESC, message_id DESC
LIMIT 2"""
    )
    assert sql(replace(one, keywords=("x",)), limit=2) != sql(one, limit=2)
