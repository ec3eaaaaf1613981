"""Fields out of a platform's JSON, times within reason, sends under a lease: what several channels stand on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.channels.codecs import json_fields, leased_send
from functions.channels.codecs.json_fields import FieldUnreadable
from functions.channels.codecs.platform_time import believable
from functions.channels.contract import AccessToken, HttpResult, NoAnswer, Outcome, SendResult, Unreachable
from functions.common.errors import Unavailable
from tests.fakes.simulated_platform import NOW

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
ANYTHING = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))


@given(ANYTHING)
def test_every_reader_takes_anything(value: Any) -> None:
    fields = {"f": value}
    for found in (json_fields.optional_id(fields, "f"), json_fields.text(fields, "f"), json_fields.url(fields, "f")):
        assert found is None or (isinstance(found, str) and found)
    assert isinstance(json_fields.table(fields, "f"), dict)
    assert all(isinstance(row, dict) for row in json_fields.rows(fields, "f"))
    number = json_fields.count(fields, "f")
    assert number is None or 0 <= number < 10**15
    assert json_fields.loggable(value).isascii()
    try:
        assert json_fields.required_id(fields, "f") == json_fields.optional_id(fields, "f")
    except FieldUnreadable as unreadable:
        assert (unreadable.where, json_fields.optional_id(fields, "f")) == ("f", None)
    try:
        assert abs(json_fields.degrees(fields, "f", 90)) <= 90
    except FieldUnreadable as unreadable:
        assert unreadable.reason == "not degrees"


def test_an_id_is_text_whether_it_came_as_a_number_or_not() -> None:
    assert json_fields.required_id({"id": 2**63 + 1}, "id") == json_fields.required_id({"id": str(2**63 + 1)}, "id")
    assert json_fields.optional_id({"id": True}, "id") is None
    assert json_fields.optional_id({"id": 1.0}, "id") is None


@pytest.mark.parametrize(("value", "reason"), [(None, "missing"), ("", "missing"), ({}, "missing"), ("x" * 257, "too long")])
def test_a_missing_id_says_why(value: Any, reason: str) -> None:
    with pytest.raises(FieldUnreadable) as fault:
        json_fields.required_id({"id": value}, "id")
    assert (fault.value.reason, fault.value.where) == (reason, "id")


def test_texts_and_lists_are_cut_and_links_are_not() -> None:
    assert json_fields.text({"t": "字" * 30_000}, "t") == "字" * json_fields.MAX_TEXT
    assert json_fields.url({"u": "h" * (json_fields.MAX_URL + 1)}, "u") is None
    assert len(json_fields.rows({"r": [{}] * 100}, "r")) == json_fields.MAX_ROWS


@pytest.mark.parametrize(
    ("value", "expected"), [("7200", 7200), (7200, 7200), ("٣", None), ("1e3", None), (True, None), (-1, None)]
)
def test_a_count_is_digits_or_a_number(value: Any, expected: int | None) -> None:
    assert json_fields.count({"n": value}, "n") == expected


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))
def test_a_time_is_believed_within_a_month_before_and_a_day_after(at: datetime) -> None:
    moment = at.replace(tzinfo=NOW.tzinfo)
    believed = NOW - timedelta(days=30) <= moment <= NOW + timedelta(days=1)
    assert believable(moment, NOW) == (moment if believed else None)
    assert believable(None, NOW) is None


class Lease:
    """The lease's side of an `Outbound`."""

    def __init__(self, fault: Exception | None = None, *, stuck: bool = False) -> None:
        self.fault, self.stuck, self.forgotten = fault, stuck, list[str]()

    def access_token(self, app: str, fetch: Callable[[], AccessToken]) -> str:
        if self.fault:
            raise self.fault
        return fetch().value

    def forget_token(self, app: str, token: str) -> None:
        self.forgotten.append(token)
        if self.stuck:
            raise Unavailable("the lease")

    def request(self, *_: Any, **__: Any) -> HttpResult:
        assert self.fault
        raise self.fault


def sent(outcome: Outcome, lease: Lease) -> SendResult:
    return leased_send.send(lease, "qq#1", lambda: AccessToken("T", 60), lambda _: SendResult(outcome=outcome))  # type: ignore[arg-type]


@pytest.mark.parametrize("stuck", [False, True])
def test_only_a_refused_token_is_forgotten(stuck: bool) -> None:
    lease = Lease(stuck=stuck)
    assert [sent(outcome, lease).outcome for outcome in ("sent", "invalid", "unknown")] == ["sent", "invalid", "unknown"]
    assert lease.forgotten == []
    assert sent("auth_expired", lease).outcome == "auth_expired"
    assert lease.forgotten == ["T"]


@pytest.mark.parametrize("fault", [Unreachable(), NoAnswer(), Unavailable("the lease")])
def test_without_a_token_nothing_was_sent(fault: Exception) -> None:
    assert sent("sent", Lease(fault)) == SendResult(outcome="transient", code="no_token")


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        ("rate_limited", "rate_limited"),
        ("auth_expired", "invalid"),
        ("invalid", "invalid"),
        ("unknown", "transient"),
        ("sent", "transient"),
    ],
)
def test_a_refused_token_request_never_counts_as_a_send(refused: Outcome, expected: Outcome) -> None:
    fault = leased_send.TokenRefused(SendResult(outcome=refused, code="7", retry_after=3.0, provider_id="x"))
    result = sent("sent", Lease(fault))
    assert result == SendResult(outcome=expected, code="token_7", retry_after=3.0)


@pytest.mark.parametrize(("fault", "outcome"), [(Unreachable(), "transient"), (NoAnswer(), "unknown")])
def test_whether_a_request_left_decides(fault: Exception, outcome: Outcome) -> None:
    result = leased_send.post(Lease(fault), "https://x", {}, b"", lambda _: SendResult(outcome="sent"))  # type: ignore[arg-type]
    assert result.outcome == outcome


def test_importing_the_channels_loads_no_cryptography() -> None:
    names = ("weibo", "douyin", "qq", "feishu")
    code = "import sys\n" + "\n".join(f"import functions.channels.{name}" for name in names)
    code += "\nprint([m for m in ('cryptography', 'urllib3', 'botocore', 'boto3') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == "[]"
