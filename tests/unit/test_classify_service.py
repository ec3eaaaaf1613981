"""A batch of inbound messages: stored once, handed on, applied, counted; and what becomes of it when something fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.classify.conversations import new_conversation
from functions.classify.desk import Desk, read_handbook
from functions.classify.escalations import EscalationBus
from functions.classify.originals import clear
from functions.classify.service import classify
from functions.classify.understanding import judge_message
from functions.common import keys
from functions.common.bundle import Bundle
from functions.common.errors import Unavailable
from functions.common.message import Contact, ContactId, Kind, Message, ReplyWindow, Verification
from functions.common.queues import FifoQueue
from functions.common.sqs_batch import Record
from functions.common.store import Conversation, ConversationChanged
from functions.common.table import to_item
from functions.common.wire import Inbound, dumps, read_reply_task
from infra.cli.bundle import compiled_sections
from tests.fakes.memory_links import MemoryLinks
from tests.fakes.memory_store import MemoryStore
from tests.unit.test_queues import FakeSqs, QuietTelemetry

CONFIG = Path(__file__).parents[2] / "config"
NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
HANDBOOK = read_handbook(Bundle("0123456789ab", compiled_sections(CONFIG)))


class FakeSqsKeepingBodies(FakeSqs):
    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[str] = []
        self.groups: list[str] = []

    def send_message_batch(self, **arguments: Any) -> dict[str, Any]:
        self.bodies += [entry["MessageBody"] for entry in arguments["Entries"]]
        self.groups += [entry["MessageGroupId"] for entry in arguments["Entries"]]
        return super().send_message_batch(**arguments)


class FakeEvents:
    """An event bus that refuses entries while `refuse` is above zero."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.refuse = 0
        self.calls = 0

    def put_events(self, **arguments: Any) -> dict[str, Any]:
        self.calls += 1
        if self.refuse:
            self.refuse -= 1
            outcomes = [{"ErrorCode": "InternalFailure"} for _ in arguments["Entries"]]
            return {"FailedEntryCount": len(outcomes), "Entries": outcomes}
        self.entries += arguments["Entries"]
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "e"} for _ in arguments["Entries"]]}


class FakeVault:
    def __init__(self) -> None:
        self.down = False

    def seal(self, message_id: str, text: bytes) -> bytes:
        if self.down:
            raise Unavailable("GenerateDataKey: InternalFailure")
        return b"sealed " + text


class Store(MemoryStore):
    """A memory store whose steps can be made to fail: `trouble[step]` is raised, once per entry."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble: dict[str, list[BaseException]] = {}

    def _meet(self, step: str) -> None:
        if self.trouble.get(step):
            raise self.trouble[step].pop(0)

    def add_message(self, judged: Any) -> None:
        self._meet("add_message")
        super().add_message(judged)

    def apply(self, before: Conversation, after: Conversation) -> None:
        self._meet("apply")
        super().apply(before, after)

    def count(self, *arguments: Any) -> None:
        self._meet("count")
        super().count(*arguments)


@dataclass
class Room:
    """A desk of fakes, and its batches."""

    store: Store = field(default_factory=Store)
    links: MemoryLinks = field(default_factory=MemoryLinks)
    sqs: FakeSqsKeepingBodies = field(default_factory=FakeSqsKeepingBodies)
    events: FakeEvents = field(default_factory=FakeEvents)
    vault: FakeVault = field(default_factory=FakeVault)
    telemetry: QuietTelemetry = field(default_factory=QuietTelemetry)

    def __call__(self, *inbound: Message | Record) -> list[str]:
        made = [one if isinstance(one, Record) else record(one, str(place)) for place, one in enumerate(inbound)]
        return classify(made, self.desk)

    @property
    def desk(self) -> Desk:
        return Desk(
            store=self.store,
            links=self.links,
            vault=self.vault,  # type: ignore[arg-type]
            replies=FifoQueue(self.sqs, "url"),  # type: ignore[arg-type]
            escalations=EscalationBus(self.events, "bus"),  # type: ignore[arg-type]
            handbook=lambda: HANDBOOK,
            clock=lambda: NOW,
            telemetry=self.telemetry,  # type: ignore[arg-type]
            shards=4,
        )

    def conversation(self, contact: str = "u1") -> Conversation:
        return self.store.conversations[keys.conversation_key("generic", "demo", contact)]

    def tasks(self) -> list[Any]:
        return [read_reply_task(body) for body in self.sqs.bodies]


@pytest.fixture
def room() -> Room:
    return Room()


def inbound(
    text: str | None = "请问发票怎么开?", number: int = 1, *, contact: str = "u1", kind: Kind = "text", **more: Any
) -> Message:
    sent_at = NOW + timedelta(minutes=number)
    known: dict[str, Any] = {
        "message_id": keys.message_id("generic", "demo", contact, sent_at, f"native-{number}"),
        "native_id": f"native-{number}",
        "channel": "generic",
        "account": "demo",
        "contact": Contact(primary=contact),
        "kind": kind,
        "text": text,
        "sent_at": sent_at,
        "received_at": NOW + timedelta(minutes=number, seconds=1),
        "verification": Verification(scheme="standard-webhooks", body_signed=True, timestamped=True),
    }
    return Message(**known | more)


def record(message: Message, record_id: str) -> Record:
    return Record(id=record_id, group=keys.split(message.message_id).conv, body=dumps(Inbound(message=message)))


def test_a_message_is_stored_handed_on_applied_and_counted_in_this_order(room: Room) -> None:
    assert room(inbound()) == []
    assert room.store.calls == ["conversation", "add_message", "apply", "count"]
    (judged,) = room.store.judged.values()
    assert (judged.judgement.business, judged.judgement.content, judged.routing.team) == ("enquiry", ("invoice",), "finance")
    assert (judged.seq, judged.bundle, judged.message.pii_masked) == (1, "0123456789ab", True)
    assert judged.routing.due_at == judged.message.received_at + timedelta(hours=24)
    (task,) = room.tasks()
    assert task.judged == judged and task.first_contact
    assert room.sqs.groups == [keys.split(judged.message.message_id).conv]
    assert (room.conversation().count, room.conversation().status, room.conversation().team) == (1, "waiting", "finance")
    assert room.telemetry.counts == {
        "Stored": 1,
        "Held": 0,
        "Escalated": 0,
        "Masked": 0,
        "Repeats": 0,
        "CampaignCopies": 0,
        "RecordsFailed": 0,
    }
    (counter,) = room.store.counters.values()
    assert counter == {"stored": 1, "business_enquiry": 1, "content_invoice": 1, "language_zh": 1}


def test_a_duplicate_of_an_applied_message_costs_one_read_and_one_conditional_write(room: Room) -> None:
    room(inbound())
    before = room.conversation()
    room.store.calls.clear()
    assert room(inbound()) == []
    assert room.store.calls == ["conversation", "add_message"]
    assert room.conversation() == before
    assert len(room.sqs.calls) == 1 and room.telemetry.counts["Duplicates"] == 1


@pytest.mark.parametrize(("minutes", "says"), [(10, False), (11, True)])
def test_a_message_stored_long_after_its_receipt_says_when(room: Room, minutes: int, says: bool) -> None:
    message = inbound(received_at=NOW - timedelta(minutes=minutes))
    room(message)
    (judged,) = room.store.judged.values()
    assert judged.late_at == (NOW if says else None)


def test_a_message_that_is_found_stored_and_not_proven_long_after_its_receipt_counts_as_stored_then(room: Room) -> None:
    """A month-end pack in between could not find it."""
    message = inbound(received_at=NOW)
    room.store.add_message(judge_message(clear(message), new_conversation(message), HANDBOOK))
    later = NOW + timedelta(days=2)
    desk = replace(room.desk, clock=lambda: later)
    assert classify([record(message, "1")], desk) == []
    assert room.store.judged[message.message_id].late_at == later
    room.store.calls.clear()
    assert classify([record(message, "1")], replace(desk, clock=lambda: later + timedelta(days=1))) == []
    assert room.store.judged[message.message_id].late_at == later, "proven: a pack may have told it"


def test_a_duplicate_inside_one_batch_has_one_effect(room: Room) -> None:
    assert room(inbound(), inbound()) == []
    assert room.conversation().count == 1 and len(room.sqs.taken) == 1


def test_two_messages_of_one_conversation_build_on_each_other_and_cost_one_conversation_write(room: Room) -> None:
    assert room(inbound("你好", 1), inbound("我的快递到哪了?", 2)) == []
    assert [judged.seq for judged in room.store.judged.values()] == [1, 2]
    assert [task.first_contact for task in room.tasks()] == [True, False]
    assert room.store.calls == ["conversation", "add_message", "add_message", "apply", "count"]
    assert (room.conversation().count, room.conversation().team, room.conversation().rev) == (2, "warehouse", 1)
    assert len(room.sqs.calls) == 1


def test_personal_data_is_sealed_before_the_message_is_stored(room: Room) -> None:
    room(inbound("我的手机13800138000,发票开好了吗", contact="u1"))
    assert room.store.calls[:3] == ["conversation", "add_original", "add_message"]
    (judged,) = room.store.judged.values()
    assert judged.message.text == "我的手机〔手机号〕,发票开好了吗" and judged.masked == {"mobile": 1}
    (sealed,) = room.store.originals.values()
    assert "我的手机13800138000".encode() in sealed
    assert "13800138000" not in "".join(room.sqs.bodies) + repr(room.telemetry.lines)
    (firing, *_) = judged.judgement.firings
    assert [judged.message.text[span.start : span.end] for span in firing.spans] == ["发票"]


def test_without_a_vault_nothing_is_stored_and_the_record_comes_again(room: Room) -> None:
    room.vault.down = True
    assert room(inbound("我的手机13800138000"), inbound("你好", 2, contact="u2")) == ["0"]
    assert [judged.message.contact.primary for judged in room.store.judged.values()] == ["u2"]
    room.vault.down = False
    assert room(inbound("我的手机13800138000")) == []


def test_poison_fails_alone_and_with_the_later_ones_of_its_group(room: Room) -> None:
    poison = Record(id="p", group=keys.conversation_key("generic", "demo", "u1"), body='{"version":2}')
    assert room(inbound("你好", 1), poison, inbound("在吗", 2), inbound("你好", 3, contact="u2")) == ["p", "2"]
    assert room.conversation("u1").count == room.conversation("u2").count == 1
    assert room.telemetry.counts["RecordsFailed"] == 2
    assert ("not_classified", {"record": "p", "tries": 1, "fault": "MalformedEnvelope"}) in room.telemetry.lines


def test_money_is_held_and_danger_is_escalated_without_a_word_of_text(room: Room) -> None:
    room(inbound("请转账到我的私人账户", 1), inbound("充电宝着火了,手烫伤了,电话13800138000", 2, contact="张三"))
    assert (room.conversation("u1").status, room.conversation("u1").hold) == ("held", ("money",))
    assert room.conversation("张三").status == "escalated"
    (entry,) = room.events.entries
    judged = next(one for one in room.store.judged.values() if one.message.contact.primary == "张三")
    assert (entry["Source"], entry["DetailType"], entry["EventBusName"]) == ("postroom.classify", "MessageEscalated", "bus")
    assert json.loads(entry["Detail"]) == {
        "message_id": judged.message.message_id,
        "channel": "generic",
        "account": "demo",
        "team": "complaints",
        "reasons": ["safety"],
        "due": "2026-11-20T04:02:01.000Z",
    }
    assert room.telemetry.counts | {"RecordsFailed": 0} == {
        "Stored": 2, "Held": 1, "Escalated": 1, "Masked": 1, "Repeats": 0, "CampaignCopies": 0, "RecordsFailed": 0,
    }  # fmt: skip


def test_no_escalation_makes_no_call(room: Room) -> None:
    room(inbound())
    assert room.events.calls == 0


def test_an_escalation_that_the_bus_refuses_is_told_when_the_record_comes_again(room: Room) -> None:
    danger, later = inbound("充电宝着火了", 1), inbound("还在冒烟", 2)
    room.events.refuse = 1
    assert room(danger, inbound("你好", 3, contact="u2"), later) == ["0", "2"]
    assert "u1" not in {conversation.contact for conversation in room.store.conversations.values()}
    assert room(danger, later) == []
    assert len(room.events.entries) == 2 and room.conversation().count == 2
    assert [judged.seq for judged in room.store.messages(room.conversation().conv)] == [1, 2]


def test_a_reply_task_that_the_queue_refuses_comes_again(room: Room) -> None:
    message = inbound()
    room.sqs.refuse = {message.message_id: 2}
    assert room(message, inbound("你好", 2), inbound("你好", 3, contact="u2")) == ["0", "1"]
    assert room.conversation("u2").count == 1
    assert room(message, inbound("你好", 2)) == []
    assert room.conversation().count == 2


def test_a_failure_spares_the_earlier_messages_of_its_conversation(room: Room) -> None:
    first, second = inbound("你好", 1), inbound("请问几点关门", 2)
    room.sqs.refuse = {second.message_id: 2}
    assert room(first, second) == ["1"]
    assert room.conversation().count == 1
    assert room(second) == [] and room.conversation().count == 2


def test_a_message_that_was_stored_but_not_applied_is_done_again_as_it_was_judged_first(room: Room) -> None:
    room.store.trouble["apply"] = [Unavailable("UpdateItem: InternalServerError")]
    assert room(inbound()) == ["0"]
    changed = inbound("完全不同的话")
    assert room(changed) == []
    (judged,) = room.store.judged.values()
    assert judged.message.text == "请问发票怎么开?" and room.conversation().count == 1
    assert [task.judged.message.text for task in room.tasks()] == ["请问发票怎么开?"] * 2
    assert room.telemetry.counts["Stored"] == 1


def test_a_message_that_was_dead_lettered_before_it_was_applied_is_done_when_it_comes_back(room: Room) -> None:
    danger = inbound("充电宝着火了", 1)
    room.events.refuse = 1
    assert room(danger) == ["0"]
    assert room(inbound("你好", 2)) == []
    assert [judged.seq for judged in room.store.judged.values()] == [1, 1]
    assert room(danger) == []
    assert len(room.events.entries) == 1 and room.conversation().status == "escalated" and room.conversation().count == 2
    assert room(danger, inbound("你好", 2)) == [] and room.conversation().count == 2


def test_a_conversation_that_somebody_else_changed_is_read_again(room: Room) -> None:
    room(inbound("请问发票怎么开?", 1))
    elsewhere = room.conversation()

    def meanwhile(before: Conversation, after: Conversation, apply: Callable[..., None] = room.store.apply) -> None:
        if room.conversation() == elsewhere:
            apply(elsewhere, replace(elsewhere, problems=("reply_unknown",), status="resolved"))
        apply(before, after)

    room.store.apply = meanwhile  # type: ignore[method-assign]
    assert room(inbound("我的快递到哪了?", 2)) == []
    assert room.conversation().problems == ("reply_unknown",)
    assert (room.conversation().count, room.conversation().status, room.conversation().team) == (2, "waiting", "warehouse")


def test_a_conversation_that_never_holds_still_comes_again(room: Room) -> None:
    room.store.trouble["apply"] = [ConversationChanged("c") for _ in range(5)]
    assert room(inbound()) == ["0"]
    assert room.store.trouble["apply"] == []
    assert room(inbound()) == []


def test_counters_that_cannot_be_written_fail_no_record(room: Room) -> None:
    room.store.trouble["count"] = [Unavailable("UpdateItem: Throttled")]
    assert room(inbound()) == []
    assert "not_counted" in [outcome for outcome, _ in room.telemetry.lines]


def test_a_fault_of_ours_in_one_message_spares_the_others(room: Room) -> None:
    room.store.trouble["add_message"] = [ZeroDivisionError("13800138000")]
    assert room(inbound("你好", 1), inbound("你好", 2, contact="u2")) == ["0"]
    assert "13800138000" not in repr(room.telemetry.lines)


def test_media_stickers_and_bots(room: Room) -> None:
    room(
        inbound(None, 1, kind="image", contact="a"),
        inbound(None, 2, kind="sticker", contact="b"),
        replace(inbound("你好", 3, contact="c"), contact=Contact(primary="c", is_bot=True)),
    )
    assert room.conversation("a").status == "waiting"
    assert room.conversation("b").status == "idle"
    bot = next(one for one in room.store.judged.values() if one.message.contact.is_bot)
    assert bot.routing.no_reply and bot.routing.reply is None


def test_a_message_without_letters_takes_the_conversations_language(room: Room) -> None:
    room(inbound("Where is my parcel?", 1))
    room(inbound("123456", 2))
    assert [one.judgement.language for one in room.store.messages(room.conversation().conv)] == ["en", "en"]


def test_many_messages_cost_one_call_for_replies_and_one_for_counters(room: Room) -> None:
    assert room(*(inbound("你好", number, contact=f"u{number}") for number in range(10))) == []
    assert len(room.sqs.calls) == 1 and room.store.calls.count("count") == 1
    assert room.store.calls.count("apply") == room.store.calls.count("add_message") == 10


def item_bytes(item: dict[str, Any]) -> int:
    """The size that DynamoDB charges: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html"""

    def of(value: dict[str, Any]) -> int:
        ((kind, inner),) = value.items()
        if kind == "M":
            return 3 + sum(1 + len(name.encode()) + of(part) for name, part in inner.items())
        if kind == "L":
            return 3 + sum(1 + of(part) for part in inner)
        if kind == "N":
            return len(inner) // 2 + 2
        return 1 if kind == "BOOL" else len(inner.encode() if isinstance(inner, str) else inner)

    return sum(len(name.encode()) + of(value) for name, value in item.items())


TYPICAL = "你好,我上周买的空气净化器到现在还没有收到,快递单号是SF1234567890123,麻烦帮我查一下到哪里了,谢谢"


def test_a_typical_message_and_its_conversation_each_cost_one_write_unit(room: Room) -> None:
    from functions.common.dynamo_items import conversation_item, message_item

    openid = "oXyZ1234567890abcdefghijklmn"
    contact = Contact(primary=openid, ids=(ContactId(kind="openid", value=openid, scope="gh_123456789abc"),), locale="zh_CN")
    message = replace(
        inbound(TYPICAL, contact=openid),
        channel="wechat_oa",
        account="gh_123456789abc",
        contact=contact,
        native_id="24812345678901234",
        time_precision="s",
        verification=Verification(scheme="wechat-safe", body_signed=True, timestamped=True),
        reply=ReplyWindow(mode="window", expires_at=NOW + timedelta(days=2), max_replies=5),
    )
    assert 50 <= len(TYPICAL) <= 60
    assert room(message) == []
    (judged,) = room.store.judged.values()
    assert len(judged.judgement.firings) >= 2
    assert item_bytes(to_item(message_item(judged))) <= 1024
    (conversation,) = room.store.conversations.values()
    full = replace(conversation, applied=conversation.applied * 8, name="李雷", hold=("money",))
    assert item_bytes(to_item({"pk": "C#" + "x" * 16, "sk": "@"} | conversation_item(full, 4))) <= 1024


def test_a_refusal_of_the_bus_itself_is_named(room: Room) -> None:
    def refuse(**arguments: Any) -> dict[str, Any]:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "PutEvents")

    room.events.put_events = refuse  # type: ignore[method-assign]
    assert room(inbound("充电宝着火了")) == ["0"]
    assert ("not_handed_on", {"fault": "NotTold"}) in room.telemetry.lines
