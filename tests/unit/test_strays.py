"""A message that was on its way while its sender was erased: it goes with all that it brought, and with nothing that was set since."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from functions.archive.bucket import ArchiveBucket
from functions.archive.erasure import CopyUnreached
from functions.archive.remains import NotYetErased, Remains
from functions.archive.removals import Removals
from functions.archive.tombstones import Tombstones
from functions.common import keys
from functions.common.clock import to_iso
from functions.common.dynamo_actions import ConversationActions, MessageGone
from functions.common.dynamo_links import DynamoLinks
from functions.common.handling import Action, answering
from functions.common.identity import LinkChanged, People, VouchedId
from functions.common.ledger import entry, reserved
from functions.common.store import Conversation, Reply
from tests.unit.test_archive_service import NOW, SETTLED, Calls, Cloud, ProcessDied, World, cloud, die, world
from tests.unit.test_erasure import ANNA, BEN, erase, eraser, everything

__all__ = ["cloud", "world"]

SINCE = NOW + timedelta(minutes=5)
UNION = VouchedId(kind="unionid", scope="op1", value="union-anna")


@pytest.fixture(autouse=True)
def no_floods(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each day is sixteen queries, and nobody here sent what others sent too."""
    monkeypatch.setattr("functions.archive.floods._DAYS", 0)


def people(world: World) -> People:
    return People(world.store, DynamoLinks(world.table))


def of_anna(world: World) -> Conversation:
    found = world.store.conversation(ANNA.conv)
    assert found is not None
    return found


def begun_again(world: World) -> str:
    """Anna is erased, writes again, and people see to her; the new message's id."""
    world.receive("anna", SETTLED)
    world.receive("ben", SETTLED)
    erase(world, ANNA)
    later = world.receive("anna", SINCE)
    before = of_anna(world)
    world.store.apply(before, replace(before, blocked=True, tags=("vip",), taken_by="lee", opted_out=True, person_at=SINCE))
    assert people(world).link(ANNA, BEN, by="lee", at=SINCE)
    return later


def set_since(world: World) -> tuple[object, ...]:
    known = of_anna(world)
    linked = [(link.party, link.stands) for link in people(world).links.pairs(ANNA.conv)]
    return known.blocked, known.tags, known.taken_by, known.opted_out, known.person_at, linked


KEPT = (True, ("vip",), "lee", True, SINCE, [(BEN, True)])


def test_a_stray_takes_nothing_with_it_that_was_set_since(world: World) -> None:
    later = begun_again(world)
    stray = world.receive("anna", NOW - timedelta(days=3), replied=True)
    assert of_anna(world).first_at == NOW - timedelta(days=3)
    world.run(now=NOW + timedelta(days=2))
    assert set_since(world) == KEPT
    assert world.store.message(stray) is None and world.store.reply(stray) is None
    assert world.store.message(later) is not None and stray not in world.filed()
    assert of_anna(world).first_at == SINCE
    assert [link.party for link in people(world).links.pairs(BEN.conv)] == [ANNA]


def test_a_stray_for_which_somebody_waits_goes_in_the_first_night_too(world: World) -> None:
    begun_again(world)
    stray = world.receive("anna", NOW - timedelta(days=3), status="waiting")
    world.run(now=NOW + timedelta(hours=1))
    assert world.store.message(stray) is None
    assert set_since(world) == KEPT


def test_a_stray_that_comes_when_later_messages_have_left_the_table_takes_nothing_with_it(world: World) -> None:
    later = begun_again(world)
    world.run(now=NOW + timedelta(days=2))
    world.table.delete(keys.conversation_pk(ANNA.conv), keys.message_sk(keys.split(later)))  # it expired
    stray = world.receive("anna", NOW - timedelta(days=3))
    world.run(now=NOW + timedelta(days=20))
    assert world.store.message(stray) is None
    assert set_since(world) == KEPT
    assert (of_anna(world).first_at, of_anna(world).unarchived_since) == (SINCE, None)
    assert eraser(world).found((ANNA,), until=NOW) == {}


def test_a_stray_alone_leaves_no_conversation_behind(world: World) -> None:
    world.receive("anna", SETTLED)
    erase(world, ANNA)
    world.receive("anna", NOW - timedelta(days=3))
    people(world).links.vouch(UNION, ANNA, NOW - timedelta(days=3))
    before = of_anna(world)
    world.store.apply(before, replace(before, vouched=(UNION.mark,)))
    world.run(now=NOW + timedelta(days=2))
    assert "anna" not in everything(world) and ANNA.conv not in everything(world)


def named(world: World, message_id: str) -> None:
    """Let a stored message name its sender by an id that the platform vouches for."""
    key = keys.split(message_id)
    ids = [{"kind": UNION.kind, "scope": UNION.scope, "value": UNION.value}]
    place = keys.conversation_pk(key.conv), keys.message_sk(key)
    world.table.update(*place, "SET #message.#contact.#ids = :ids", values={":ids": ids})


@pytest.mark.parametrize("again", [False, True])
def test_what_a_platform_vouched_for_by_a_stray_stands_only_if_it_did_so_since(world: World, again: bool) -> None:
    later = begun_again(world)
    if again:
        named(world, later)
    named(world, world.receive("anna", NOW - timedelta(days=3)))
    people(world).links.vouch(UNION, ANNA, NOW - timedelta(days=3))  # and its conversation's update never came
    world.run(now=NOW + timedelta(days=2))
    members = people(world).links.members(UNION.mark)
    assert [(link.party, link.acts[0].at) for link in members] == ([(ANNA, SINCE)] if again else [])
    assert of_anna(world).vouched == ((UNION.mark,) if again else ())
    assert set_since(world) == KEPT


def test_an_id_that_a_message_names_and_its_conversation_does_not_know_is_forgotten_with_the_person(world: World) -> None:
    named(world, world.receive("anna", NOW - timedelta(days=1)))
    people(world).links.vouch(UNION, ANNA, NOW - timedelta(days=1))  # the process died before the conversation's update
    assert eraser(world).found((ANNA,), until=NOW)["memberships"] == 1
    erase(world, ANNA)
    assert people(world).links.members(UNION.mark) == []
    assert "anna" not in everything(world)


def test_a_table_that_came_back_from_a_backup_is_taken_for_no_clear_one(world: World) -> None:
    """What it holds of the person is of before, whatever the certificate in the bucket says."""
    world.receive("anna", SETTLED)
    before = of_anna(world)
    world.store.apply(before, replace(before, blocked=True, tags=("vip",)))
    mark = (of_anna(world).blocked, of_anna(world).tags)
    erase(world, ANNA)
    for pk in ("E#certificates", "E#erased"):
        for item in world.items(pk):
            world.table.delete(item["pk"], item["sk"])
    world.receive("anna", SETTLED)  # as it was
    world.receive("anna", SINCE)
    before = of_anna(world)
    world.store.apply(before, replace(before, blocked=mark[0], tags=mark[1]))
    cabinet = world.process()
    cabinet.tombstones.bring_back()
    world.run(now=NOW + timedelta(days=2))
    assert (of_anna(world).blocked, of_anna(world).tags) == (False, ())


def test_what_was_set_since_stands_in_the_way_of_no_erasure_that_waits_for_a_copy(world: World) -> None:
    world.receive("anna", SETTLED)
    world.receive("ben", SETTLED)
    cabinet = world.process()
    silent = Removals(world.table, (cabinet.bucket, ArchiveBucket(world.s3, "nobodys")))
    with pytest.raises(CopyUnreached):
        erase(world, ANNA, cabinet=replace(cabinet, removals=silent))
    (waiting,) = Tombstones(world.table).certificates(NOW - timedelta(days=1))
    assert waiting.searched and waiting.complete is None
    world.receive("anna", SINCE)
    people(world).link(ANNA, BEN, by="lee", at=SINCE)
    before = of_anna(world)
    world.store.apply(before, replace(before, blocked=True))
    stray = world.receive("anna", NOW - timedelta(minutes=5))
    done = erase(world, ANNA, now=NOW + timedelta(hours=1))
    assert done.complete and done.at == NOW
    assert world.store.message(stray) is None and of_anna(world).blocked
    assert [link.party for link in people(world).links.pairs(ANNA.conv)] == [BEN]


@pytest.mark.timeout(280)
def test_a_run_that_dies_at_any_call_while_it_removes_a_stray_leaves_it_to_the_next(cloud: Cloud) -> None:
    world = cloud.world()
    calls = Calls()
    n, died = 1, True
    while died:
        world = cloud.world()
        named(world, begun_again(world))
        named(world, world.receive("anna", NOW - timedelta(days=3), replied=True))
        people(world).links.vouch(UNION, ANNA, NOW - timedelta(days=3))
        calls = Calls(at=n, when="after", act=die)
        try:
            world.run(world.process(calls), now=NOW + timedelta(days=2))
            died = False
        except ProcessDied:
            n = calls.seen + 1
        world.run(now=NOW + timedelta(days=2, hours=1))
        assert set_since(world) == KEPT, n
        assert [link.acts[0].at for link in people(world).links.members(UNION.mark)] == [SINCE], n
        assert eraser(world).found((ANNA,), until=NOW) == {}, n
    assert n > 20


def test_a_record_of_a_reply_that_is_just_being_sent_is_waited_for(world: World) -> None:
    """Its record is written once the platform has it, whatever has become of its message."""
    message_id = world.receive("anna", NOW - timedelta(minutes=1))
    said = entry(message_id, at=NOW - timedelta(seconds=10), notice=False, rule="r", text="您好", asked="?")
    world.store.apply(of_anna(world), reserved(of_anna(world), said))
    with pytest.raises(NotYetErased, match="a reply is being sent"):
        erase(world, ANNA)
    world.store.add_reply(Reply(message_id=message_id, state="sent", reason="keyword", at=NOW, text="您好"))
    assert erase(world, ANNA, now=NOW + timedelta(seconds=5)).complete
    assert "您好" not in everything(world) and ANNA.conv not in everything(world)


def test_whoever_died_over_a_reply_keeps_nobody_waiting_for_long(world: World) -> None:
    message_id = world.receive("anna", NOW - timedelta(minutes=10))
    said = entry(message_id, at=NOW - timedelta(minutes=4), notice=False, rule="r", text="您好", asked="?")
    world.store.apply(of_anna(world), reserved(of_anna(world), said))
    assert erase(world, ANNA).complete


# --- What people do while somebody is erased ---


def corrected(world: World, message_id: str, at: datetime = SINCE) -> None:
    line = Action(id="c-1", verb="correct", by="lee", at=at, labels={"spam": "ad"}, message_id=message_id)
    item = {"message_id": message_id, "at": to_iso(at), "text": "what anna wrote", "exp": 4_000_000_000}
    ConversationActions(world.store).correct(keys.split(message_id).conv, line, item)


def answered_by_hand(world: World, message_id: str) -> None:
    action = Action(
        id="r-1", verb="reply", by="lee", at=SINCE, text="您好安娜", message_id=message_id, reply_id="x", state="reserved"
    )
    before = of_anna(world)
    ConversationActions(world.store).act(before, answering(before, action), action)


def test_a_correction_of_a_message_that_was_erased_meanwhile_is_not_written(world: World) -> None:
    message_id = world.receive("anna", NOW - timedelta(hours=2))
    erase(world, ANNA)
    with pytest.raises(MessageGone):
        corrected(world, message_id)
    later = world.receive("anna", SINCE)
    with pytest.raises(MessageGone):
        corrected(world, message_id)
    corrected(world, later)
    assert [item["of"] for item in Remains(table=world.table, people=people(world)).items(ANNA.conv, SINCE) if item["corrects"]]


@pytest.mark.timeout(280)
def test_a_correction_at_any_moment_of_an_erasure_goes_with_its_message(cloud: Cloud) -> None:
    n, ended = 1, False
    while not ended:
        world = cloud.world()
        message_id = world.receive("anna", NOW - timedelta(hours=2))

        def correct(world: World = world, message_id: str = message_id) -> None:
            with suppress(MessageGone):
                corrected(world, message_id)

        calls = Calls(at=n, act=correct)
        with suppress(NotYetErased):
            erase(world, ANNA, cabinet=world.process(calls))
        ended = calls.at is not None
        erase(world, ANNA, now=NOW + timedelta(minutes=30))
        assert "what anna wrote" not in everything(world) and ANNA.conv not in everything(world), n
        n += 2
    assert n > 20


@pytest.mark.parametrize("later", [False, True])
def test_what_a_person_did_about_an_erased_message_while_it_went_goes_with_it(world: World, later: bool) -> None:
    message_id = world.receive("anna", NOW - timedelta(hours=2))
    answered_by_hand(world, message_id)  # after the moment of the erasure, before its end
    fresh = world.receive("anna", SINCE) if later else None
    if fresh:
        corrected(world, fresh, SINCE + timedelta(minutes=1))
    assert eraser(world).found((ANNA,), until=NOW)["actions"] == 1
    erase(world, ANNA)
    assert "您好安娜" not in everything(world)
    assert [item["action"] for item in world.items("C#", "Z#")] == (["correct"] if later else [])


def test_a_stray_takes_with_it_what_was_done_about_it_and_nothing_else(world: World) -> None:
    later = begun_again(world)
    corrected(world, later)
    world.run(now=NOW + timedelta(days=2))
    world.table.delete(keys.conversation_pk(ANNA.conv), keys.message_sk(keys.split(later)))  # it expired
    stray = world.receive("anna", NOW - timedelta(days=3))
    answered_by_hand(world, stray)
    world.run(now=NOW + timedelta(days=3))
    assert [item["action"] for item in world.items("C#", "Z#")] == ["correct"]
    assert len(world.items("J#")) == 1


def test_nobody_is_linked_with_somebody_who_is_gone(world: World) -> None:
    world.receive("anna", SETTLED)
    world.receive("ben", SETTLED)
    erase(world, ANNA)
    with pytest.raises(LinkChanged):
        people(world).link(ANNA, BEN, by="lee", at=SINCE)
    assert world.items("C#", "L#") == []


@pytest.mark.timeout(280)
def test_a_link_at_any_moment_of_an_erasure_names_nobody_afterwards(cloud: Cloud) -> None:
    n, ended = 1, False
    while not ended:
        world = cloud.world()
        world.receive("anna", NOW - timedelta(hours=2))
        world.receive("ben", NOW - timedelta(hours=2))

        def link(world: World = world) -> None:
            with suppress(LinkChanged):
                people(world).link(BEN, ANNA, by="lee", at=SINCE)

        calls = Calls(at=n, act=link)
        with suppress(NotYetErased):
            erase(world, ANNA, cabinet=world.process(calls))
        ended = calls.at is not None
        erase(world, ANNA, now=NOW + timedelta(minutes=30))
        assert "anna" not in everything(world) and world.items("C#", "L#") == [], n
        n += 2
    assert n > 20
