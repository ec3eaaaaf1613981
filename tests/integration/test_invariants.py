"""The invariants of the design that need the whole house: real handlers, the real template's resources, the platforms' simulators."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from functions.common import aws
from infra.simulators.contract import Webhook
from tests.fakes.house import House, open_house

PERSONAL = {
    "mobile": "13912345678",
    "id_card": "11010519491231002X",
    "card": "4111111111111111",
    "mail": "li.lei@example.com",
}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as opened:
        yield opened


def metrics(printed: str) -> dict[str, int]:
    """Every counter in the printed metrics, summed."""
    totals: dict[str, int] = {}
    for line in printed.splitlines():
        if '"CloudWatchMetrics"' not in line:
            continue
        blob = json.loads(line[line.index("{") :])
        for metric in blob["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
            totals[metric["Name"]] = totals.get(metric["Name"], 0) + int(sum(blob[metric["Name"]]))
    return totals


def everyone(house: House) -> list[tuple[str, Webhook]]:
    """One webhook or more from each platform."""
    generic, wechat, twilio = (house.simulators[name] for name in ("generic", "wechat_oa", "twilio"))
    items: list[Any] = [
        generic.item("b1", text="发票怎么开?", native_id="b1"),
        {"id": "broken"},
        generic.item("b2", text="hi", native_id="b2"),
    ]
    return [
        ("generic", generic.text("g1", "你好", native_id="g1")),
        ("generic", generic.batch(items, native_id="batch")),
        ("wechat_oa", wechat.text("o1", "几点关门", native_id="1001")),
        ("wechat_oa", wechat.event("o2", "subscribe")),
        ("twilio", twilio.text("+14155550100", "What are your opening hours?", native_id="SM" + "1" * 32)),
        ("twilio", twilio.receipt("SM" + "2" * 32)),
    ]


def test_nothing_acknowledged_is_lost(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    for channel, webhook in everyone(house):
        assert house.receive(channel, webhook)["statusCode"] < 300
    house.pump()
    totals = metrics(capfd.readouterr().out)
    assert totals["Verified"] == totals["Enqueued"] + totals["Ignored"] + totals["Malformed"] == 8
    assert totals["Enqueued"] == totals["Stored"] == len(house.of_kind("M#")) == 5
    assert len(house.of_kind("R#")) == 5, "every message has exactly one decision"


def test_duplicates_retries_and_reordering_leave_one_message_and_one_effect(house: House) -> None:
    order = random.Random(7)
    webhooks = everyone(house)
    many = [pair for pair in webhooks for _ in range(3)]
    order.shuffle(many)
    for channel, webhook in many:
        house.receive(channel, webhook)
        house.pump()
    # SQS forgets a deduplication id after five minutes: hand classify the same records once more.
    house.invoke("classify", {"Records": house.records["classify"]})
    house.pump()
    assert len(house.of_kind("M#")) == len(house.of_kind("R#")) == 5
    assert all(conversation["count"] == 1 for conversation in house.of_kind("@"))
    said = house.said()
    assert len(said) == len({contact for _, contact, _ in said})


def test_a_reply_task_that_comes_twice_is_answered_once(house: House) -> None:
    house.receive("wechat_oa", house.simulators["wechat_oa"].text("o1", "几点关门", native_id="1"))
    house.pump()
    before = house.said()
    assert len(before) == 1
    for _ in range(3):
        house.restart()
        assert house.invoke("autoreply", {"Records": house.records["autoreply"]}) == {"batchItemFailures": []}
    assert house.said() == before


def test_an_answer_that_was_lost_on_its_way_is_not_sent_again(house: House) -> None:
    house.simulators["wechat_oa"].failures.append("lose")
    house.receive("wechat_oa", house.simulators["wechat_oa"].text("o1", "几点关门", native_id="1"))
    house.pump()
    # Whether the token call or the send was the one that was lost, at most one reply arrived.
    house.simulators["wechat_oa"].failures.append("lose")
    house.receive("wechat_oa", house.simulators["wechat_oa"].text("o2", "几点关门", native_id="2"))
    house.pump()
    contacts = [contact for _, contact, _ in house.said()]
    assert len(contacts) == len(set(contacts))
    unknown = [reply["pk"] for reply in house.of_kind("R#") if reply["state"] == "unknown"]
    flagged = [c["pk"] for c in house.of_kind("@") if c.get("problems") == ["reply_unknown"]]
    assert unknown == flagged and len(unknown) == 1


def test_one_bad_record_hurts_only_itself_and_something_reads_the_dead_letters(house: House) -> None:
    sqs = aws.client("sqs")
    url = house.queues["InboundQueue"]
    sqs.send_message(QueueUrl=url, MessageBody="{}", MessageGroupId="poisoned", MessageDeduplicationId="p")
    for channel, webhook in everyone(house):
        house.receive(channel, webhook)
    house.pump()
    assert len(house.of_kind("M#")) == 5
    assert house.depths()["InboundDeadLetters"] == 1 and house.depths()["InboundQueue"] == 0
    assert house.invoke("escalate", {})["told"]["DeadLetter"] == 1


def test_personal_data_stays_put(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    text = "我叫李雷,电话13912345678,身份证11010519491231002X,卡号4111 1111 1111 1111,邮箱li.lei@example.com,请回电"
    events: list[Any] = []
    put = aws.client("events").put_events
    aws.client("events").put_events = lambda **entries: (events.append(entries), put(**entries))[1]
    house.receive("generic", house.simulators["generic"].text("g1", text, native_id="g1"))
    house.receive("wechat_oa", house.simulators["wechat_oa"].text("o1", text + ",不然我去12315投诉", native_id="1"))
    house.receive("generic", house.simulators["generic"].webhook({"messages": [{"id": 1, "text": text}]}, "w"))
    generic = house.simulators["generic"]
    shared = [{"kind": "image", "url": f"https://cdn.example/{PERSONAL['mobile']}.jpg", "filename": f"{PERSONAL['mail']}.jpg"}]
    quoted, brought = {"id": "q", "text": text}, {"source": "ad", "headline": text, "ref": PERSONAL["mobile"]}
    everywhere = generic.item("g2", text="看图", native_id="g2", attachments=shared, reply_to=quoted, referral=brought)
    house.receive("generic", generic.webhook(everywhere, "w2"))
    house.receive("twilio", house.simulators["twilio"].text("+14155550188", "我要投诉,不然去12315", native_id="SM" + "8" * 32))
    house.pump()
    house.invoke("escalate", {"now": (datetime.now(UTC) + timedelta(days=3)).isoformat()})
    house.invoke("archive", {"now": (datetime.now(UTC) + timedelta(days=30)).isoformat()})
    printed = "".join(capfd.readouterr()) + house.log.getvalue()
    assert all(outcome in printed for outcome in ("received", "classified", "escalated", "CloudWatchMetrics"))
    archived = b"".join(gzip.decompress(b) if k.endswith(".gz") else b for k, b in house.archived().items()).decode()
    replies = json.dumps(house.records["autoreply"], ensure_ascii=False)
    messages = json.dumps(house.of_kind("M#"), ensure_ascii=False)
    assert events and "李雷" in archived and "请回电" in messages
    for kind, value in PERSONAL.items():
        for place in (printed, archived, replies, messages, json.dumps(events), str(house.said())):
            assert value not in place.replace(" ", ""), kind
    # The number that a text message came from is an id: it stays with the message and goes nowhere else.
    assert "4155550188" not in printed and "4155550188" not in json.dumps(events)
    assert "请回电" not in printed and "请回电" not in json.dumps(events, ensure_ascii=False)
    assert len(house.of_kind("V#")) == 3


def test_two_post_rooms_wired_to_each_other_fall_silent(house: House) -> None:
    """Every reply comes back as a message of the same contact, as if another machine had answered it."""
    generic = house.simulators["generic"]
    house.receive("generic", generic.text("machine", "你好", native_id="0"))
    house.pump()
    heard = 0
    for turn in range(1, 30):
        said = house.said()
        if len(said) == heard:
            break
        heard = len(said)
        house.receive("generic", generic.text("machine", said[-1][2], native_id=str(turn)))
        house.pump()
    assert 1 <= heard <= 4


def test_bots_are_stored_and_never_answered(house: House) -> None:
    webhook = house.simulators["generic"].webhook(
        {"id": "1", "contact": {"id": "bot", "is_bot": True}, "text": "几点开门?", "sent_at": datetime.now(UTC).isoformat()},
        "w1",
    )
    house.receive("generic", webhook)
    house.pump()
    (reply,) = house.of_kind("R#")
    assert (reply["state"], reply["reason"]) == ("none", "bot") and house.said() == []


def test_a_forged_or_stale_webhook_leaves_no_trace(house: House) -> None:
    for channel, simulator in house.simulators.items():
        contact = "+14155550100" if channel == "twilio" else "u1"
        for webhook in (simulator.forged(contact, "你好"), simulator.stale(contact, "你好")):
            if webhook is not None:
                assert house.receive(channel, webhook)["statusCode"] in (401, 403)
        unsigned = replace(simulator.text(contact, "你好"), headers={}, query="")
        assert house.receive(channel, unsigned)["statusCode"] in (401, 403)
    house.pump()
    assert house.items() == [] and house.said() == []
