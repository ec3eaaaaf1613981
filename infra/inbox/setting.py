"""The people's desk of one stack, with this machine's AWS credentials and the configuration in `config/`."""

from __future__ import annotations

import secrets
from functools import cache
from pathlib import Path

from functions.autoreply.config import read_policy
from functions.autoreply.replybook import ReplyPolicy
from functions.channels.contract import Outbound
from functions.common.aws import client
from functions.common.bundle import read_bundle
from functions.common.clock import system_clock
from functions.common.credentials import CredentialStore
from functions.common.dynamo_actions import ConversationActions
from functions.common.dynamo_store import DynamoStore
from functions.common.outbound import PlatformHttp
from functions.common.table import Table
from functions.common.token_lease import TokenLeases
from infra.cli.bundle import CONFIG, compile_bundle
from infra.inbox.desk import PeopleDesk


@cache
def policy_in(directory: Path = CONFIG) -> ReplyPolicy:
    """What the configuration in a folder says of replies."""
    return read_policy(read_bundle(compile_bundle(directory)))


def people_desk(
    table_name: str, shards: int, *, by: str, stage: str, directory: Path = CONFIG, override: str | None = None
) -> PeopleDesk:
    """The desk. `override` is the origin under which simulators are mounted, for a local stack only."""
    import time

    table = Table(client("dynamodb"), table_name)
    store = DynamoStore(table, shards=shards)
    leases = TokenLeases(table, system_clock, pause=time.sleep, new_holder=lambda: secrets.token_hex(16))

    def outbound(channel: str, reply_id: str) -> Outbound:
        return PlatformHttp(channel=channel, request_id=reply_id, override=override, leases=leases, clock=system_clock)

    return PeopleDesk(
        store=store,
        actions=ConversationActions(store),
        credentials=CredentialStore(client("secretsmanager"), f"postroom/{stage}/channels/", system_clock),
        outbound=outbound,
        outgoing=policy_in(directory).outgoing,
        clock=system_clock,
        random=lambda: secrets.token_hex(5),
        by=by,
    )
