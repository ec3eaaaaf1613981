"""A language model may draft suggestions and pick answers: with masked text, within a budget and a time, and nothing of it goes out
unreviewed unless an operator says so."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.stub import Stubber

from functions.autoreply import wiring
from functions.autoreply.case import Draft
from functions.autoreply.config import read_replies
from functions.autoreply.decision import decide
from functions.autoreply.drafting import INSTRUCTIONS, LONGEST_REPLY, MOST_TOKENS, REST, Drafter, DraftInvalid, read_draft
from functions.autoreply.faq import read_faq
from functions.autoreply.outgoing import Outgoing
from functions.autoreply.replybook import Drafts
from functions.autoreply.service import answer
from functions.autoreply.settings import Settings
from functions.autoreply.suggestions import remade, suggestions
from functions.common.errors import BundleInvalid, Unavailable
from functions.common.language_model import LanguageModel, NoWholeAnswer
from infra.cli.bundle import read_sections
from infra.inbox.waiting import suggested
from tests.fakes.reply_desk import OPEN, POLICY, REPLIES, Fixture, Heard, Killed, Times, case, conversation, task
from tests.unit.test_advice import Purse, client, converse

WITH_FAQ = replace(POLICY, faq=read_faq(read_sections()["faq"]))
ASKED = "我那件外套的发票抬头能不能换成公司的名字呢"  # like an entry, and not like enough to be answered
SAID = "可以的,请告诉我们公司的名称,我们为您换开。"


class Model:
    """A model that keeps what it was asked and gives its answers, or raises them, in turn; the last one for ever."""

    model_id = "some.model-v1:0"

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), []  # type: ignore[var-annotated]

    def said(self, instructions: str, text: str, *, most_tokens: int) -> str:
        assert (instructions, most_tokens) == (INSTRUCTIONS, MOST_TOKENS)
        self.asked.append(json.loads(text))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, str) else json.dumps(answer)


def names() -> list[str]:
    assert WITH_FAQ.faq is not None
    return [each.name for each in WITH_FAQ.faq.like(ASKED, "zh", floor=0.2, most=5)]


def allowing(**drafts: Any) -> Any:
    return replace(WITH_FAQ, book=replace(WITH_FAQ.book, drafts=Drafts(**drafts)))


def desk_of(of: Any, model: Model, policy: Any = WITH_FAQ, coins: int = 99) -> Fixture:
    desk = Fixture(of)
    drafter = Drafter(model, Purse(coins), desk.telemetry, desk.times)  # type: ignore[arg-type]
    desk.desk = replace(desk.desk, policy=lambda: policy, drafter=drafter)
    return desk


def test_the_question_is_one_that_nothing_here_answers_and_some_entries_are_like() -> None:
    assert decide(case(task(2, text=ASKED), policy=WITH_FAQ)).text is None and names()


class TestSuggesting:
    def test_a_draft_and_a_pick_are_suggested_and_nothing_is_sent(self) -> None:
        of, model = task(2, text=ASKED), Model({"pick": names()[-1], "reply": SAID})
        desk = desk_of(of, model)
        answer(of, desk.desk)
        record = desk.record(of)
        assert desk.platform.bodies == [] and record.reason == "nothing_to_say"
        assert record.suggestions[:2] == (f"faq {names()[-1]} 0.90", "draft some.model-v1:0 0.50") and record.draft == SAID

    def test_it_sees_the_masked_message_and_our_own_texts(self) -> None:
        of, model = task(2, text=ASKED), Model({"pick": None, "reply": None})
        answer(of, desk_of(of, model).desk)
        (asked,) = model.asked
        assert asked["message"] == ASKED and asked["language"] == "zh" and asked["facts"] is None
        assert [each["name"] for each in asked["answers"]] == names() and all(each["text"] for each in asked["answers"])

    def test_what_was_drafted_is_shown_to_people_as_it_was(self) -> None:
        of = task(2, text=ASKED)
        desk = desk_of(of, Model({"pick": None, "reply": SAID}))
        answer(of, desk.desk)
        found = suggested(desk.store, WITH_FAQ, conversation(of), of.judged, now=OPEN)  # type: ignore[arg-type]
        assert (found[0].source, found[0].text) == ("draft", SAID)

    def test_a_draft_that_may_not_go_out_is_not_suggested_either(self) -> None:
        draft = Draft(model="m", text="全网最低价")
        heard = replace(case(task(2, text=ASKED), policy=replace(WITH_FAQ, outgoing=Outgoing(deny=("全网最低",)))), draft=draft)
        assert "draft" not in [each.source for each in suggestions(heard)]

    def test_without_its_text_a_draft_is_gone(self) -> None:
        assert remade(case(task(2, text=ASKED), policy=WITH_FAQ), ("draft some.model-v1:0 0.50",)) == ()


class TestSending:
    def test_a_pick_goes_out_where_an_operator_lets_it(self) -> None:
        of, pick = task(2, text=ASKED), names()[-1]
        desk = desk_of(of, Model({"pick": pick, "reply": SAID}), allowing(send_picks=True))
        answer(of, desk.desk)
        record = desk.record(of)
        assert (record.state, record.reason, record.template, record.detail) == (
            "sent",
            "faq",
            pick,
            "picked by some.model-v1:0",
        )
        assert record.text == WITH_FAQ.faq.text(pick, "zh")  # type: ignore[union-attr]

    @pytest.mark.parametrize(("allowed", "text"), [((), None), (("invoice_how",), None), (("return_how",), SAID)])
    def test_a_rules_reply_goes_out_in_its_words_for_that_rule_alone(self, allowed: tuple[str, ...], text: str | None) -> None:
        of, model = task(2, reply="return_how", needs_person=False), Model({"pick": None, "reply": SAID})
        desk = desk_of(of, model, allowing(send_for=allowed))
        answer(of, desk.desk)
        own = POLICY.book.render("return_how", "zh", {})
        assert (desk.record(of).state, desk.record(of).text) == ("sent", text or own)
        assert [asked["facts"] for asked in model.asked] == ([own] if text else [])

    @pytest.mark.parametrize("reply", [None, "全网最低价", "看 https://evil.example/a", "打给13912345678", "〔邮箱〕收到了"])
    def test_what_cannot_go_out_in_its_words_goes_out_in_ours(self, reply: str | None) -> None:
        of = task(2, reply="return_how")
        policy = replace(allowing(send_for=("return_how",)), outgoing=Outgoing(deny=("全网最低",)))
        desk = desk_of(of, Model({"pick": None, "reply": reply}), policy)
        answer(of, desk.desk)
        assert (desk.record(of).state, desk.record(of).text) == ("sent", POLICY.book.render("return_how", "zh", {}))

    def test_a_template_that_has_expired_is_not_sent_in_other_words(self) -> None:
        template = replace(POLICY.book.templates["return_how"], review=(OPEN - timedelta(days=9)).date())
        policy = allowing(send_for=("return_how",))
        book = replace(policy.book, templates={**policy.book.templates, "return_how": template})
        heard = replace(case(task(2, reply="return_how"), policy=replace(policy, book=book)), draft=Draft(model="m", text=SAID))
        assert decide(heard).text is None

    def test_operators_name_templates_that_there_are(self) -> None:
        assert read_replies(REPLIES | {"drafts": {"send_for": ["return_how"], "send_picks": True}}).drafts.send_picks
        for wrong in ({"send_for": ["gone"]}, {"send_picks": "yes"}, {"send_all": True}):
            with pytest.raises(BundleInvalid):
                read_replies(REPLIES | {"drafts": wrong})


class TestNotAsked:
    @pytest.mark.parametrize(
        "about",
        [
            {"text": None},
            {"reply": "return_how"},
            {"needs_person": False},
            {"labels": {"business": "complaint"}},
            {"labels": {"risk": ("money",)}},
            {"labels": {"wants_human": True}},
            {"labels": {"spam": "ad"}},
            {"hold": ("money",)},
            {"is_bot": True},
            {"no_reply": True},
        ],
    )
    def test_about_what_is_answered_barred_or_nobodys_question(self, about: dict[str, Any]) -> None:
        of, model = task(2, **{"text": ASKED} | about), Model({"pick": None, "reply": SAID})
        answer(of, desk_of(of, model).desk)
        assert model.asked == []

    @pytest.mark.parametrize(
        "fault",
        [Unavailable("Converse: ThrottlingException"), NoWholeAnswer("x"), RuntimeError("anything"), "no JSON", {"pick": 1}],
    )
    def test_again_for_a_minute_after_a_fault_and_everything_is_as_without_it(self, fault: Any) -> None:
        times, heard, model = Times(), Heard(), Model(fault, {"pick": None, "reply": SAID})
        drafter = Drafter(model, Purse(), heard, times)  # type: ignore[arg-type]
        asked = case(task(2, text=ASKED), policy=WITH_FAQ)
        assert [drafter(asked, decide(asked)) for _ in range(3)] == [None] * 3 and len(model.asked) == 1
        assert [line for line, _ in heard.lines] == ["not_drafted"] and ASKED not in str(heard.lines)
        times.now += REST
        assert drafter(asked, decide(asked)) == Draft(model=model.model_id, text=SAID)

    def test_when_the_days_budget_is_spent(self) -> None:
        of, model = task(2, text=ASKED), Model({"pick": None, "reply": SAID})
        desk = desk_of(of, model, coins=0)
        answer(of, desk.desk)
        assert model.asked == [] and "draft_budget_spent" in [line for line, _ in desk.telemetry.lines]


def test_a_process_that_dies_while_it_asks_has_left_nothing_behind() -> None:
    class Deadly(Model):
        def said(self, instructions: str, text: str, *, most_tokens: int) -> str:
            if not self.asked:
                self.asked.append({})
                raise Killed
            return super().said(instructions, text, most_tokens=most_tokens)

    of = task(2, reply="return_how")
    desk = desk_of(of, Deadly({"pick": None, "reply": SAID}), allowing(send_for=("return_how",)))
    with pytest.raises(Killed):
        answer(of, desk.desk)
    assert (desk.store.records, desk.entry(of)) == ({}, None)
    answer(of, desk.desk)
    assert (desk.record(of).state, desk.record(of).text, len(desk.platform.bodies)) == ("sent", SAID, 1)


@pytest.mark.parametrize("channel", ["generic", "twilio"])
def test_a_draft_that_a_crash_left_in_doubt_is_not_sent_again_and_a_person_is_told(channel: str) -> None:
    of = task(2, reply="return_how", channel=channel)
    desk = desk_of(of, Model({"pick": None, "reply": SAID}), allowing(send_for=("return_how",)))

    desk.dies_while_it_sends(of)
    answer(of, desk.desk)
    assert (desk.record(of).state, len(desk.platform.bodies)) == ("unknown", 1)
    assert desk.problems(of) == ("reply_unknown",)


@pytest.mark.parametrize(
    "text",
    ["", "{}", '{"pick": null}', '{"pick": "b", "reply": null}', '{"pick": null, "reply": 1}', '{"pick": null, "reply": null, "x": 1}',
     '好的 {"pick": null, "reply": null}', json.dumps({"pick": None, "reply": "长" * (LONGEST_REPLY + 1)})],
)  # fmt: skip
def test_anything_but_one_whole_draft_is_none(text: str) -> None:
    with pytest.raises(DraftInvalid):
        read_draft(text, frozenset({"a"}), "m")


def test_personal_data_in_a_draft_is_masked() -> None:
    draft = read_draft(json.dumps({"pick": "a", "reply": "请打13912345678"}), frozenset({"a"}), "m")
    assert draft.pick == "a" and "13912345678" not in (draft.text or "")


@pytest.fixture
def bedrock() -> Iterator[tuple[LanguageModel, Stubber]]:
    made = client("bedrock-runtime")
    with Stubber(made) as stub:
        yield LanguageModel(made, "some.model-v1:0"), stub


def test_the_model_is_asked_by_the_converse_api(bedrock: tuple[LanguageModel, Stubber]) -> None:
    model, stub = bedrock
    said = json.dumps({"pick": None, "reply": SAID})
    asked = {
        "modelId": "some.model-v1:0",
        "system": [{"text": INSTRUCTIONS}],
        "messages": [{"role": "user", "content": [{"text": "{}"}]}],
        "inferenceConfig": {"maxTokens": MOST_TOKENS, "temperature": 0.0},
    }
    stub.add_response("converse", converse(said), asked)
    assert model.said(INSTRUCTIONS, "{}", most_tokens=MOST_TOKENS) == said
    stub.add_response("converse", converse(said, stop="max_tokens"))
    with pytest.raises(NoWholeAnswer):
        model.said(INSTRUCTIONS, "{}", most_tokens=1)
    stub.add_client_error("converse", "ThrottlingException")
    with pytest.raises(Unavailable):
        model.said(INSTRUCTIONS, "{}", most_tokens=1)


SETTINGS = {
    "STAGE": "local", "TABLE_NAME": "t", "REPLIES_QUEUE_URL": "q", "INDEX_SHARDS": "4", "SECRETS_PREFIX": "p/", "CONFIG_BUCKET": "c",
}  # fmt: skip


def test_off_nothing_of_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("functions.autoreply.drafting", "functions.common.language_model"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    drafter = wiring._drafter(Settings.read(SETTINGS | {"DRAFT_MODEL_ID": ""}), None, None)  # type: ignore[arg-type]
    assert drafter(None, None) is None  # type: ignore[arg-type]
    assert "functions.autoreply.drafting" not in sys.modules


def test_set_it_has_a_budget_of_its_own_a_short_time_and_one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    named = Settings.read(SETTINGS | {"DRAFT_MODEL_ID": "m", "DRAFTS_PER_DAY": "7"})
    drafter: Any = wiring._drafter(named, None, Heard())  # type: ignore[arg-type]
    config = drafter._model.client.meta.config
    assert (drafter._budget.name, drafter._budget.per_day) == ("autoreply.drafts", 7)
    assert (config.read_timeout, config.retries["total_max_attempts"]) == (3.0, 1)
