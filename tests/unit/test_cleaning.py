"""What the retention policy removes, what stays, and what can be seen beforehand."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from functions.archive.allowance import Allowance, OutOfTime
from functions.archive.cleaning import CLEAN_PK, Sweep
from functions.archive.holds import Hold, Holds
from functions.archive.retention import CleaningRule, read_retention
from functions.archive.service import Cabinet, Run
from functions.common import keys
from functions.common.errors import BundleInvalid
from functions.common.judgement import Judgement
from functions.common.telemetry import Telemetry
from infra.cli.app import app
from tests.unit.test_archive_service import NOW, POLICY, SETTLED, Calls, Cloud, ProcessDied, World, cloud, die, world

__all__ = ["cloud", "world"]

SPAM: dict[str, Any] = {"name": "spam", "labels": {"spam": ["ad", "scam"]}, "days": 90}
EXPIRED: dict[str, Any] = {"name": "expired", "days": 365}
PLENTY = Allowance(lambda: 900_000)
LATER = SETTLED + timedelta(days=91)


def relabel(world: World, message_id: str, **labels: Any) -> str:
    """Give a stored message other labels, before it is archived."""
    key = keys.split(message_id)
    world.table.update(
        keys.conversation_pk(key.conv), keys.message_sk(key), "SET #judgement = :labels", values={":labels": labels}
    )
    return message_id


def sweeper(world: World, cabinet: Cabinet, *rules: dict[str, Any]) -> Sweep:
    retention = read_retention({"archive": POLICY["archive"], "cleaning": list(rules)})
    return Sweep(
        table=world.table,
        ledger=cabinet.ledger,
        bucket=cabinet.bucket,
        holds=Holds(world.table),
        retention=retention,
        telemetry=Telemetry("archive"),
    )


def clean(
    world: World, *rules: dict[str, Any], now: datetime = LATER, calls: Calls | None = None, time: Allowance = PLENTY
) -> dict[str, Any]:
    """One night's cleaning."""
    cabinet = world.process(calls)
    run = f"clean{next(world.runs)}"
    try:
        Run(cabinet, run=run, now=now, remaining=lambda: 900_000).take_over()
        told = sweeper(world, cabinet, *rules).sweep(run, now, time)
        cabinet.removals.carry_out()
        return told
    finally:
        world.cloud.calls = Calls()


def spoilt(world: World) -> tuple[str, str]:
    """An advertisement and a question, archived."""
    ad = relabel(world, world.receive("anna", SETTLED), spam="ad")
    question = world.receive("ben", SETTLED + timedelta(minutes=1))
    world.run()
    return ad, question


def test_what_matches_goes_when_its_day_is_old_enough(world: World) -> None:
    _, question = spoilt(world)
    assert clean(world, SPAM, now=SETTLED + timedelta(days=89))["removed"] == {}
    assert clean(world, SPAM) == {"removed": {"spam": 1}, "kept": {}, "parts": 1}
    assert world.filed() == Counter([question])
    assert len(world.objects()) == len(world.objects("_manifests/")) == 1


def test_the_next_night_reads_nothing_again(world: World) -> None:
    spoilt(world)
    clean(world, SPAM)
    read: list[str] = []
    world.s3.meta.events.register("before-call", lambda model, **_: read.append(model.name))
    assert clean(world, SPAM, now=LATER + timedelta(days=1))["removed"] == {}
    assert "GetObject" not in read


def test_a_part_that_comes_late_is_gone_over_too(world: World) -> None:
    spoilt(world)
    clean(world, SPAM)
    relabel(world, world.receive("carl", SETTLED), spam="scam")
    world.run(now=LATER)
    assert clean(world, SPAM, now=LATER + timedelta(days=1))["removed"] == {"spam": 1}


def test_a_damaged_part_keeps_no_other_waiting_and_is_looked_at_again(world: World) -> None:
    for channel in ("generic", "twilio"):
        relabel(world, world.receive("anna", SETTLED, channel=channel), spam="ad")
    world.run()
    key, whole = min(world.objects().items())
    world.s3.put_object(Bucket=world.bucket, Key=key, Body=whole[:-8])
    assert clean(world, SPAM)["removed"] == {"spam": 1}
    assert list(world.objects()) == [key]
    world.s3.put_object(Bucket=world.bucket, Key=key, Body=whole)
    assert clean(world, SPAM, now=LATER + timedelta(days=60))["removed"] == {"spam": 1}
    assert world.objects() == {}


def test_days_of_outage_are_caught_up(world: World) -> None:
    for n in range(5):
        relabel(world, world.receive("anna", SETTLED - timedelta(days=n)), spam="ad")
    world.run()
    assert clean(world, SPAM, now=SETTLED + timedelta(days=87))["removed"] == {"spam": 2}
    assert clean(world, SPAM, now=LATER + timedelta(days=7))["removed"] == {"spam": 3}
    assert world.filed() == {}


def test_a_changed_rule_begins_anew(world: World) -> None:
    spoilt(world)
    clean(world, {**SPAM, "labels": {"spam": ["scam"]}})
    assert clean(world, SPAM)["removed"] == {"spam": 1}


def test_channels_and_several_labels_must_all_fit(world: World) -> None:
    spoilt(world)
    assert clean(world, {**SPAM, "channels": ["twilio"]})["removed"] == {}
    assert clean(world, {**SPAM, "labels": {"spam": ["ad"], "business": ["complaint"]}})["removed"] == {}
    assert clean(world, {**SPAM, "labels": {"spam": ["ad"], "business": ["other"]}})["removed"] == {"spam": 1}


def test_a_hold_keeps_until_it_is_lifted(world: World) -> None:
    ad, _ = spoilt(world)
    Holds(world.table).add(Hold(kind="contact", channel="generic", name="anna", because="case 7", by="lee", since=NOW))
    assert clean(world, SPAM) == {"removed": {}, "kept": {"hold": 1}, "parts": 0}
    assert ad in world.filed()
    assert clean(world, SPAM, now=LATER + timedelta(days=200))["kept"] == {"hold": 1}
    Holds(world.table).remove("contact", "anna", "generic")
    assert clean(world, SPAM, now=LATER + timedelta(days=201))["removed"] == {"spam": 1}
    assert [item for item in world.items(CLEAN_PK) if item["sk"].startswith("waiting")] == []


def test_what_a_hold_keeps_stays_noted_when_its_neighbours_go(world: World) -> None:
    spoilt(world)
    Holds(world.table).add(Hold(kind="contact", channel="generic", name="anna", because="case 7", by="lee", since=NOW))
    year = SETTLED + timedelta(days=366)
    assert clean(world, EXPIRED, now=year) == {"removed": {"expired": 1}, "kept": {"hold": 1}, "parts": 1}
    Holds(world.table).remove("contact", "anna", "generic")
    assert clean(world, EXPIRED, now=year + timedelta(days=300))["removed"] == {"expired": 1}
    assert world.objects() == {}


def test_a_conversation_that_somebody_must_act_on_stays_and_one_that_is_gone_does_not(world: World) -> None:
    resolved = {**EXPIRED, "name": "resolved", "conversation": ["idle", "resolved"]}
    for name in ("anna", "ben", "carl"):
        world.receive(name, SETTLED)
    world.run()
    conv = {name: keys.conversation_key("generic", "demo", name) for name in ("anna", "ben")}
    before = world.store.conversation(conv["anna"])
    assert before
    world.store.apply(before, replace(before, status="waiting", team="frontdesk", due_at=NOW))
    world.table.delete(keys.conversation_pk(conv["ben"]), "@")
    told = clean(world, resolved, now=SETTLED + timedelta(days=366))
    assert (told["removed"], told["kept"]) == ({"resolved": 2}, {"conversation": 1})


def test_cleaning_ends_in_time_and_goes_on_there(world: World) -> None:
    for n in range(4):
        relabel(world, world.receive("anna", SETTLED - timedelta(days=n)), spam="ad")
    world.run()
    left = iter([8_000, 8_000, 8_000, 1_000])
    with pytest.raises(OutOfTime):
        clean(world, SPAM, time=Allowance(lambda: next(left)))
    assert sum(world.filed().values()) == 2
    clean(world, SPAM)
    assert world.filed() == {}


@pytest.mark.timeout(280)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_any_call_is_made_good_by_the_next_night(cloud: Cloud, when: str) -> None:
    world = cloud.world()
    spoilt(world)
    calls = Calls()
    clean(world, SPAM, calls=calls)
    for n in calls.writes:
        world = cloud.world()
        _, question = spoilt(world)
        with pytest.raises(ProcessDied):
            clean(world, SPAM, calls=Calls(at=n, when=when, act=die))
            raise ProcessDied
        world.filed()  # nothing that counts is other than its manifest says
        clean(world, SPAM, now=LATER + timedelta(hours=1))
        clean(world, SPAM, now=LATER + timedelta(days=1))
        world.run(now=LATER + timedelta(days=1))
        assert world.filed() == Counter([question]), n
        assert set(world.objects()) == {manifest["key"] for manifest in world.manifests()}, n


def test_a_preview_says_what_would_go_and_changes_nothing(world: World, tmp_path: Any) -> None:
    spoilt(world)
    before = world.objects(), world.items("A#")
    swept = sweeper(world, world.process(), SPAM).preview(LATER)
    assert (dict(swept.removed), swept.parts) == ({"spam": 1}, 1)
    assert (world.objects(), world.items("A#")) == before
    config = tmp_path / "config"
    config.mkdir()
    (config / "retention.yaml").write_text(json.dumps({"archive": POLICY["archive"], "cleaning": [SPAM]}))
    words = ["retention", "preview", "--table", world.table.name, "--bucket", world.bucket, "--directory", str(config)]
    told = CliRunner().invoke(app, [*words, "--on", LATER.date().isoformat(), "--json"])
    assert told.exit_code == 0, told.output
    assert json.loads(told.output[told.output.index("{") :])["removed"] == {"spam": 1}


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ([{**SPAM, "days": 30}], "hot_days"),
        ([SPAM, SPAM], "one name"),
        ([{**SPAM, "labels": {"spam": "egg"}}], "no label spam: egg"),
        ([{**SPAM, "labels": {"taste": "egg"}}], "no label taste"),
        ([{**SPAM, "conversation": ["asleep"]}], "conversation"),
        ([{"name": "x"}], "days"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused_in_one_line(rules: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(BundleInvalid, match=told):
        read_retention({"archive": POLICY["archive"], "cleaning": rules})


def test_labels_that_the_archive_leaves_out_are_neutral_ones() -> None:
    rule = CleaningRule(name="x", days=90, labels={"spam": ("none",), "business": ("other",)})
    assert rule.matches({}) and not rule.matches({"spam": "ad"})
    assert CleaningRule(name="x", days=90, labels={"content": ("invoice", "price")}).matches({"content": ["price"]})
    assert Judgement().spam == "none"
