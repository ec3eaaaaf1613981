"""Whatever a platform's send API answers, the outcome is right, nothing is sent twice, and what nobody can say goes to a person."""

from __future__ import annotations

from pathlib import Path

import pytest

from functions.common import outbound
from infra.simulators.contract import ApiAnswer
from tests.fakes.house import House, open_house

GARBAGE = (b"", b"<html>busy</html>", b"{", b"[]", b"null", b'{"errcode":"x"}', b"\xff\xfe")
ASKED = {
    "generic": lambda s: s.text("u1", "请问怎么退货?", native_id="m1"),
    "twilio": lambda s: s.text("+14155550100", "How do I return this?", native_id="SM" + "1" * 32),
    "wechat_oa": lambda s: s.text("openid1", "请问怎么退货?", native_id="7001"),
}
IDEMPOTENT = {"generic"}
every_channel = pytest.mark.parametrize("channel", ASKED)


def lived(tmp_path: Path, channel: str, *failures: object) -> House:
    """One question to a platform whose next answers are these; the house is closed, and its words are in the table."""
    with open_house(tmp_path, only=(channel,)) as house:
        simulator = house.simulators[channel]
        if channel == "wechat_oa":
            # Not the token's call, which comes first, but the send's own.
            house.receive(channel, simulator.text("openid0", "你好", native_id="7000"))
            house.pump()
        simulator.failures.extend(failures)
        house.receive(channel, ASKED[channel](simulator))
        house.pump()
        house.final = (house.of_kind("R#")[-1], house.of_kind("@"), [each for each in house.said() if each[1] != "openid0"])
        assert not any(house.depths().values())
    return house


def outcome(house: House) -> tuple[str, int, set[str]]:
    reply, conversations, said = house.final
    return reply["state"], len(said), {problem for each in conversations for problem in each.get("problems", ())}


@every_channel
@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_a_refusal_is_not_tried_again(tmp_path, channel, status):
    state, said, problems = outcome(lived(tmp_path, channel, *[ApiAnswer(status=status)] * 9))
    assert said == 0
    assert (state, problems) in (("failed", set()), ("failed", {"reply_failed"}), ("unknown", {"reply_unknown"}))


@every_channel
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_platform_in_trouble_is_asked_again_only_where_nothing_can_come_twice(tmp_path, channel, status):
    state, said, problems = outcome(lived(tmp_path, channel, ApiAnswer(status=status)))
    if channel in IDEMPOTENT:
        assert (state, said, problems) == ("sent", 1, set())
    else:
        assert said <= 1 and (state, problems) in (("sent", set()), ("unknown", {"reply_unknown"}))
        assert (state == "sent") == (said == 1)


@every_channel
@pytest.mark.parametrize("body", GARBAGE)
def test_garbage_is_no_answer_of_which_anything_can_be_said(tmp_path, channel, body):
    state, said, problems = outcome(lived(tmp_path, channel, ApiAnswer(status=200, body=body)))
    if channel in IDEMPOTENT:  # 2xx is all that Standard Webhooks asks for
        assert state == "sent"
    else:
        assert said == 0 and (state, problems) in (("unknown", {"reply_unknown"}), ("sent", set()))


@every_channel
@pytest.mark.parametrize("failure", ["close", "lose", "hang"])
def test_an_answer_that_never_comes_leaves_one_reply_at_most(tmp_path, channel, failure, monkeypatch):
    monkeypatch.setattr(outbound, "READ_SECONDS", 0.3)
    outbound.pools.cache_clear()
    try:
        state, said, problems = outcome(lived(tmp_path, channel, failure))
    finally:
        outbound.pools.cache_clear()
    if channel in IDEMPOTENT:
        assert (state, said, problems) == ("sent", 1, set())
    else:
        assert (state, said, problems) == ("unknown", int(failure == "lose"), {"reply_unknown"})


@every_channel
@pytest.mark.parametrize(
    "asked_for", ["1", "0", "-1", "NaN", "1e400", "soon", "99999999999", "Wed, 21 Oct 2099 07:28:00 GMT", "9" * 400]
)
def test_a_busy_platform_is_tried_again_or_given_up_whatever_it_asks_for(tmp_path, channel, asked_for):
    busy = ApiAnswer(status=429, headers={"content-type": "application/json", "retry-after": asked_for})
    state, said, problems = outcome(lived(tmp_path, channel, busy))
    assert (state, said, problems) in (("sent", 1, set()), ("failed", 0, {"reply_failed"}), ("unknown", 0, {"reply_unknown"}))
