"""One contract for every store: the in-memory fake, moto, and the endpoint that POSTROOM_TEST_DYNAMODB_ENDPOINT names, if it does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws

from functions.common import keys
from functions.common.dynamo_items import CONVERSATIONS_KEPT
from functions.common.dynamo_store import COUNTERS_KEPT, DynamoStore, UnknownConversation
from functions.common.judgement import Firing, Judged, Judgement, Routing, Span
from functions.common.message import (
    Attachment,
    Contact,
    ContactId,
    Interactive,
    Link,
    Location,
    Message,
    Referral,
    ReplyTo,
    ReplyWindow,
    Verification,
)
from functions.common.store import (
    APPLIED_KEPT,
    AlreadyRecorded,
    AlreadyStored,
    Campaign,
    Conversation,
    ConversationChanged,
    Reply,
    Sending,
    Store,
    applied_mark,
)
from functions.common.table import Table
from tests.fakes.memory_store import MemoryStore
from tests.fakes.template import table_definition

NOW = datetime(2026, 11, 20, 2, 0, 0, 123000, tzinfo=UTC)
ENDPOINT = os.environ.get("POSTROOM_TEST_DYNAMODB_ENDPOINT")
CONV = keys.conversation_key("generic", "demo", "u1")


def new_table(client: Any) -> Table:
    definition = table_definition() | {"TableName": f"store-contract-{uuid4().hex[:12]}"}
    # Settings of the real table that say nothing about how it answers, and that other engines do not know.
    for setting in ("SSESpecification", "Tags", "DeletionProtectionEnabled"):
        definition.pop(setting, None)
    client.create_table(**definition)
    return Table(client, definition["TableName"])


@pytest.fixture(
    params=[
        "memory",
        "moto",
        pytest.param("endpoint", marks=pytest.mark.skipif(not ENDPOINT, reason="POSTROOM_TEST_DYNAMODB_ENDPOINT is not set")),
    ]
)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
    elif request.param == "moto":
        with mock_aws():
            yield DynamoStore(new_table(boto3.client("dynamodb", region_name="us-east-1")), shards=3)
    else:
        client = boto3.client("dynamodb", region_name="us-east-1", endpoint_url=ENDPOINT)
        table = new_table(client)
        yield DynamoStore(table, shards=3)
        client.delete_table(TableName=table.name)


def message_id(number: int = 1, sent_at: datetime = NOW) -> str:
    return keys.message_id("generic", "demo", "u1", sent_at, f"native-{number}")


def judged(number: int = 1, *, seq: int = 1, text: str = "请问发票怎么开?", sent_at: datetime | None = NOW) -> Judged:
    return Judged(
        message=Message(
            message_id=keys.message_id("generic", "demo", "u1", sent_at, f"native-{number}"),
            channel="generic",
            account="demo",
            contact=Contact(primary="u1"),
            kind="text",
            text=text,
            sent_at=sent_at,
            received_at=NOW + timedelta(seconds=number),
            verification=Verification(scheme="standard-webhooks", body_signed=True, timestamped=True),
            pii_masked=True,
        ),
        judgement=Judgement(business="enquiry", content=("invoice",)),
        routing=Routing(team="finance", priority=5, due_at=NOW + timedelta(hours=24)),
        bundle="0123456789ab",
        seq=seq,
    )


def everything_said() -> Judged:
    """A message with every field that has a shape of its own."""
    plain = judged()
    message = replace(
        plain.message,
        contact=Contact(primary="u1", ids=(ContactId(kind="openid", value="o1", scope="gh_1"),), name="李雷", is_bot=True),
        kind="mixed",
        attachments=(Attachment(kind="image", url_expires_at=NOW, size=12, needs_download=True), Attachment(kind="voice")),
        location=Location(lat=31.23, lon=-121.5, accuracy=10.0),
        interactive=Interactive(type="button", id="b1"),
        link=Link(url="https://example.com/"),
        mentions=("u2", "u3"),
        reply_to=ReplyTo(native_id="n0"),
        referral=Referral(source="ad", ad_id="1"),
        time_precision="s",
        reply=ReplyWindow(mode="window", expires_at=NOW + timedelta(days=2), max_replies=5),
    )
    judgement = Judgement(
        business="complaint",
        also=("after_sales",),
        content=("logistics", "refund"),
        urgency="urgent",
        sentiment="negative",
        risk=("money",),
        wants_human=True,
        opt_out=True,
        language="mixed",
        scores={"business.complaint": 0.9, "urgency.urgent": 1.0},
        firings=(Firing(rule="r", version="1", spans=(Span(start=0, end=2),)),),
    )
    routing = replace(plain.routing, hold=("money",), escalate=("safety",), tags=("a",), points={"x": -5}, needs_person=False)
    return replace(plain, message=message, judgement=judgement, routing=routing, masked={"mobile": 2})


def begun(store: Store, **fields: Any) -> Conversation:
    """A conversation that is in the store, and as it is there."""
    before = Conversation(conv=CONV, channel="generic", account="demo", contact="u1")
    store.apply(before, replace(before, count=1, first_at=NOW, last_at=NOW, **fields))
    found = store.conversation(CONV)
    assert found is not None
    return found


def reply(number: int = 1, **fields: Any) -> Reply:
    return Reply(**{"message_id": message_id(number), "state": "reserved", "reason": "keyword", "at": NOW} | fields)


class TestMessages:
    def test_a_message_comes_back_as_it_was_stored(self, store: Store) -> None:
        store.add_message(everything_said())
        assert store.message(message_id()) == everything_said()

    def test_a_message_is_stored_once_and_the_first_version_stays(self, store: Store) -> None:
        store.add_message(judged())
        with pytest.raises(AlreadyStored) as refused:
            store.add_message(judged(text="another text", seq=7))
        assert refused.value.judged == judged()
        assert store.messages(CONV) == [judged()]

    def test_messages_come_oldest_first_by_the_platforms_time_and_by_receipt_where_it_gives_none(self, store: Store) -> None:
        stored = [
            judged(1, seq=1, sent_at=NOW),
            judged(2, seq=2, sent_at=NOW - timedelta(hours=1)),
            judged(3, seq=3, sent_at=None),
        ]
        for one in stored:
            store.add_message(one)
        assert [found.seq for found in store.messages(CONV)] == [2, 1, 3]

    def test_a_message_that_counts_as_stored_later_says_when(self, store: Store) -> None:
        first = judged(1)
        store.add_message(first)
        for later in (NOW, NOW + timedelta(days=2)):
            assert store.note_late(first.message.message_id, later)
            assert store.message(first.message.message_id) == replace(first, late_at=later)
        assert not store.note_late(judged(2).message.message_id, NOW)
        assert store.message(judged(2).message.message_id) is None

    def test_an_unknown_message_is_none(self, store: Store) -> None:
        assert store.message(message_id()) is None
        assert store.messages(CONV) == []

    def test_an_id_of_another_form_is_refused(self, store: Store) -> None:
        wrong = replace(judged(), message=replace(judged().message, message_id="not-one-of-ours"))
        with pytest.raises(keys.NotAMessageId):
            store.add_message(wrong)

    def test_the_first_original_stays(self, store: Store) -> None:
        store.add_original(message_id(), b"\x00sealed\xff", NOW + timedelta(days=30))
        store.add_original(message_id(), b"another", NOW + timedelta(days=30))
        assert store.original(message_id()) == b"\x00sealed\xff"
        assert store.original(message_id(2)) is None


class TestConversations:
    def test_a_new_conversation_comes_back_whole(self, store: Store) -> None:
        assert store.conversation(CONV) is None
        everything: dict[str, Any] = {
            "name": "李雷",
            "locale": "zh_CN",
            "status": "held",
            "team": "finance",
            "priority": 40,
            "due_at": NOW + timedelta(hours=2),
            "hold": ("money", "credentials"),
            "opted_out": True,
            "unarchived_since": NOW,
            "escalated_for": NOW,
            "problems": ("reply_unknown",),
            "applied": ("abcdefgh",),
            "said": ("29391360 1763600000000.aaaaaaaaaa abcd 0ABC",),
            "campaign": "00112233aabbccdd",
            "replied": ("abcdefgh0123456789",),
            "person_at": NOW,
            "taken_by": "mei",
            "blocked": True,
            "recalled": ("hgfedcba",),
            "tags": ("vip",),
            "heard": "htfmc 7",
            "waiting_since": NOW,
        }
        assert set(everything) | {"conv", "channel", "account", "contact", "count", "first_at", "last_at", "rev"} >= {
            field.name for field in fields(Conversation)
        } - {"unarchived_from", "unarchived_few", "vouched"}
        expected = Conversation(
            conv=CONV, channel="generic", account="demo", contact="u1", count=1, first_at=NOW, last_at=NOW, rev=1, **everything
        )
        assert begun(store, **everything) == expected

    def test_a_change_shows_and_so_does_what_it_takes_away(self, store: Store) -> None:
        before = begun(store, status="held", team="finance", due_at=NOW, hold=("money",), name="李雷")
        store.apply(before, replace(before, status="resolved", hold=(), due_at=None, count=2))
        expected = replace(before, status="resolved", hold=(), due_at=None, count=2, rev=2)
        assert store.conversation(CONV) == expected

    def test_of_two_writers_one_is_told_that_the_conversation_changed(self, store: Store) -> None:
        before = begun(store)
        store.apply(before, replace(before, count=2))
        with pytest.raises(ConversationChanged):
            store.apply(before, replace(before, status="resolved"))
        found = store.conversation(CONV)
        assert found is not None and (found.count, found.status) == (2, "idle")

    def test_of_two_first_writers_one_is_told_too(self, store: Store) -> None:
        begun(store)
        with pytest.raises(ConversationChanged):
            begun(store)

    def test_nobody_changes_a_conversation_that_is_gone(self, store: Store) -> None:
        ghost = Conversation(conv=CONV, channel="generic", account="demo", contact="u1", count=3, rev=3)
        with pytest.raises(ConversationChanged):
            store.apply(ghost, replace(ghost, count=4))

    def test_a_problem_puts_the_conversation_before_a_person(self, store: Store) -> None:
        begun(store)
        store.flag(CONV, "reply_unknown", team="frontdesk", due_at=NOW)
        store.flag(CONV, "reply_unknown", team="frontdesk", due_at=NOW + timedelta(hours=9))
        found = store.conversation(CONV)
        assert found is not None
        assert (found.status, found.team, found.due_at, found.problems) == ("waiting", "frontdesk", NOW, ("reply_unknown",))
        assert found.rev == 2, "the second call changes nothing"

    def test_a_problem_of_an_unknown_conversation_is_an_error(self, store: Store) -> None:
        with pytest.raises(UnknownConversation):
            store.flag(CONV, "dead_letter", team="frontdesk", due_at=NOW)

    def test_due_conversations_come_most_overdue_first_and_leave_with_their_work(self, store: Store) -> None:
        for place, hours in enumerate((3, 1, 2, 9)):
            conv = keys.conversation_key("generic", "demo", f"u{place}")
            before = Conversation(conv=conv, channel="generic", account="demo", contact=f"u{place}")
            due_at = NOW + timedelta(hours=hours)
            store.apply(before, replace(before, count=1, status="waiting", team="finance", due_at=due_at))
        found = list(store.due("finance", "waiting", NOW, NOW + timedelta(hours=5), 10))
        assert {conversation.contact for conversation in found} == {"u0", "u1", "u2"}
        for conversation in found:
            store.apply(conversation, replace(conversation, status="resolved"))
        assert list(store.due("finance", "waiting", NOW, NOW + timedelta(hours=5), 10)) == []
        assert [left.contact for left in store.due("finance", "waiting", NOW, NOW + timedelta(hours=10), 10)] == ["u3"]
        assert list(store.due("warehouse", "waiting", NOW, NOW + timedelta(hours=10), 10)) == []
        assert list(store.due("finance", "held", NOW, NOW + timedelta(hours=10), 10)) == []

    def test_what_was_due_long_ago_is_not_read_again(self, store: Store) -> None:
        begun(store, status="waiting", team="finance", due_at=NOW + timedelta(hours=1))
        later = NOW + timedelta(hours=9)
        assert len(list(store.due("finance", "waiting", NOW + timedelta(hours=1), later, 10))) == 1
        assert list(store.due("finance", "waiting", NOW + timedelta(hours=2), later, 10)) == []
        assert list(store.due("finance", "waiting", NOW, NOW + timedelta(hours=1), 10)) == [], "what is due now is not overdue"

    def test_within_one_shard_the_most_overdue_comes_first_and_the_limit_holds(self, store: Store) -> None:
        candidates = (keys.conversation_key("generic", "demo", f"u{place}") for place in range(60))
        same_shard = [conv for conv in candidates if keys.shard(conv, 3) == 0][:4]
        for hours, conv in zip((3, 1, 4, 2), same_shard, strict=True):
            before = Conversation(conv=conv, channel="generic", account="demo", contact="u")
            store.apply(before, replace(before, status="held", team="finance", due_at=NOW + timedelta(hours=hours)))
        found = list(store.due("finance", "held", NOW, NOW + timedelta(hours=5), 3))
        assert [conversation.due_at for conversation in found] == [NOW + timedelta(hours=hours) for hours in (1, 2, 3)]

    def test_an_escalation_is_noted_once_for_each_due_time(self, store: Store) -> None:
        before = begun(store, status="waiting", team="finance", due_at=NOW)
        assert store.note_escalation(CONV, NOW) is True
        assert store.note_escalation(CONV, NOW) is False
        assert store.note_escalation(CONV, NOW + timedelta(hours=1)) is False, "it is not due then"
        with pytest.raises(ConversationChanged):
            store.apply(before, replace(before, count=2))
        assert store.note_escalation(keys.conversation_key("generic", "demo", "nobody"), NOW) is False


class TestReplies:
    def test_a_reply_is_reserved_once(self, store: Store) -> None:
        store.add_reply(reply())
        with pytest.raises(AlreadyRecorded) as refused:
            store.add_reply(reply(state="none", reason="spam"))
        assert refused.value.reply == reply() == store.reply(message_id())
        assert store.reply(message_id(2)) is None

    def test_a_reply_is_recorded_from_the_state_it_is_in(self, store: Store) -> None:
        store.add_reply(reply())
        tried = reply(attempts=1, text="您好", template="greeting")
        store.record_reply(tried, was="reserved", attempts=0)
        sent = replace(tried, state="sent", provider_id="p1", outcome="sent", bundle="0123456789ab")
        store.record_reply(sent, was="reserved", attempts=1)
        with pytest.raises(AlreadyRecorded) as refused:
            store.record_reply(tried, was="reserved", attempts=1)
        assert refused.value.reply == sent == store.reply(message_id())


class TestLaterMessages:
    def test_those_that_came_after_a_message_come_in_order(self, store: Store) -> None:
        for number in (3, 1, 2):
            store.add_message(judged(number, seq=number, sent_at=NOW + timedelta(seconds=number)))
        first = judged(1, seq=1, sent_at=NOW + timedelta(seconds=1))
        assert [found.seq for found in store.later_messages(first, 10)] == [2, 3]
        assert [found.seq for found in store.later_messages(first, 1)] == [3]
        assert store.later_messages(judged(3, seq=3, sent_at=NOW + timedelta(seconds=3)), 10) == []

    def test_without_times_all_messages_are_read(self, store: Store) -> None:
        for number in range(1, 6):
            store.add_message(judged(number, seq=number, sent_at=None))
        assert [found.seq for found in store.later_messages(judged(2, seq=2, sent_at=None), 1)] == [3, 4, 5]


class TestLeftTo:
    def test_the_records_that_were_left_to_a_message_are_found_the_newest_first(self, store: Store) -> None:
        times = [NOW + timedelta(seconds=number) for number in range(5)]
        first, second, other, fourth, last = (
            judged(number, seq=number, sent_at=at).message.message_id for number, at in enumerate(times)
        )
        for message_id, left_to in ((first, last), (second, last), (other, None), (fourth, second), (last, None)):
            store.add_reply(Reply(message_id=message_id, state="none", reason="x", at=NOW, left_to=left_to))
        assert [each.message_id for each in store.left_to(last, 10)] == [second, first]
        assert [each.message_id for each in store.left_to(second, 10)] == [fourth]
        assert store.left_to(first, 10) == []

    def test_it_looks_no_further_than_it_is_asked_to_but_where_there_are_no_times(self, store: Store) -> None:
        for sent_at in (NOW, None):
            last = judged(9, seq=9, sent_at=sent_at and sent_at + timedelta(seconds=9)).message.message_id
            for number in range(8):
                at = sent_at and sent_at + timedelta(seconds=number)
                record = Reply(
                    message_id=judged(number, seq=number, sent_at=at).message.message_id, state="none", reason="x", at=NOW
                )
                store.add_reply(replace(record, left_to=last))
            assert len(store.left_to(last, 2)) == (4 if sent_at else 8)


class TestCampaigns:
    def sending(self, number: int, mark: str = "a1") -> Sending:
        conv = message_id(number).partition(".")[0][:14] + f"{number % 6 + 2}{number // 6 % 6 + 2}"
        return Sending(fingerprint=mark, conv=conv, channel="generic", at=NOW, sample=f"sample {number}")

    def test_a_sender_counts_once(self, store: Store) -> None:
        assert [store.add_sender(self.sending(number)) for number in (1, 2, 1, 2)] == [1, 2, 2, 2]
        (campaign,) = store.campaigns(NOW.date(), 2)
        assert (campaign.fingerprint, campaign.sample, campaign.first_at) == ("a1", "sample 1", NOW)
        assert len(campaign.senders) == 2
        assert store.campaigns(NOW.date(), 3) == [] and store.campaigns(NOW.date() + timedelta(days=1), 1) == []

    def test_those_with_most_senders_come_first(self, store: Store) -> None:
        for number, mark in ((1, "b1"), (1, "c1"), (2, "c1")):
            store.add_sender(self.sending(number, mark))
        assert [campaign.fingerprint for campaign in store.campaigns(NOW.date(), 1)] == ["c1", "b1"]

    def test_beyond_the_most_nobody_is_added(self, store: Store) -> None:
        for number in range(Campaign.MOST + 2):
            conv = f"{number:016d}".translate(str.maketrans("0189", "abcd"))
            senders = store.add_sender(replace(self.sending(1), conv=conv))
        assert senders == Campaign.MOST
        (campaign,) = store.campaigns(NOW.date(), 2)
        assert len(campaign.senders) == Campaign.MOST


def test_an_account_draws_so_often_within_an_hour_and_no_more(store: Store) -> None:
    drawn = [store.draw("generic", "demo", NOW + timedelta(minutes=n), 2) for n in range(4)]
    assert drawn == [True, True, False, False]
    assert store.draw("generic", "other", NOW, 2) and store.draw("generic", "demo", NOW + timedelta(hours=1), 2)
    assert store.draw("generic", "demo", NOW, 3), "a higher cap holds at once"


def test_counters_add_up(store: Store) -> None:
    store.count(NOW, "generic", {"stored": 2, "urgent": 1, "held": 0}, 1)
    store.count(NOW, "generic", {"stored": 3}, 1)
    store.count(NOW, "generic", {"stored": 0}, 2)
    if isinstance(store, DynamoStore):
        item = store.table.get("S#20261120", "02#generic#1")
        assert item is not None and (item["stored"], item["urgent"], "held" in item) == (5, 1, False)
        assert store.table.get("S#20261120", "02#generic#2") is None
    else:
        assert isinstance(store, MemoryStore)
        assert store.counters["2026112002", "generic", 1] == {"stored": 5, "urgent": 1}


def test_a_conversation_proves_what_was_applied_and_nothing_that_only_shares_its_place() -> None:
    first, successor = judged(1, seq=1), judged(2, seq=1)
    conversation = Conversation(
        conv=CONV,
        channel="generic",
        account="demo",
        contact="u1",
        count=1,
        applied=(applied_mark(successor.message.message_id),),
    )
    assert conversation.notes(successor)
    assert not conversation.notes(first), "it was stored, then dead-lettered before it was applied"
    assert not conversation.may_have_forgotten(first)
    assert replace(conversation, count=1 + APPLIED_KEPT).may_have_forgotten(first)


def test_the_items_of_a_conversation_are_in_an_index_only_while_somebody_must_look() -> None:
    with mock_aws():
        store = DynamoStore(new_table(boto3.client("dynamodb", region_name="us-east-1")), shards=3)
        before = begun(store, status="waiting", team="finance", due_at=NOW, unarchived_since=NOW)
        item = store.table.get(keys.conversation_pk(CONV), keys.CONVERSATION_SK)
        assert item is not None and item["work_pk"] == f"Q#finance#waiting#{keys.shard(CONV, 3)}" and "archive_pk" in item
        store.apply(before, replace(before, status="resolved", unarchived_since=None))
        item = store.table.get(keys.conversation_pk(CONV), keys.CONVERSATION_SK)
        assert item is not None and not {"work_pk", "work_sk", "archive_pk", "archive_sk"} & item.keys()


class TestWhatMayGo:
    """A conversation that is archived whole expires a good year after its last message, unless it holds what must last."""

    @pytest.fixture
    def dynamo(self, store: Store) -> DynamoStore:
        if not isinstance(store, DynamoStore):
            pytest.skip("nothing expires in memory")
        return store

    def settled(self, store: DynamoStore, **fields: Any) -> dict[str, Any]:
        before = begun(store, unarchived_since=NOW, unarchived_from="x")
        store.apply(before, replace(before, unarchived_since=None, unarchived_from=None, **fields))
        item = store.table.get(f"C#{before.conv}", "@")
        assert item is not None
        return item

    def test_it_expires_when_all_is_archived(self, dynamo: DynamoStore) -> None:
        assert self.settled(dynamo)["exp"] == int((NOW + CONVERSATIONS_KEPT).timestamp())

    def test_the_next_message_keeps_it(self, dynamo: DynamoStore) -> None:
        conv = self.settled(dynamo)["pk"].removeprefix("C#")
        before = dynamo.conversation(conv)
        assert before is not None
        dynamo.apply(before, replace(before, unarchived_since=NOW))
        item = dynamo.table.get(f"C#{conv}", "@")
        assert item is not None and "exp" not in item

    @pytest.mark.parametrize(
        "fields",
        [
            {"opted_out": True},
            {"blocked": True},
            {"tags": ("vip",)},
            {"vouched": ("mark",)},
            {"taken_by": "lee"},
            {"status": "waiting", "team": "finance", "due_at": NOW},
        ],
        ids=lambda fields: next(iter(fields)),
    )
    def test_what_must_last_stays(self, dynamo: DynamoStore, fields: dict[str, Any]) -> None:
        assert "exp" not in self.settled(dynamo, **fields)

    def test_hourly_counters_expire_too(self, dynamo: DynamoStore) -> None:
        dynamo.count(NOW, "generic", {"stored": 1}, 1)
        item = dynamo.table.get(f"S#{NOW:%Y%m%d}", f"{NOW:%H}#generic#1")
        assert item is not None and item["exp"] == int((NOW + COUNTERS_KEPT).timestamp())
