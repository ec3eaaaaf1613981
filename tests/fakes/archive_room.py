"""A table and an archive bucket in moto with messages in them, put there by the archive's own ledger, part writer and marks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

from moto import mock_aws

from functions.archive.bucket import ArchiveBucket, part_key
from functions.archive.manifests import Ledger, Manifest, intent
from functions.archive.parts import Filed, PartWriter
from functions.common import aws, keys
from functions.common.clock import set_ahead, system_clock
from functions.common.dynamo_store import DynamoStore
from functions.common.judgement import Judged, Judgement, Routing
from functions.common.message import Contact, ContactId, Message, Verification
from functions.common.store import Conversation, Reply
from functions.common.table import Table, from_item
from infra.records.catalogue import Catalogue
from tests.fakes.template import bucket_name, table_definition

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
SHARDS = 2


@dataclass
class ArchiveRoom:
    """`hot` messages are in the table and in no part; `filed` ones are in a part, and in the table only if asked for."""

    table: Table
    bucket: ArchiveBucket
    numbers: Iterator[int] = field(default_factory=count)

    @property
    def store(self) -> DynamoStore:
        return DynamoStore(self.table, shards=SHARDS)

    @property
    def catalogue(self) -> Catalogue:
        return Catalogue(Ledger(self.table), self.bucket)

    @property
    def environ(self) -> dict[str, str]:
        """What the commands are told of the place."""
        # moto copies its tables for each transaction: one writer at a time.
        place = {"TABLE_NAME": self.table.name, "ARCHIVE_BUCKET": self.bucket.name}
        return place | {"INDEX_SHARDS": str(SHARDS), "WRITERS": "1"}

    def message(
        self,
        text: str = "你好",
        *,
        contact: str = "u1",
        channel: str = "generic",
        account: str = "demo",
        received_at: datetime = NOW - timedelta(days=3),
        judgement: Judgement = Judgement(),  # noqa: B008 (frozen)
        team: str = "frontdesk",
        replied: bool = False,
        **more: Any,
    ) -> Filed:
        """A message with everything said of it, stored nowhere yet."""
        number = str(next(self.numbers))
        message_id = keys.message_id(channel, account, contact, received_at, number)
        ids = (ContactId(kind="phone_e164", value=contact),) if contact.startswith("+") else ()
        message = Message(
            message_id=message_id,
            channel=channel,
            account=account,
            contact=Contact(primary=contact, ids=ids, **{k: more.pop(k) for k in ("name", "locale") if k in more}),
            kind="text",
            text=text,
            sent_at=received_at,
            received_at=received_at,
            verification=Verification(scheme="standard", body_signed=True, timestamped=True),
            **more,
        )
        routing = Routing(team=team, priority=5, due_at=received_at + timedelta(hours=24))
        judged = Judged(message=message, judgement=judgement, routing=routing, bundle="b1", seq=1)
        reply = Reply(message_id=message_id, state="sent", reason="receipt", at=received_at, text="收到", template="receipt")
        return Filed(judged=judged, reply=reply if replied else None)

    def keep_hot(self, *filed: Filed) -> None:
        """Into the table, as classify and autoreply put them there."""
        for one in filed:
            self.store.add_message(one.judged)
            if one.reply is not None:
                self.store.add_reply(one.reply)
            message = one.judged.message
            conv = keys.split(message.message_id).conv
            before = self.store.conversation(conv) or Conversation(
                conv=conv, channel=message.channel, account=message.account, contact=message.contact.primary
            )
            since = min(message.received_at, before.unarchived_since or message.received_at)
            self.store.apply(before, replace(before, count=before.count + 1, unarchived_since=since))

    def file(self, *filed: Filed, state: str = "done") -> list[Manifest]:
        """Into parts, by day and channel; `state` is how far the archive came with them."""
        writers: dict[tuple[str, str], PartWriter] = {}
        by_place: dict[tuple[str, str], list[Filed]] = defaultdict(list)
        for one in filed:
            message = one.judged.message
            place = message.received_at.astimezone(SHANGHAI).date().isoformat(), message.channel
            writers.setdefault(place, PartWriter(*place)).add(one)
            by_place[place].append(one)
        ledger, run, made = Ledger(self.table), f"r{next(self.numbers)}", []
        ledger.open(run, NOW)
        for number, (place, writer) in enumerate(writers.items()):
            part = writer.close()
            manifest = intent(part, name=f"{run}-{number}", key=part_key(*place, f"{run}-{number}"), run=run, began=NOW)
            ledger.intend(manifest)
            self.bucket.put(manifest.key, part.body)
            if state != "writing":
                manifest = ledger.commit(manifest)
            if state == "done":
                self.bucket.put_manifest(manifest)
                ledger.done(manifest)
            made.append(manifest)
        return made

    def items(self, prefix: str = "") -> list[dict[str, Any]]:
        """The table's items whose sort key begins so, but the archive's own."""
        pages = self.table.client.get_paginator("scan").paginate(TableName=self.table.name)
        found = (from_item(item) for page in pages for item in page["Items"])
        return sorted(
            (i for i in found if i["pk"].startswith("C#") and i["sk"].startswith(prefix)), key=lambda i: (i["pk"], i["sk"])
        )


@contextmanager
def open_archive_room() -> Iterator[ArchiveRoom]:
    """An empty table and an empty bucket, as template.yaml has them; the commands' environment says where they are."""
    with mock_aws():
        aws.client.cache_clear()
        definition = table_definition()
        dynamodb, s3 = aws.client("dynamodb"), aws.client("s3")
        dynamodb.create_table(**definition)
        s3.create_bucket(Bucket=bucket_name("ArchiveBucket"))
        room = ArchiveRoom(Table(dynamodb, definition["TableName"]), ArchiveBucket(s3, bucket_name("ArchiveBucket")))
        with mock.patch.dict("os.environ", room.environ):
            yield room
        aws.client.cache_clear()


@contextmanager
def open_archive_room_now() -> Iterator[ArchiveRoom]:
    """The same with every clock at `NOW`."""
    set_ahead(NOW - system_clock())
    try:
        with open_archive_room() as opened:
            yield opened
    finally:
        set_ahead(timedelta())
