"""Second opinions: asked only about what is uncertain, with masked text, within a budget and a time; else the offline answer stands."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber
from moto import mock_aws

from functions.classify import wiring
from functions.classify.advice.bedrock import BedrockModel
from functions.classify.advice.comprehend import ComprehendClassifier
from functions.classify.advice.label_sheet import read_labels
from functions.classify.advice.panel import SECONDS_A_BATCH, Adviser, Answer, AnswerInvalid, Panel
from functions.classify.advice.wiring import panels
from functions.classify.judging import judge
from functions.classify.model.opinion import Model, Opinion
from functions.classify.model.shelf import SHIPPED
from functions.classify.model.weights import read_weights
from functions.classify.service import classify
from functions.classify.settings import Settings
from functions.common.budget import DayBudget
from functions.common.errors import Unavailable
from functions.common.table import Table
from tests.unit.test_classify_service import Room, inbound, record
from tests.unit.test_queues import QuietTelemetry
from training.corpus import library, read_text
from training.seed import read_folder

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
ENDPOINT = "arn:aws:comprehend:us-east-1:123456789012:document-classifier-endpoint/mood"


@cache
def unsure() -> str:
    """An authored message with somebody's number, of whose content alone the shipped weights are not sure."""
    book, model = library().book, Model(read_weights(SHIPPED.read_bytes()))
    for example in read_folder()[::20]:
        text = f"{example.text}13912345678"
        judgement = judge(book, read_text(text), model).judgement
        if judgement.uncertain == ("content",) and judgement.content != ("product",):
            return text
    raise AssertionError("the weights are sure of everything")


LABELS: dict[str, Any] = {
    "business": "suggestion", "content": ["product"], "urgency": "normal", "sentiment": "positive", "spam": "none", "risk": [],
    "wants_human": False, "opt_out": False, "language": "zh",
}  # fmt: skip


def converse(text: str, stop: str = "end_turn") -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": stop,
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
        "metrics": {"latencyMs": 1},
    }


def client(service: str, **more: Any) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    config = Config(read_timeout=0.1, connect_timeout=1, retries={"total_max_attempts": 1, "mode": "standard"})
    return boto3.client(service, region_name="us-east-1", config=config, **keys, **more)


@pytest.fixture
def bedrock() -> Iterator[tuple[BedrockModel, Stubber]]:
    made = client("bedrock-runtime")
    with Stubber(made) as stub:
        yield BedrockModel(made, "some.model-v1:0"), stub


@pytest.fixture
def comprehend() -> Iterator[tuple[ComprehendClassifier, Stubber]]:
    made = client("comprehend")
    with Stubber(made) as stub:
        yield ComprehendClassifier(made, ENDPOINT), stub


class Purse:
    def __init__(self, coins: int = 99) -> None:
        self.coins = coins

    def draw(self) -> bool:
        self.coins -= 1
        return self.coins >= 0


class Fake:
    """An adviser that keeps what it was asked and gives its answers, or raises them, in turn; the last one for ever."""

    version = "1"

    def __init__(self, *answers: Answer | Exception, name: str = "fake") -> None:
        self.name = name
        self.answers = list(answers)
        self.asked: list[str] = []

    def answer(self, text: str) -> Answer:
        self.asked.append(text)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def panel(*advisers: Adviser, coins: int = 99, telemetry: Any = None, timer: Callable[[], float] = lambda: 0.0) -> Panel:
    return Panel([(each, Purse(coins)) for each in advisers], telemetry or QuietTelemetry(), timer)


OPINION = Opinion(
    {"business": ("enquiry",), "sentiment": ("neutral",), "spam": ("ad",), "risk": ("money",)},
    {"business.enquiry": 0.4, "sentiment.neutral": 0.9, "spam.ad": 0.6, "risk.money": 0.6},
    frozenset({"business", "spam", "risk"}),
)


# --- What an answer may change ----------------------------------------------------------------------------------------


def test_only_what_is_unsure_is_taken_over_and_says_by_whom() -> None:
    answer = Answer(
        {"business": ("complaint",), "sentiment": ("negative",)}, {"business.complaint": 0.7, "sentiment.negative": 0.7}
    )
    opinion, firings = panel(Fake(answer)).second_opinion("?", OPINION, frozenset({"business"}))
    assert (opinion.values["business"], opinion.values["sentiment"]) == (("complaint",), ("neutral",))
    assert opinion.scores["business.complaint"] == 0.7 and "business" not in opinion.uncertain
    assert [(firing.rule, firing.version) for firing in firings] == [("advice.fake", "1")]


def test_no_answer_takes_a_risk_away_or_keeps_a_person_from_looking() -> None:
    answer = Answer({"risk": ("safety",), "spam": ("none",)}, {"risk.safety": 0.7, "spam.none": 0.7})
    opinion, _ = panel(Fake(answer)).second_opinion("?", OPINION, frozenset({"risk", "spam"}))
    assert opinion.values["risk"] == ("money", "safety") and opinion.scores["risk.money"] == 0.6
    assert {"risk", "spam"} <= opinion.uncertain


def test_the_second_adviser_is_asked_only_for_what_the_first_left_open() -> None:
    mood = Fake(Answer({"sentiment": ("negative",)}, {"sentiment.negative": 0.9}), name="mood")
    all_of_it = Fake(read_labels(json.dumps(LABELS)))
    asked = panel(mood, all_of_it)
    _, firings = asked.second_opinion("?", OPINION, frozenset({"sentiment"}))
    assert [firing.rule for firing in firings] == ["advice.mood"] and not all_of_it.asked
    opinion, _ = asked.second_opinion("?", OPINION, frozenset({"sentiment", "business"}))
    assert (opinion.values["sentiment"], opinion.values["business"]) == (("negative",), ("suggestion",))


# --- When the offline answer stands -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Unavailable("Converse: ThrottlingException"), AnswerInvalid("x"), RuntimeError("anything")])
def test_whatever_goes_wrong_the_offline_answer_stands_and_the_adviser_rests(fault: Exception) -> None:
    adviser, telemetry = Fake(fault), QuietTelemetry()
    asked = panel(adviser, telemetry=telemetry)
    for _ in range(3):
        assert asked.second_opinion("?", OPINION, OPINION.uncertain) == (OPINION, ())
    assert len(adviser.asked) == 1, "one time-out a batch at most"
    assert telemetry.lines == [("not_advised", {"adviser": "fake", "fault": type(fault).__name__})]


def test_with_its_budget_spent_an_adviser_is_not_asked() -> None:
    adviser, telemetry = Fake(read_labels(json.dumps(LABELS))), QuietTelemetry()
    asked = panel(adviser, coins=1, telemetry=telemetry)
    assert [len(asked.second_opinion("?", OPINION, OPINION.uncertain)[1]) for _ in range(3)] == [1, 0, 0]
    assert len(adviser.asked) == 1 and telemetry.lines == [("budget_spent", {"adviser": "fake"})]


def test_slow_answers_use_up_the_batchs_time() -> None:
    moments = iter(range(0, 1000, int(SECONDS_A_BATCH)))
    adviser = Fake(read_labels(json.dumps(LABELS)))
    asked = panel(adviser, timer=lambda: float(next(moments)))
    assert [len(asked.second_opinion("?", OPINION, OPINION.uncertain)[1]) for _ in range(3)] == [1, 0, 0]
    assert len(adviser.asked) == 1


def test_all_processes_share_a_days_budget() -> None:
    with mock_aws():
        dynamodb = boto3.client("dynamodb", region_name="us-east-1")
        dynamodb.create_table(
            TableName="t",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        )
        days = [NOW, NOW, NOW, NOW + timedelta(days=1)]
        one = [DayBudget(Table(dynamodb, "t"), "a", 2, clock=lambda day=day: day).draw() for day in days]  # type: ignore[misc]
        assert one == [True, True, False, True]
        assert DayBudget(Table(dynamodb, "t"), "b", 2, clock=lambda: NOW).draw()
        assert not DayBudget(Table(dynamodb, "t"), "c", 0, clock=lambda: NOW).draw()
        item = dynamodb.get_item(TableName="t", Key={"pk": {"S": "U#a"}, "sk": {"S": "20261120"}})["Item"]
        assert item["drawn"] == {"N": "2"} and int(item["exp"]["N"]) > NOW.timestamp()


# --- Bedrock ----------------------------------------------------------------------------------------------------------


def test_a_whole_label_sheet_is_an_answer(bedrock: tuple[BedrockModel, Stubber]) -> None:
    model, stub = bedrock
    stub.add_response("converse", converse(json.dumps(LABELS)))
    answer = model.answer("摆在门口更好")
    assert answer.values["business"] == ("suggestion",) and answer.values["wants_human"] == ()
    assert set(answer.scores) == {"business.suggestion", "content.product", "urgency.normal", "sentiment.positive", "spam.none"}
    stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I would say this is a complaint.",
        "```json\n" + json.dumps(LABELS) + "\n```",
        json.dumps(LABELS | {"business": "refund"}),
        json.dumps(LABELS | {"wants_human": "false"}),
        json.dumps(LABELS | {"confidence": 1}),
        json.dumps({key: value for key, value in LABELS.items() if key != "risk"}),
        json.dumps([LABELS]),
        json.dumps(LABELS)[:-1],
        "[" * 100_000,
    ],
)
def test_anything_but_one_whole_label_sheet_is_no_answer(bedrock: tuple[BedrockModel, Stubber], text: str) -> None:
    model, stub = bedrock
    stub.add_response("converse", converse(text))
    with pytest.raises(AnswerInvalid) as refused:
        model.answer("?")
    assert "complaint" not in str(refused.value), "no word of the answer is logged"


def test_an_answer_that_was_cut_or_blocked_is_none(bedrock: tuple[BedrockModel, Stubber]) -> None:
    model, stub = bedrock
    for stop in ("max_tokens", "guardrail_intervened"):
        stub.add_response("converse", converse(json.dumps(LABELS), stop))
        with pytest.raises(AnswerInvalid):
            model.answer("?")
    no_text = converse("") | {"output": {"message": {"role": "assistant", "content": []}}}
    stub.add_response("converse", no_text)
    with pytest.raises(AnswerInvalid):
        model.answer("?")


def test_a_throttled_call_is_not_tried_again(bedrock: tuple[BedrockModel, Stubber]) -> None:
    model, stub = bedrock
    stub.add_client_error("converse", "ThrottlingException", http_status_code=429)
    with pytest.raises(Unavailable, match="ThrottlingException"):
        model.answer("?")


def test_a_service_that_never_answers_is_given_up_after_one_try() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=8) as silent:
        model = BedrockModel(client("bedrock-runtime", endpoint_url=f"http://127.0.0.1:{silent.getsockname()[1]}"), "m")
        with pytest.raises(Unavailable, match="ReadTimeoutError"):
            model.answer("?")
        silent.settimeout(0)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()


# --- Comprehend -------------------------------------------------------------------------------------------------------


def test_the_likeliest_class_is_the_answer(comprehend: tuple[ComprehendClassifier, Stubber]) -> None:
    classifier, stub = comprehend
    classes = [{"Name": "sentiment.neutral", "Score": 0.1}, {"Name": "sentiment.negative", "Score": 0.876}]
    stub.add_response("classify_document", {"Classes": classes}, {"Text": "太慢了", "EndpointArn": ENDPOINT})
    assert classifier.answer("太慢了") == Answer({"sentiment": ("negative",)}, {"sentiment.negative": 0.88})
    stub.add_response("classify_document", {"Classes": [{"Name": "sentiment.negative", "Score": 0.5}]})
    assert classifier.answer("?") == Answer({}, {})


@pytest.mark.parametrize(
    "answer", [{}, {"Classes": []}, {"Classes": [{"Name": "ANGRY", "Score": 0.9}]}, {"Classes": [{"Name": "x"}]}]
)
def test_classes_that_are_no_labels_are_no_answer(
    comprehend: tuple[ComprehendClassifier, Stubber], answer: dict[str, Any]
) -> None:
    classifier, stub = comprehend
    stub.add_response("classify_document", answer)
    with pytest.raises(AnswerInvalid):
        classifier.answer("?")


def test_a_throttled_classifier_is_not_tried_again(comprehend: tuple[ComprehendClassifier, Stubber]) -> None:
    classifier, stub = comprehend
    stub.add_client_error("classify_document", "ThrottlingException", http_status_code=400)
    with pytest.raises(Unavailable):
        classifier.answer("?")


# --- In classify ------------------------------------------------------------------------------------------------------


def advised(room: Room, adviser: Fake, text: str) -> Any:
    desk = replace(room.desk, advice=lambda: panel(adviser, telemetry=room.telemetry))
    assert classify([record(inbound(text), "0")], desk) == []
    (stored,) = room.store.judged.values()
    return stored


def test_advice_is_stored_with_the_message_and_never_saw_its_personal_data() -> None:
    offline = Room()
    assert offline(inbound(unsure())) == []
    (before,) = offline.store.judged.values()
    assert before.judgement.uncertain == ("content",)
    adviser = Fake(read_labels(json.dumps(LABELS)))
    after = advised(Room(), adviser, unsure())
    assert (after.judgement.content, after.judgement.scores["content.product"]) == (("product",), 0.7)
    assert after.judgement.business == before.judgement.business and after.judgement.uncertain == ()
    assert "advice.fake" in [firing.rule for firing in after.judgement.firings]
    assert len(adviser.asked) == 1 and "13912345678" not in adviser.asked[0] and "手机号" in adviser.asked[0]


def test_a_message_is_judged_offline_when_its_adviser_fails() -> None:
    offline = Room()
    offline(inbound(unsure()))
    assert advised(Room(), Fake(Unavailable("Converse: ReadTimeoutError")), unsure()) == next(
        iter(offline.store.judged.values())
    )


def test_of_what_is_certain_nobody_is_asked() -> None:
    adviser = Fake(read_labels(json.dumps(LABELS)))
    stored = advised(Room(), adviser, "TD")
    assert stored.judgement.uncertain == () and adviser.asked == []


SETTINGS = {
    "STAGE": "local", "TABLE_NAME": "t", "INDEX_SHARDS": "1", "REPLIES_QUEUE_URL": "https://queue", "ESCALATION_BUS_NAME": "b",
    "VAULT_KEY_ID": "k", "CONFIG_BUCKET": "c",
}  # fmt: skip


def test_off_there_is_no_panel_and_nothing_of_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("functions.classify.advice")]:
        monkeypatch.delitem(sys.modules, name)
    settings = Settings.read(SETTINGS | {"BEDROCK_MODEL_ID": "", "COMPREHEND_ENDPOINT": ""})
    assert wiring._advice(settings, None, None) is None  # type: ignore[arg-type]
    assert not [name for name in sys.modules if name.startswith("functions.classify.advice")]


def test_set_each_has_its_own_budget_a_short_time_and_one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    both = {"BEDROCK_MODEL_ID": "m", "COMPREHEND_ENDPOINT": ENDPOINT, "ADVICE_PER_DAY": "7"}
    made = panels(Settings.read(SETTINGS | both), None, QuietTelemetry())()  # type: ignore[arg-type]
    told = [(a.name, b.name, b.per_day, a.client.meta.config.read_timeout) for a, b in made._advisers]  # type: ignore[attr-defined]
    assert told == [("comprehend", "classify.comprehend", 7, 2.0), ("bedrock", "classify.bedrock", 7, 3.0)]
    assert {a.client.meta.config.retries["total_max_attempts"] for a, _ in made._advisers} == {1}  # type: ignore[attr-defined]
