"""A channel that only announces, through the whole house: real handlers, the real template's queues, the vendor's simulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from functions.common import aws
from infra.simulators.wecom import refusal
from infra.simulators.wecom_kf import WecomKfSimulator
from tests.fakes.house import House, open_house
from tests.integration.test_invariants import metrics


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path, only=("wecom_kf",)) as opened:
        yield opened


def kf(house: House) -> WecomKfSimulator:
    simulator = house.simulators["wecom_kf"]
    assert isinstance(simulator, WecomKfSimulator)
    return simulator


def texts(house: House) -> list[str]:
    stored = sorted(house.of_kind("M#"), key=lambda item: str(item["message"]["native_id"]))
    return [item["message"].get("text", item["message"]["kind"]) for item in stored]


def test_everything_verified_and_everything_pulled_is_accounted_for(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    simulator = kf(house)
    simulator.page, simulator.gaps = 2, 1
    items = [
        simulator.item("wm1", "text", {"content": "几点开门?"}),
        simulator.event("wm1", "enter_session"),
        simulator.item("wm2", "image", {"media_id": "media-1"}),
        {"msgtype": "text", "origin": 3},
        simulator.servicer("wm1", "您好"),
    ]
    assert house.receive("wecom_kf", simulator.batch(items))["body"] == "success"
    assert house.receive("wecom_kf", simulator.handshake())["statusCode"] == 200
    assert house.receive("wecom_kf", simulator.forged("wm3", "x"))["statusCode"] == 401
    house.pump()
    totals = metrics(capfd.readouterr().out)
    assert totals["Verified"] == totals["Announced"] == 1
    assert totals["Pulled"] == totals["Enqueued"] + totals["Ignored"] + totals["Malformed"] == 5
    assert totals["Enqueued"] == totals["Stored"] == len(house.of_kind("M#")) == len(house.of_kind("R#")) == 2
    # How many are answered depends on whether somebody is at work; what was said is what was recorded.
    assert 1 <= len(house.said()) == sum(reply["state"] == "sent" for reply in house.of_kind("R#"))


def test_retries_reordering_and_repeated_pulls_leave_one_message_and_one_answer(house: House) -> None:
    simulator = kf(house)
    webhooks = [simulator.text("wm1", f"第{n}条", native_id=f"k{n}") for n in range(3)]
    for webhook in (*webhooks, *reversed(webhooks), webhooks[0]):
        assert house.receive("wecom_kf", webhook)["statusCode"] == 200
        house.pump()
    for function in ("pull", "classify", "autoreply"):
        assert house.invoke(function, {"Records": house.records[function]}) == {"batchItemFailures": []}
    house.pump()
    assert texts(house) == ["第0条", "第1条", "第2条"]
    assert len(house.of_kind("R#")) == 3 and house.of_kind("@")[0]["count"] == 3


def test_a_cursor_that_was_lost_costs_a_repetition_and_nothing_else(house: House) -> None:
    simulator = kf(house)
    house.receive("wecom_kf", simulator.text("wm1", "一", native_id="k1"))
    house.pump()
    said = house.said()
    (cursor,) = [item for item in house.items() if item["pk"].startswith("K#")]
    aws.client("dynamodb").delete_item(TableName=house.table, Key={"pk": {"S": cursor["pk"]}, "sk": {"S": cursor["sk"]}})
    house.receive("wecom_kf", simulator.announcement())
    house.pump()
    assert texts(house) == ["一"] and house.said() == said


def test_an_announcement_that_never_came_is_made_good_by_the_next(house: House) -> None:
    simulator = kf(house)
    simulator.text("wm1", "一", native_id="k1")
    house.receive("wecom_kf", simulator.text("wm2", "二", native_id="k2"))
    house.pump()
    assert texts(house) == ["一", "二"]


def test_a_platform_that_stays_down_is_told_of_and_caught_up_with(house: House) -> None:
    simulator = kf(house)
    simulator.failures.extend([refusal(-1)] * 10)
    house.receive("wecom_kf", simulator.text("wm1", "一", native_id="k1"))
    house.pump()
    assert house.of_kind("M#") == [] and house.depths()["PullsDeadLetters"] == 1
    assert house.invoke("escalate", {})["told"] == {"DeadLetter": 1}
    simulator.failures.clear()
    house.receive("wecom_kf", simulator.text("wm1", "二", native_id="k2"))
    house.pump()
    assert texts(house) == ["一", "二"]


def test_a_burst_of_announcements_costs_few_calls(house: House) -> None:
    simulator = kf(house)
    for n in range(10):
        house.receive("wecom_kf", simulator.text("wm1", f"第{n}条", native_id=f"k{n}"))
    calls: list[str] = []
    api = simulator.api
    simulator.api = lambda request: (calls.append(request.path), api(request))[1]  # type: ignore[method-assign]
    house.pump()
    assert len(texts(house)) == 10 and calls.count("/cgi-bin/kf/sync_msg") == 1


def test_pull_keeps_personal_data_and_credentials_out_of_its_log(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    simulator = kf(house)
    house.receive("wecom_kf", simulator.text("wmPRIVATE", "我的电话13912345678", native_id="k1"))
    house.pump()
    house.invoke("archive", {"now": (datetime.now(UTC) + timedelta(days=30)).isoformat()})
    printed = "".join(capfd.readouterr()) + house.log.getvalue()
    assert '"pulled"' in printed
    tokens = [item["token"] for item in house.items() if item["pk"].startswith("T#")]
    for secret in ("13912345678", "wmPRIVATE", "local-demo-kf-corp-secret", *tokens, *simulator._vouchers):
        assert secret not in printed, secret
    assert "13912345678" not in json.dumps(house.of_kind("M#"), ensure_ascii=False)
