"""What people do: the inbox, a conversation taken, answered, released, held, resolved; told and explained; crash-safe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from functions.autoreply.delivery import Answer
from functions.channels import registry
from functions.channels.contract import OutgoingReply, SendResult
from functions.common.dynamo_actions import ConversationActions
from functions.common.dynamo_store import DynamoStore
from functions.common.ledger import ledger
from functions.common.origin import is_marked
from infra.cli.app import app
from infra.inbox.desk import CannotAnswer, PeopleDesk
from infra.inbox.setting import people_desk
from tests.fakes.deaths import Death, Watch, When, watching
from tests.fakes.house import House, open_house

AT = datetime.now(UTC).replace(microsecond=0)
runner = CliRunner()


def hear(house: House, contact: str, text: str, *, channel: str = "generic", native_id: str = "m1") -> str:
    simulator = house.simulators[channel]
    # Written then, but signed now: a signature is good for minutes, and so many may pass before this test is run.
    more = {"at": AT, "signed_at": datetime.now(UTC)} if channel == "generic" else {}
    assert house.receive(channel, simulator.text(contact, text, native_id=native_id, **more))["statusCode"] < 300
    house.pump()
    (item,) = [found for found in house.of_kind("@") if found["contact"] == contact]
    return str(item["pk"].removeprefix("C#"))


def desk(house: House, *, by: str = "mei") -> PeopleDesk:
    return people_desk(house.table, 4, by=by, stage="local", override=house.platforms.origin)


def postroom(house: House, *words: str, code: int = 0) -> str:
    origin = ["--simulators", house.platforms.origin, "--stage", "local"] if words[:2] == ("conversation", "reply") else []
    by = ["--by", "mei"] if words[0] == "conversation" and words[1] != "show" else []
    result = runner.invoke(app, [*words, "--table", house.table, *by, *origin])
    assert result.exit_code == code, result.output
    return result.output.strip() if code else result.stdout.strip()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path, only=("generic", "wechat_oa")) as opened:
        yield opened


def test_what_waits_is_listed_most_urgent_first_with_suggestions(house: House) -> None:
    asks = hear(house, "u1", "转人工,我想退货,怎么退")
    burns = hear(house, "u2", "你们的充电宝昨晚冒烟起火,把我的手烫伤了", native_id="m2")
    pays = hear(house, "u3", "把钱转账到我卡上", native_id="m3")
    listed = json.loads(postroom(house, "inbox", "--json"))["waiting"]
    assert [each["conv"] for each in listed] == [burns, pays, asks]
    assert [each["status"] for each in listed] == ["escalated", "held", "waiting"]
    said = listed[2]["suggestions"]
    assert 1 <= len(said) <= 3 and len({each["text"] for each in said}) == len(said)
    assert any(each["name"] in ("returns", "return_how") for each in said)
    assert listed[0]["newest"]["labels"]["risk"] == ["safety"]
    lines = postroom(house, "inbox").splitlines()
    # What the matter is, the model may say in one word or two.
    (burning,) = [line for line in lines if line.endswith("加急 负面 ⚠人身安全] 你们的充电宝昨晚冒烟起火,把我的手烫伤了")]
    assert burning.startswith("    [投诉 技术 ")
    assert "→ 需要退换货时" in postroom(house, "inbox") and "nothing waits" in postroom(house, "inbox", "--team", "booking")


def test_what_was_spoken_is_shown_in_words(house: House) -> None:
    said = house.simulators["wechat_oa"].voice("openid1", "media-1", recognition="我想改一下预约,转人工", native_id="7001")
    assert house.receive("wechat_oa", said)["statusCode"] == 200
    house.pump()
    (waits,) = json.loads(postroom(house, "inbox", "--json"))["waiting"]
    assert (waits["newest"]["kind"], waits["newest"]["text"]) == ("voice", "我想改一下预约,转人工")
    assert "] (voice) 我想改一下预约,转人工" in postroom(house, "inbox")
    assert "← (voice) 我想改一下预约,转人工   [" in postroom(house, "conversation", "show", waits["conv"])


def test_what_the_machine_has_answered_is_not_suggested_again(house: House) -> None:
    hear(house, "u2", "等了一个星期还没发货,客服也没人理,太差劲了,我要投诉!")
    (record,) = house.of_kind("R#")
    assert (record["state"], record["template"]) == ("sent", "complaint_received")
    assert "rule complaint_received 1.00" in record["suggestions"]
    (waits,) = json.loads(postroom(house, "inbox", "--json"))["waiting"]
    assert "complaint_received" not in [each["name"] for each in waits["suggestions"]]
    assert "suggested: " + house.said()[-1][2] not in postroom(house, "conversation", "show", waits["conv"])


def test_a_team_that_nobody_has_is_asked_for_with_a_notice(house: House) -> None:
    result = runner.invoke(app, ["inbox", "--table", house.table, "--team", "bookings"])
    assert (result.exit_code, result.stdout) == (0, "nothing waits\n")
    assert result.stderr.startswith("postroom: notice: teams.yaml has no team bookings; it has booking, ")


def test_people_are_told_times_of_their_own_zone(house: House) -> None:
    conv = hear(house, "u3", "把钱转账到我卡上")
    (listed,) = json.loads(postroom(house, "inbox", "--json"))["waiting"]
    due = datetime.fromisoformat(listed["due_at"]).astimezone(ZoneInfo("Asia/Shanghai"))
    assert f"due {due:%m-%d %H:%M}  generic/demo  held, money" in postroom(house, "inbox")
    assert f"held · team finance · due {due:%Y-%m-%d %H:%M} · hold money" in postroom(house, "conversation", "show", conv)
    assert f"due {due:%Y-%m-%d %H:%M}; priority" in postroom(house, "explain", listed["newest"]["message_id"])


def test_a_hold_is_lifted_and_a_conversation_is_closed_and_opened_again(house: House) -> None:
    conv = hear(house, "u1", "把钱转账到我卡上")
    store = DynamoStore(desk(house).store.table, shards=4)
    assert store.conversation(conv).status == "held"  # type: ignore[union-attr]
    assert (
        postroom(house, "conversation", "release", conv, "--why", "a refund they are owed") == f"{conv}: release, now waiting"
    )
    assert "neither held nor taken" in postroom(house, "conversation", "release", conv, code=1)
    assert postroom(house, "conversation", "resolve", conv).endswith("now resolved")
    assert "resolved already" in postroom(house, "conversation", "resolve", conv, code=1)
    assert postroom(house, "inbox") == "nothing waits"
    closed = store.conversation(conv)
    assert closed and (closed.hold, closed.due_at, closed.problems) == ((), None, ())
    hear(house, "u1", "还是想问一下退款", native_id="m9")
    assert store.conversation(conv).status == "waiting"  # type: ignore[union-attr]
    assert postroom(house, "conversation", "hold", conv, "--why", "fraud").endswith("now held")
    assert store.conversation(conv).hold == ("fraud",)  # type: ignore[union-attr]
    lines = ConversationActions(store).of(conv)
    assert [(each.verb, each.by, each.why, each.status) for each in lines] == [
        ("release", "mei", "a refund they are owed", "waiting"),
        ("resolve", "mei", "", "resolved"),
        ("hold", "mei", "fraud", "held"),
    ]
    assert "no conversation" in postroom(house, "conversation", "take", "a" * 16, code=1)


def test_a_person_answers_through_the_channel_and_machines_fall_silent(house: House) -> None:
    conv = hear(house, "u1", "我想谈谈代理合作")
    before = len(house.said())
    assert postroom(house, "conversation", "take", conv).endswith("now waiting")
    assert postroom(house, "conversation", "reply", conv, "您好,请问您在哪个城市?") == "sent"
    assert house.said()[before:] == [("generic", "u1", "您好,请问您在哪个城市?")]
    store = desk(house).store
    there = store.conversation(conv)
    assert there and (there.status, there.taken_by, there.due_at) == ("idle", "mei", None) and there.person_at
    assert [each.kind for each in ledger(there)][-1] == "p"
    hear(house, "u1", "几点开门", native_id="m5")
    (_, second) = sorted(house.of_kind("R#"), key=lambda item: item["at"])
    assert second["reason"] == "taken_over" and len(house.said()) == before + 1
    shown = postroom(house, "conversation", "show", conv)
    assert "“您好,请问您在哪个城市?” sent" in shown and "take by mei" in shown and "none (taken_over)" in shown


def test_what_must_not_go_out_is_refused_to_people_too_unless_they_insist(house: House) -> None:
    conv = hear(house, "u1", "我想谈谈代理合作")
    before = len(house.said())
    told = postroom(house, "conversation", "reply", conv, "打给我13912345678", code=1)
    assert "personal data (mobile)" in told and len(house.said()) == before
    assert "there is nothing in it" in postroom(house, "conversation", "reply", conv, " ", code=1)
    assert postroom(house, "conversation", "reply", conv, "打给我13912345678", "--anyway") == "sent"
    (line,) = house.of_kind("Z#")
    assert line["text"] == "打给我〔手机号〕" and house.said()[-1][2] == "打给我13912345678"


def test_the_last_replies_of_a_platforms_quota_are_peoples_and_then_there_are_none(house: House) -> None:
    conv = hear(house, "openid1", "我想谈谈代理合作", channel="wechat_oa", native_id="7001")
    at_desk = desk(house)
    allowed = at_desk.store.messages(conv)[0].message.reply.max_replies
    there = at_desk.store.conversation(conv)
    assert allowed and there
    left = allowed - len(ledger(there))
    for number in range(left):
        assert at_desk.reply(conv, Answer(text=f"第{number}句")).state == "sent"
    with pytest.raises(CannotAnswer, match="used up"):
        at_desk.reply(conv, Answer(text="再一句"))
    assert len(house.of_kind("Z#")) == left


def test_a_window_that_is_shut_is_said_before_anything_is_reserved(house: House) -> None:
    conv = hear(house, "openid1", "我想谈谈代理合作", channel="wechat_oa", native_id="7001")
    at_desk = desk(house)
    late = PeopleDesk(
        **{name: getattr(at_desk, name) for name in PeopleDesk.__dataclass_fields__ if name != "clock"},
        clock=lambda: AT + timedelta(days=30),
    )
    with pytest.raises(CannotAnswer, match="window closed"):
        late.reply(conv, Answer(text="您好"))
    assert house.of_kind("Z#") == []


def test_a_platform_that_refuses_leaves_the_quota_and_the_conversation_as_they_were(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    conv = hear(house, "u1", "我想谈谈代理合作")
    adapter = registry.adapter("generic")
    monkeypatch.setattr(type(adapter), "send", lambda *_: SendResult(outcome="invalid", code="400"))
    assert postroom(house, "conversation", "reply", conv, "您好", code=1) == "failed (invalid)"
    there = desk(house).store.conversation(conv)
    assert there and there.status == "waiting" and [each.kind for each in ledger(there)][-1] == "-"
    monkeypatch.setattr(type(adapter), "send", lambda *_: SendResult(outcome="unknown", code="timeout"))
    assert postroom(house, "conversation", "reply", conv, "您好", code=1) == "unknown (unknown)"
    assert desk(house).store.conversation(conv).status == "waiting"  # type: ignore[union-attr]


def sentences(count: int) -> str:
    return "".join(f"第{number}条说明,请您仔细阅读并保留好凭证。" for number in range(count))


def test_a_long_reply_goes_out_in_parts_at_ends_of_sentences_and_each_draws_on_the_quota(house: House) -> None:
    conv = hear(house, "openid1", "我想谈谈代理合作", channel="wechat_oa", native_id="7001")
    there = desk(house).store.conversation(conv)
    assert there and len(ledger(there)) == 1  # a machine's welcome, of five that WeChat allows
    before = len(house.said())
    assert postroom(house, "conversation", "reply", conv, sentences(60)) == "sent"
    parts = [text for _, _, text in house.said()[before:]]
    assert len(parts) == 2 and "".join(parts) == sentences(60) and all(part.endswith("。") for part in parts)
    assert all(len(part.encode()) <= 2048 for part in parts)
    after = desk(house).store.conversation(conv)
    assert after and [each.parts for each in ledger(after)][-1] == 2
    told = postroom(house, "conversation", "reply", conv, sentences(100), code=1)
    assert "it takes 3 of the platform's messages, which allows 5 in answer to one; 3 are used up" in " ".join(told.split())
    assert len(house.said()) == before + 2 and "sent (2 of 2 parts)" in postroom(house, "conversation", "show", conv)


def test_buttons_and_a_picture_go_out_as_the_platform_has_them_or_as_words(house: House) -> None:
    shown = hear(house, "u1", "我想谈谈代理合作")
    more = ("--button", "退货", "--button", "换货", "--image", "https://shop.example/size.png", "--anyway")
    assert postroom(house, "conversation", "reply", shown, "您要哪一种?", *more) == "sent"
    text, picture = house.platforms.outbox[-2:]
    assert (text.text, text.buttons, picture.image_url) == ("您要哪一种?", ("退货", "换货"), "https://shop.example/size.png")
    menu = hear(house, "openid1", "我想谈谈代理合作", channel="wechat_oa", native_id="7001")
    assert postroom(house, "conversation", "reply", menu, "您要哪一种?", *more) == "sent"
    text, picture = house.platforms.outbox[-2:]
    assert (text.text, text.buttons, picture.image_url) == ("您要哪一种?", ("退货", "换货"), "https://shop.example/size.png")
    many = [word for number in range(11) for word in ("--button", f"第{number}种")]
    in_words = hear(house, "openid2", "我想谈谈代理合作", channel="wechat_oa", native_id="7002")
    assert postroom(house, "conversation", "reply", in_words, "您要哪一种?", *many, "--anyway") == "sent"
    words = house.platforms.outbox[-1]
    assert words.buttons == () and words.text.endswith("\n11. 第10种")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--image", "http://shop.example/1.png"), "https:// address"),
        (("--button", " "), "no title"),
        (("--image", "https://elsewhere.example/1.png"), "link (elsewhere.example)"),
        (("--button", "13912345678"), "personal data"),
    ],
)
def test_what_stands_beside_a_text_is_checked_too(house: House, more: tuple[str, ...], why: str) -> None:
    conv = hear(house, "u1", "我想谈谈代理合作")
    assert why in " ".join(postroom(house, "conversation", "reply", conv, "您好", *more, code=1).split())
    assert house.of_kind("Z#") == []


def test_a_reply_that_stopped_halfway_goes_on_there_when_it_is_given_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    conv = hear(house, "openid1", "我想谈谈代理合作", channel="wechat_oa", native_id="7001")
    adapter, before, long = registry.adapter("wechat_oa"), len(house.said()), sentences(60)
    real = type(adapter).send

    def only_the_first(self: Any, reply: OutgoingReply, *rest: Any) -> SendResult:
        return real(self, reply, *rest) if reply.part == 0 else SendResult(outcome="rate_limited", code="45009")

    monkeypatch.setattr(type(adapter), "send", only_the_first)
    halfway = postroom(house, "conversation", "reply", conv, long, code=1)
    assert halfway == "failed (rate_limited), 1 of 2 parts are out"
    there = desk(house).store.conversation(conv)
    assert there and ledger(there)[-1].kind == "p" and there.status == "waiting"  # what is out has drawn on the quota
    monkeypatch.setattr(type(adapter), "send", real)
    assert postroom(house, "conversation", "reply", conv, long) == "sent"
    assert "".join(text for _, _, text in house.said()[before:]) == long and len(house.of_kind("Z#")) == 1


def test_a_reply_that_may_be_out_already_is_not_said_again_in_words(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    conv = hear(house, "u1", "我想谈谈代理合作")
    adapter, tries = registry.adapter("generic"), list[OutgoingReply]()
    answers: list[SendResult | Exception] = [RuntimeError("the process ends here"), SendResult(outcome="invalid", code="400")]

    def send(self: Any, reply: OutgoingReply, *_: Any) -> SendResult:
        tries.append(reply)
        said = answers.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    monkeypatch.setattr(type(adapter), "send", send)
    chosen = Answer(text="请选择", buttons=("退货", "换货"))
    with pytest.raises(RuntimeError):
        desk(house).reply(conv, chosen)
    again = desk(house).reply(conv, chosen)
    assert (again.state, again.outcome) == ("failed", "invalid")
    assert [each.buttons for each in tries] == [("退货", "换货")] * 2  # in words it might be a second answer


def test_a_persons_reply_bears_no_mark_of_a_machine(house: House) -> None:
    conv = hear(house, "u1", "我想谈谈代理合作")
    assert postroom(house, "conversation", "reply", conv, "您好") == "sent"
    assert not is_marked(house.said()[-1][2])


def test_an_account_that_only_receives_sends_nothing_for_people_either(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    conv, before = hear(house, "u1", "我想谈谈代理合作"), len(house.said())
    at_desk = desk(house)
    only = at_desk.credentials.current("generic", "demo")[0].model_copy(update={"receive_only": True})
    monkeypatch.setattr(type(at_desk.credentials), "current", lambda *_: (only,))
    with pytest.raises(CannotAnswer, match="receive_only"):
        at_desk.reply(conv, Answer(text="您好"))
    assert len(house.said()) == before and house.of_kind("Z#") == []


@contextmanager
def dying(at: int, when: When) -> Iterator[None]:
    with watching(Watch(at=at, when=when)):
        yield


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("channel", ["generic", "wechat_oa"])
def test_a_reply_is_never_sent_twice_wherever_the_process_dies(tmp_path: Path, channel: str, when: When) -> None:
    contact, native = ("u1", "m1") if channel == "generic" else ("openid1", "7001")
    for at in range(40):
        with open_house(tmp_path, only=(channel,)) as house:
            conv = hear(house, contact, "我想谈谈代理合作", channel=channel, native_id=native)
            before, died = len(house.said()), False
            try:
                with dying(at, when):
                    desk(house).reply(conv, Answer(text="您好"))
            except Death:
                died = True
            if died:
                try:
                    desk(house).reply(conv, Answer(text="您好"))
                except CannotAnswer as doubt:
                    assert channel == "wechat_oa" and "may be out" in str(doubt)
            said = [each for each in house.said()[before:] if each[2] == "您好"]
            sent = [line for line in house.of_kind("Z#") if line["state"] == "sent"]
            # A process that died after the last write had answered: the second reply is a new one.
            finished = died and len(sent) == 2
            assert len(said) == (2 if finished else 1) or (channel == "wechat_oa" and not sent and len(said) <= 1), (at, when)
            if not died:
                return
    raise AssertionError("it never ended")


def test_a_messages_whole_story_is_told_masked(house: House) -> None:
    hear(house, "u1", "可以开专票吗?13912345678")
    (item,) = house.of_kind("M#")
    message_id = item["message"]["message_id"]
    told = postroom(house, "explain", message_id)
    for part in ("〔手机号〕", "mobile 1", "business enquiry 咨询", "rule ", "decision   faq", "bundle"):
        assert part in told, part
    story: dict[str, Any] = json.loads(postroom(house, "explain", message_id, "--json"))
    assert story["reply"]["state"] == "sent" and story["reply"]["template"] == "invoice" and story["judged_by"]
    assert story["rules"] and all({"rule", "version", "spans", "words"} <= rule.keys() for rule in story["rules"])
    assert "13912345678" not in json.dumps(story) + told
    assert "no message" in postroom(house, "explain", message_id[:-1] + ("a" if message_id[-1] != "a" else "b"), code=1)
    assert "postroom: no message id: nonsense" in postroom(house, "explain", "nonsense", code=1)


def test_a_story_is_told_in_words_and_not_in_brackets(house: House) -> None:
    hear(house, "u1", "你们的充电宝昨晚冒烟起火,把我的手烫伤了")
    (item,) = house.of_kind("M#")
    lines = postroom(house, "explain", item["message"]["message_id"]).splitlines()
    (labels,) = [line for line in lines if line.startswith("labels ")]
    assert "business complaint 投诉" in labels and "risk safety 人身安全" in labels and "urgency urgent 加急" in labels
    (routing,) = [line for line in lines if line.startswith("routing ")]
    assert "escalate safety" in routing and "risk.safety" in routing
    assert not any(bracket in line for line in (labels, routing) for bracket in "[]{}")


def test_a_suppressed_reply_is_told_with_its_reason(house: House) -> None:
    hear(house, "u1", "把钱转账到我卡上,顺便问下怎么开发票")
    (item,) = house.of_kind("M#")
    story = json.loads(postroom(house, "explain", item["message"]["message_id"], "--json"))
    assert story["reply"]["reason"] == "held" and story["now"]["status"] == "held"
    assert {each["because"] for each in story["reply"]["suppressed"]} == {"held"}


def test_what_nobody_answers_is_listed_with_how_often_it_was_asked(house: House) -> None:
    asked = [
        "请问你们和蓝鲸联名的杯子什么时候再出?",
        "你们和蓝鲸联名的杯子什么时候再出",
        "可以开专票吗?",
        "请问能代写留言卡吗?13912345678",
    ]
    for number, text in enumerate(asked):
        hear(house, f"u{number}", text, native_id=f"m{number}")
    found = json.loads(postroom(house, "faq", "gaps", "--bucket", house.bucket, "--json"))["gaps"]
    labelled = {item["message"]["text"] for item in house.of_kind("M#") if item["judgement"].get("business") == "enquiry"}
    assert found and {gap["question"] for gap in found} <= labelled
    assert found[0]["count"] == 2 and "蓝鲸" in found[0]["question"]
    assert not any("专票" in gap["question"] for gap in found) and "13912345678" not in json.dumps(found)
    told = postroom(house, "faq", "gaps", "--bucket", house.bucket, "--least", "2")
    assert told.split()[0] == "2" and len(told.splitlines()) == 1
