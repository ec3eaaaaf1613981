"""One contract for every keeper of links: the in-memory fake, moto, and the endpoint that POSTROOM_TEST_DYNAMODB_ENDPOINT names.

What people do with links (`identity.People`) is tested here too: it stands on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from unittest import mock

import boto3
import pytest
from botocore.client import BaseClient
from moto import mock_aws

from functions.common.dynamo_links import DynamoLinks
from functions.common.dynamo_store import DynamoStore
from functions.common.identity import Act, Link, LinkChanged, Links, NotLinked, Party, People, VouchedId
from functions.common.store import Conversation, Store
from functions.common.table import Table
from tests.contract.test_store import ENDPOINT, NOW, new_table
from tests.fakes.memory_links import MemoryLinks
from tests.fakes.memory_store import MemoryStore

ANN, BEN, CAT, DAN = (
    Party(channel=channel, account="demo", contact=contact)
    for channel, contact in (("wechat_oa", "openid-a"), ("wecom_kf", "wm-b"), ("telegram", "77"), ("twilio", "+15005550006"))
)
UNION = VouchedId(kind="unionid", scope="our-open-platform", value="oU1")
COMPANY = VouchedId(kind="external_userid", scope="ww1", value="wm-b")
LATER = NOW + timedelta(hours=1)


def linked_by(who: str) -> Act:
    return Act(act="linked", by=who, at=NOW)


def undone_by(who: str) -> Act:
    return Act(act="unlinked", by=who, at=LATER)


@dataclass
class Office:
    """A store, the links beside it, and the people that they make."""

    store: Store
    links: Links

    @property
    def people(self) -> People:
        return People(self.store, self.links)

    def meet(self, party: Party, *vouched: VouchedId) -> None:
        """What classify does when a contact is first seen."""
        before = Conversation(conv=party.conv, channel=party.channel, account=party.account, contact=party.contact)
        for each in vouched:
            self.links.vouch(each, party, NOW)
        self.store.apply(before, replace(before, count=1, vouched=tuple(each.mark for each in vouched)))

    def linked(self, party: Party) -> set[Party]:
        return {link.party for link in self.people.linked(party.conv)}


@pytest.fixture(
    params=[
        "memory",
        "moto",
        pytest.param("endpoint", marks=pytest.mark.skipif(not ENDPOINT, reason="POSTROOM_TEST_DYNAMODB_ENDPOINT is not set")),
    ]
)
def office(request: pytest.FixtureRequest) -> Iterator[Office]:
    if request.param == "memory":
        yield Office(MemoryStore(), MemoryLinks())
    elif request.param == "moto":
        with mock_aws():
            yield _office(new_table(boto3.client("dynamodb", region_name="us-east-1")))
    else:
        client = boto3.client("dynamodb", region_name="us-east-1", endpoint_url=ENDPOINT)
        table = new_table(client)
        yield _office(table)
        client.delete_table(TableName=table.name)


def _office(table: Table) -> Office:
    return Office(DynamoStore(table, shards=3), DynamoLinks(table))


class TestLinks:
    def test_a_vouched_id_names_each_conversation_once_with_who_said_so_and_when(self, office: Office) -> None:
        office.links.vouch(UNION, ANN, NOW)
        office.links.vouch(UNION, ANN, LATER)
        assert office.links.members(UNION.mark) == [
            Link(party=ANN, because="unionid our-open-platform", acts=(linked_by("platform"),))
        ]
        assert office.links.members(COMPANY.mark) == []

    def test_the_same_value_in_another_scope_or_of_another_kind_is_another_id(self) -> None:
        others = (replace(UNION, scope="another"), replace(UNION, kind="external_userid"), replace(UNION, value="oU2"))
        assert len({UNION.mark, *(other.mark for other in others)}) == 4

    def test_an_undone_membership_stays_undone_however_often_the_id_is_seen(self, office: Office) -> None:
        office.links.vouch(UNION, ANN, NOW)
        office.links.act_on_member(UNION.mark, ANN.conv, undone_by("mei"), after=1)
        office.links.vouch(UNION, ANN, LATER)
        (link,) = office.links.members(UNION.mark)
        assert not link.stands
        assert link.acts == (linked_by("platform"), undone_by("mei"))

    def test_an_operators_link_is_seen_from_both_sides(self, office: Office) -> None:
        office.meet(ANN)
        office.meet(CAT)
        office.links.act_on_pair(ANN, CAT, linked_by("mei"), after=0)
        assert office.links.pairs(ANN.conv) == [Link(party=CAT, because="operator", acts=(linked_by("mei"),))]
        assert office.links.pairs(CAT.conv) == [Link(party=ANN, because="operator", acts=(linked_by("mei"),))]

    def test_of_two_acts_on_the_same_state_one_is_refused_and_leaves_nothing(self, office: Office) -> None:
        office.meet(ANN)
        office.meet(CAT)
        office.links.act_on_pair(ANN, CAT, linked_by("mei"), after=0)
        for after in (0, 2):
            with pytest.raises(LinkChanged):
                office.links.act_on_pair(CAT, ANN, linked_by("bo"), after=after)
        assert [len(office.links.pairs(party.conv)[0].acts) for party in (ANN, CAT)] == [1, 1]
        with pytest.raises(LinkChanged):
            office.links.act_on_member(UNION.mark, ANN.conv, undone_by("mei"), after=1)


class TestPeople:
    def test_conversations_under_one_vouched_id_are_one_persons(self, office: Office) -> None:
        office.meet(ANN, UNION)
        office.meet(BEN, UNION, COMPANY)
        office.meet(CAT)
        assert office.linked(ANN) == {BEN}
        assert office.linked(BEN) == {ANN}
        assert office.linked(CAT) == set()
        assert office.linked(DAN) == set(), "of whom nothing is known"

    def test_links_reach_over_other_conversations_and_name_each_once(self, office: Office) -> None:
        office.meet(ANN, UNION)
        office.meet(BEN, UNION)
        for party in (CAT, DAN):
            office.meet(party)
        office.people.link(BEN, CAT, by="mei", at=NOW)
        office.people.link(CAT, DAN, by="mei", at=NOW)
        office.people.link(DAN, ANN, by="mei", at=NOW)
        for party in (ANN, BEN, CAT, DAN):
            found = [link.party for link in office.people.linked(party.conv)]
            assert sorted(found, key=str) == sorted({ANN, BEN, CAT, DAN} - {party}, key=str)

    def test_an_operators_link_is_made_once_undone_and_made_again_and_all_of_it_is_on_record(self, office: Office) -> None:
        for party in (ANN, CAT):
            office.meet(party)
        assert office.people.link(ANN, CAT, by="mei", at=NOW)
        assert not office.people.link(CAT, ANN, by="bo", at=LATER), "it stands already"
        assert office.people.unlink(CAT, ANN, by="bo", at=LATER) == ()
        assert office.linked(ANN) == office.linked(CAT) == set()
        with pytest.raises(NotLinked):
            office.people.unlink(ANN, CAT, by="bo", at=LATER)
        assert office.people.link(ANN, CAT, by="mei", at=LATER)
        (link,) = office.people.known(CAT.conv)
        assert [(act.act, act.by) for act in link.acts] == [("linked", "mei"), ("unlinked", "bo"), ("linked", "mei")]
        assert office.linked(ANN) == {CAT}

    def test_a_platforms_link_that_was_undone_does_not_come_back_by_itself(self, office: Office) -> None:
        office.meet(ANN, UNION)
        office.meet(BEN, UNION)
        assert office.people.unlink(ANN, BEN, by="mei", at=LATER) == ()
        office.links.vouch(UNION, ANN, LATER)
        assert office.linked(ANN) == office.linked(BEN) == set()
        (own,) = office.people.known(ANN.conv)
        assert own.party == ANN and [act.by for act in own.acts] == ["platform", "mei"]
        assert office.people.link(ANN, BEN, by="mei", at=LATER), "an operator may think again"
        assert office.linked(ANN) == {BEN}

    def test_what_still_links_two_over_a_third_is_told(self, office: Office) -> None:
        for party in (ANN, BEN, CAT):
            office.meet(party)
        for one, other in ((ANN, BEN), (BEN, CAT), (CAT, ANN)):
            office.people.link(one, other, by="mei", at=NOW)
        (left,) = office.people.unlink(ANN, BEN, by="mei", at=LATER)
        assert left.party == BEN and left.because == "operator"
        assert office.people.unlink(CAT, ANN, by="mei", at=LATER) == ()
        assert office.linked(ANN) == set()

    def test_a_conversation_that_is_forgotten_is_named_nowhere(self, office: Office) -> None:
        office.meet(ANN, UNION)
        office.meet(BEN, UNION)
        office.meet(CAT)
        office.people.link(ANN, CAT, by="mei", at=NOW)
        office.people.forget(ANN.conv)
        assert office.links.pairs(CAT.conv) == office.links.pairs(ANN.conv) == []
        assert [link.party for link in office.links.members(UNION.mark)] == [BEN]
        office.people.forget(ANN.conv)

    def test_what_was_linked_since_is_not_forgotten_with_what_was_before(self, office: Office) -> None:
        office.meet(ANN, UNION)
        for party in (BEN, CAT):
            office.meet(party)
        office.people.link(ANN, BEN, by="mei", at=NOW)
        office.people.link(ANN, CAT, by="mei", at=LATER)
        assert office.people.marks_until(ANN.conv, LATER) == (UNION.mark,)
        office.people.forget_until(ANN.conv, NOW, (UNION.mark, "unknown"))
        assert [link.party for link in office.links.pairs(ANN.conv)] == [CAT]
        assert (office.links.pairs(BEN.conv), len(office.links.pairs(CAT.conv))) == ([], 1)
        assert office.people.stands_under(UNION.mark, ANN.conv) is False
        office.links.vouch(UNION, ANN, LATER)
        office.people.forget_until(ANN.conv, NOW, (UNION.mark,))
        assert office.people.stands_under(UNION.mark, ANN.conv)

    def test_what_a_person_costs_to_find_is_what_is_linked(self, office: Office) -> None:
        if isinstance(office.store, MemoryStore):
            pytest.skip("counts calls to a table")
        office.meet(ANN, UNION)
        office.meet(BEN, UNION)
        calls: list[str] = []
        real = BaseClient._make_api_call

        def counted(client: BaseClient, operation: str, arguments: object) -> object:
            calls.append(operation)
            return real(client, operation, arguments)

        with mock.patch.object(BaseClient, "_make_api_call", counted):
            assert office.linked(ANN) == {BEN}
        assert sorted(calls) == ["GetItem"] * 2 + ["Query"] * 4
