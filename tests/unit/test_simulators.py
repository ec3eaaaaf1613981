"""The simulators' common ground: found by name, one server for all, failures on demand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from urllib3 import PoolManager, Timeout
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from functions.channels import registry as channels
from functions.channels.contract import OutgoingReply
from functions.channels.registry import ChannelUnknown
from functions.channels.twilio import ADAPTER as TWILIO
from functions.channels.twilio import TwilioCredentials
from infra.conformance.durations import spoken
from infra.simulators import registry
from infra.simulators.contract import ApiAnswer, ApiRequest, Patience
from infra.simulators.delivery import Attempt
from infra.simulators.generic import GenericSimulator
from infra.simulators.server import PlatformServer
from infra.simulators.twilio import TwilioSimulator
from tests.fakes.house import ACCOUNTS
from tests.fakes.simulated_platform import NOW, SimulatedPlatform
from tests.fakes.twilio_account import SETTINGS, SMS

SECRET = "whsec_" + "A" * 32
OTHER = SETTINGS | {"account_sid": "AC" + "1" * 32, "from": "+15005550007"}
REPLY = OutgoingReply(message_id="m", native_id="SM1", contact=SMS, text="您好")


def port_of(server: PlatformServer) -> int:
    return int(server.origin.rpartition(":")[2])


@pytest.fixture
def twilio() -> TwilioSimulator:
    return TwilioSimulator("demo", SETTINGS, now=lambda: NOW)


@pytest.fixture
def generic() -> GenericSimulator:
    return GenericSimulator("demo", {"secret": SECRET}, now=lambda: NOW)


@pytest.fixture
def server(twilio: TwilioSimulator, generic: GenericSimulator) -> Iterator[PlatformServer]:
    platforms = PlatformServer([twilio, generic, TwilioSimulator("second", OTHER, now=lambda: NOW)])
    platforms.start()
    yield platforms
    platforms.stop()


def reply_call(settings=SETTINGS, text: str = "您好") -> ApiRequest:
    """The request that the channel makes for a reply."""
    wire = SimulatedPlatform(TwilioSimulator("demo", settings))
    TWILIO.send(
        OutgoingReply(message_id="m", native_id=None, contact=SMS, text=text), TwilioCredentials.model_validate(settings), wire
    )
    return wire.asked[0]


def post(server: PlatformServer, call: ApiRequest, channel: str = "twilio", timeout: float = 5.0):
    with PoolManager() as http:
        url, headers = f"{server.origin}/{channel}{call.path}", dict(call.headers)
        return http.request("POST", url, body=call.body, headers=headers, retries=False, timeout=Timeout(timeout))


def test_every_channel_has_a_simulator_of_its_name():
    assert registry.names() == channels.names()
    for name in registry.names():
        assert registry.simulator_class(name).channel == name


@pytest.mark.parametrize("name", ["delivery", "server", "contract", "registry", "nobody", "../twilio", "twilio.x", ""])
def test_what_is_no_channel_has_no_simulator(name):
    with pytest.raises(ChannelUnknown):
        registry.simulator_class(name)


def test_a_call_reaches_the_simulator_of_its_channel(server, twilio):
    answer = post(server, reply_call())
    assert (answer.status, json.loads(answer.data)["status"]) == (201, "queued")
    assert [(d.account, d.contact, d.text) for d in twilio.outbox] == [("demo", SMS, "您好")]
    assert server.outbox == tuple(twilio.outbox)


def test_the_second_account_of_a_channel_gets_its_own_calls(server, twilio):
    assert post(server, reply_call(OTHER)).status == 201
    assert [d.account for d in server.outbox] == ["second"]
    assert twilio.outbox == []


def test_a_stranger_is_answered_as_the_vendor_answers_strangers(server):
    answer = post(server, reply_call(SETTINGS | {"account_sid": "AC" + "9" * 32}))
    assert (answer.status, json.loads(answer.data)["code"]) == (401, 20003)


def test_an_unknown_platform_is_not_found(server):
    assert post(server, reply_call(), channel="nobody").status == 404
    assert server.outbox == ()


def test_the_outbox_has_all_platforms_in_order_of_arrival(server, generic):
    reply = generic.webhook({"contact": {"id": "u-1"}, "text": "two"}, "reply_m-2", NOW)
    post(server, reply_call(text="one"))
    post(server, ApiRequest("POST", "/replies/demo", {}, reply.headers, reply.body), channel="generic")
    post(server, reply_call(OTHER, text="three"))
    assert [(d.channel, d.text) for d in server.outbox] == [("twilio", "one"), ("generic", "two"), ("twilio", "three")]


def test_concurrent_calls_all_arrive(server):
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda n: post(server, reply_call(text=f"no. {n}")).status, range(24)))
    assert statuses == [201] * 24
    assert {d.text for d in server.outbox} == {f"no. {n}" for n in range(24)}


def test_an_answer_can_be_put_before_the_simulators_own(server, twilio):
    twilio.failures.append(ApiAnswer(503, b"down", {"retry-after": "3"}))
    first, second = post(server, reply_call()), post(server, reply_call())
    assert (first.status, first.data, first.headers["retry-after"]) == (503, b"down", "3")
    assert (second.status, len(twilio.outbox)) == (201, 1)


def test_a_dropped_connection_carries_nothing_out(server, twilio):
    twilio.failures.append("close")
    with pytest.raises(ProtocolError):
        post(server, reply_call())
    assert twilio.outbox == []


def test_a_lost_answer_was_carried_out(server, twilio):
    twilio.failures.append("lose")
    with pytest.raises(ProtocolError):
        post(server, reply_call())
    assert len(server.outbox) == 1


def test_a_hanging_platform_lets_others_through_and_ends_with_the_server(server, twilio):
    twilio.failures.append("hang")
    with pytest.raises(ReadTimeoutError):
        post(server, reply_call(), timeout=0.1)
    assert post(server, reply_call()).status == 201


def test_a_body_beyond_reason_is_refused(server):
    huge = ApiRequest("POST", "/x", {}, {"content-length": str(10**9)}, b"")
    assert post(server, huge).status == 413


def test_a_server_that_never_started_can_be_stopped_and_gives_its_port_back(twilio):
    idle = PlatformServer([twilio])
    idle.stop()
    other = PlatformServer([twilio], port_of(idle))
    assert port_of(other) == port_of(idle)
    other.stop()


def test_a_stopped_server_gives_its_port_back(twilio):
    first = PlatformServer([twilio])
    first.start()
    first.stop()
    second = PlatformServer([twilio], port_of(first))
    second.start()
    assert post(second, reply_call()).status == 201
    second.stop()


def test_the_twilio_api_is_found_only_where_twilio_has_it(server, twilio):
    call = reply_call()
    elsewhere = ApiRequest("POST", "/2010-04-01/Accounts/other/Messages.json", {}, call.headers, call.body)
    assert json.loads(post(server, elsewhere).data)["code"] == 20404
    mixed = urlencode({"To": "whatsapp:+8613800138000", "From": SETTINGS["from"], "Body": "hi"}).encode()
    assert json.loads(post(server, ApiRequest("POST", call.path, {}, call.headers, mixed)).data)["code"] == 21910


def test_a_stale_generic_webhook_is_an_hour_old(generic):
    stamp = int(generic.stale("u-1", "hi").headers["webhook-timestamp"])
    assert stamp == int((NOW - timedelta(hours=1)).timestamp())


def test_the_specifications_ladder_ends_after_three_days_or_when_the_receiver_is_gone(generic):
    assert len(generic.patience.waits) == 9
    assert sum(generic.patience.waits) == timedelta(hours=75, minutes=35, seconds=5).total_seconds()
    tried = [generic.tried_again(Attempt(at=NOW, status=status)) for status in (200, 404, 410, 503)]
    assert tried == [False, True, False, True]


MINUTE, HOUR = 60, 3600


@pytest.mark.parametrize(
    ("channel", "timeout", "waits", "signing"),
    [
        # Five seconds for an answer, three tries, one at once after the other.
        ("wechat_oa", 5, (0, 0), "the same bytes"),
        ("wecom", 5, (0, 0), "the same bytes"),
        ("wecom_kf", 5, (0, 0), "the same bytes"),
        ("weibo", 5, (0, 0), "the same bytes"),
        ("douyin", 5, (0, 0), "the same bytes"),
        ("feishu", 3, (15, 5 * MINUTE, HOUR, 6 * HOUR), "presumably signed anew"),
        ("slack", 3, (0, MINUTE, 5 * MINUTE), "signed anew"),
        ("aliyun_sms", 5, (MINUTE, 5 * MINUTE, 10 * MINUTE), "the same bytes"),
        ("email", 15, (20, 20, 20), "the same bytes"),
        (
            "generic", 20, (5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR),
            "signed anew",
        ),
    ],
)  # fmt: skip
def test_the_ladders_are_those_of_the_vendors_pages(channel, timeout, waits, signing):
    patience = registry.simulator_class(channel)("demo", ACCOUNTS[channel]["demo"]).patience
    assert (patience.timeout, patience.waits, patience.signing) == (timeout, waits, signing)


@pytest.mark.parametrize("channel", registry.names())
def test_a_later_try_is_signed_anew_where_the_ladder_says_so(channel):
    simulator = registry.simulator_class(channel)("demo", ACCOUNTS[channel]["demo"])
    assert hasattr(simulator, "signed_anew") == (simulator.patience.signing != "the same bytes")


def test_how_old_a_webhook_is_at_each_try_counts_the_time_outs():
    ages = Patience(timeout=5.0, waits=(0.0, 60.0)).ages
    assert [spoken(age) for age in ages] == ["0 s", "5 s", "1 min 10 s"]
    assert [spoken(timedelta(seconds=each)) for each in (0.4, 3600, 90_061, 6 * 86_400)] == ["0 s", "1 h", "1 d 1 h", "6 d"]


def test_a_signed_reply_without_a_contact_is_refused(generic):
    webhook = generic.webhook({"text": "hi"}, "reply_1", NOW)
    assert generic.api(ApiRequest("POST", "/replies/demo", {}, webhook.headers, webhook.body)).status == 400


def test_a_reply_without_our_request_id_is_known_by_its_webhook_id(generic):
    webhook = generic.webhook({"contact": {"id": "u-1"}, "text": "hi"}, "reply_m-1", NOW)
    assert generic.api(ApiRequest("POST", "/replies/demo", {}, webhook.headers, webhook.body)).status == 202
    assert generic.outbox[0].in_reply_to == "m-1"
