"""What services, buckets and clocks do to the archive, and what is left of it afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.response import StreamingBody

from functions.archive.bucket import ArchiveBucket
from functions.archive.retention import read_retention
from functions.common.errors import Unavailable
from tests.unit.test_archive_copies import PLENTY, drill, watch
from tests.unit.test_archive_service import NOW, POLICY, SETTLED, Calls, Cloud, World, cloud, small_world, world
from tests.unit.test_backup import Exports, backup

__all__ = ["cloud", "world"]


def throttled() -> None:
    raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "Anything")


def unanswered() -> None:
    raise ReadTimeoutError(endpoint_url="http://127.0.0.1")


@pytest.mark.parametrize("refusal", [throttled, unanswered])
def test_a_service_that_refuses_any_call_stops_the_run_and_the_next_one_finishes(cloud: Cloud, refusal: Any) -> None:
    world, settled = small_world(cloud)
    calls = Calls()
    world.run(world.process(calls))
    for n in range(1, calls.seen + 1, 2):
        world, settled = small_world(cloud)
        with pytest.raises(Unavailable):
            world.run(world.process(Calls(at=n, act=refusal)))
            raise Unavailable  # it had nothing left to ask
        assert set(world.marked()) <= set(world.filed()), n
        world.run(now=NOW + timedelta(hours=1))
        world.assert_archived(*settled)


@pytest.mark.parametrize("name", ["nobodys-bucket"])
def test_a_bucket_that_refuses_lets_nothing_expire(world: World, name: str) -> None:
    message_id = world.receive("anna", SETTLED)

    class Refused(ArchiveBucket):
        def __init__(self, client: Any, _: str) -> None:
            super().__init__(client, name)

    with pytest.raises(Unavailable, match="NoSuchBucket"):
        world.run(world.process(bucket=Refused))
    assert world.marked() == {} and world.manifests() == []
    world.run()
    world.assert_archived(message_id)


def test_a_clock_that_was_set_back_files_nothing_twice(world: World) -> None:
    message_id = world.receive("anna", SETTLED)
    world.run()
    assert world.run(now=NOW - timedelta(days=3))["messages"] == 0
    assert world.run(now=NOW + timedelta(days=400))["messages"] == 0
    world.assert_archived(message_id)


def test_a_clock_that_runs_ahead_keeps_the_day_of_receipt(world: World) -> None:
    message_id = world.receive("anna", SETTLED)
    world.run(now=NOW + timedelta(days=365))
    assert [manifest["day"] for manifest in world.manifests()] == ["2026-11-21"]
    assert world.marked()[message_id]["exp"] == int((NOW + timedelta(days=366)).timestamp())


@pytest.mark.parametrize(
    ("zone", "received", "day"),
    [
        ("America/New_York", datetime(2026, 11, 1, 5, 30, tzinfo=UTC), "2026-11-01"),  # 01:30, for the first time
        ("America/New_York", datetime(2026, 11, 1, 6, 30, tzinfo=UTC), "2026-11-01"),  # 01:30, for the second
        ("America/New_York", datetime(2026, 3, 8, 4, 59, tzinfo=UTC), "2026-03-07"),
        ("Europe/Berlin", datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "2026-03-29"),
        ("Asia/Shanghai", datetime(2028, 2, 29, 15, 59, tzinfo=UTC), "2028-02-29"),
        ("Asia/Shanghai", datetime(2028, 2, 29, 16, 0, tzinfo=UTC), "2028-03-01"),
        ("Pacific/Kiritimati", datetime(2026, 12, 31, 10, 0, tzinfo=UTC), "2027-01-01"),
    ],
)
def test_a_message_belongs_to_the_day_of_the_wall_clock(zone: str, received: datetime, day: str) -> None:
    assert read_retention({"archive": POLICY["archive"] | {"zone": zone}}).day(received) == day


def test_days_of_outage_are_caught_up_in_one_night(world: World) -> None:
    ids = [world.receive(f"contact{day % 3}", NOW - timedelta(days=day, hours=1), replied=True) for day in range(2, 14)]
    summary = world.run()
    assert world.filed() == Counter(ids)
    assert (summary["items_read"] + summary["entries_read"]) / summary["items_filed"] <= 1.2
    assert len({manifest["day"] for manifest in world.manifests()}) == 12


def test_a_download_that_breaks_off_is_no_loss(world: World) -> None:
    """A part is taken for lost only if it was read to its end and is not what was written, or is not there."""
    message_id = world.receive("anna", SETTLED)
    cabinet = world.process()
    cabinet.ledger.done = lambda _: throttled()  # type: ignore[method-assign]
    with pytest.raises(ClientError):
        world.run(cabinet)

    class BrokenOff(ArchiveBucket):
        def _open(self, key: str, version: str | None = None) -> Any:
            return StreamingBody(BytesIO(b"\x1f\x8b\x08"), 10_000)

    with pytest.raises(Unavailable):
        world.run(world.process(bucket=BrokenOff))
    assert world.items("A#lost") == [] and len(world.manifests()) == 1
    world.run()
    world.assert_archived(message_id)


Errand = Callable[[World], Any]


def errand_of(name: str, world: World) -> Errand:
    """An errand of the archive's on a world; what it tells."""
    if name == "backup":
        at_work = backup(world, Exports(world.table.client, offered=False))
        return lambda _: at_work.back_up(NOW, PLENTY)["outcome"]
    if name == "drill":
        practised = drill(world)
        return lambda _: practised.practise(NOW)["compared"]
    watching = watch(world)
    return lambda _: watching.look(SETTLED + timedelta(days=28), PLENTY)["proven"]


@pytest.mark.parametrize(("name", "outcome"), [("backup", "own"), ("drill", 2), ("watch", 1)])
def test_an_errand_that_is_refused_any_call_says_so_and_is_done_the_next_time(cloud: Cloud, name: str, outcome: Any) -> None:
    def prepared() -> World:
        world = cloud.world()
        for contact in ("anna", "ben"):
            world.receive(contact, SETTLED, replied=True)
        world.run()
        world.receive("anna", NOW)
        return world

    world = prepared()
    errand, calls = errand_of(name, world), Calls()
    cloud.calls = calls
    assert errand(world) == outcome
    for n in range(1, calls.seen + 1, 3):
        world = prepared()
        errand = errand_of(name, world)
        cloud.calls = Calls(at=n, act=throttled)
        with pytest.raises(Unavailable):
            errand(world)
            raise Unavailable  # it asked something else this time
        cloud.calls = Calls()
        assert errand(world) == outcome, n
        assert world.items("A#expiry") == [], n
