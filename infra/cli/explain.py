"""`postroom explain`: the whole story of one message."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.cli.place import Json, TableName, one_line, say, stop, table_of, zone

Message = Annotated[str, typer.Argument(metavar="MESSAGE", help="A message's id.")]


def explain(message_id: Message, table: TableName, as_json: Json = False) -> None:
    """Tell a message's whole story: labels and the words behind them, rules, routing, what was answered and what was not, and why."""
    from functions.common import keys
    from functions.common.dynamo_store import DynamoStore
    from infra.inbox.story import explained, message_story

    with one_line():
        store = DynamoStore(table_of(table), shards=1)  # no index is read here
        judged = store.message(message_id)
        if judged is None:
            stop(
                f"no message {message_id} in the table; if it is archived, postroom search finds it and postroom restore brings it back"
            )
            return
        story = message_story(judged, store.reply(message_id), store.conversation(keys.split(message_id).conv))
    say(story, explained(story, zone()), as_json=as_json)
