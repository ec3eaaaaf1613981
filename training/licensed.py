"""Licensed sets of other people, as far as what they say can honestly be said in the words of our label sheet.

They are read from a folder beside the tree (`POSTROOM_DATA`, or ../shared/data) and are no part of it. An intent that two careful
readers would label differently is left out, and on an axis that the source says nothing about nothing is learnt. A few texts of each
intent are taken: templates teach little, and many of them would drown what people wrote.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.seed import Example

FOLDER = Path(os.environ.get("POSTROOM_DATA", Path(__file__).parents[2] / "shared" / "data"))
# A few of each intent.
FEW = 40


@dataclass(frozen=True, slots=True)
class Source:
    """A set, its licence, and for each intent that can be mapped what it says on which axes."""

    name: str
    licence: str
    notice: str
    intents: dict[str, dict[str, Any]]


def _says(content: tuple[str, ...] | str | None = None, business: str | None = None, **more: Any) -> dict[str, Any]:
    said = dict(more)
    if business is not None:
        said["business"] = business
    if content is not None:
        said["content"] = (content,) if isinstance(content, str) else content
    return said


_ENQUIRY, _AFTER_SALES = "enquiry", "after_sales"
BITEXT = Source(
    "en_bitext27",
    "CDLA-Sharing-1.0",
    "Bitext customer support intent detection training dataset, bitext/customer-support-intent-detection-training-dataset@e970229",
    {
        "cancel_order": _says(business=_AFTER_SALES),
        "change_order": _says(business=_AFTER_SALES),
        "change_shipping_address": _says("logistics"),
        "set_up_shipping_address": _says("logistics"),
        "track_order": _says("logistics", _ENQUIRY),
        "delivery_period": _says("logistics", _ENQUIRY),
        "delivery_options": _says("logistics", _ENQUIRY),
        "check_invoice": _says("invoice"),
        "get_invoice": _says("invoice"),
        "check_refund_policy": _says("refund", _ENQUIRY),
        "get_refund": _says("refund", _AFTER_SALES),
        "track_refund": _says("refund"),
        "check_cancellation_fee": _says("price", _ENQUIRY),
        "contact_human_agent": _says(wants_human=True),
        "create_account": _says("account", _ENQUIRY),
        "delete_account": _says("account"),
        "edit_account": _says("account"),
        "switch_account": _says("account"),
        "recover_password": _says("account"),
    },
)
BANKING = Source(
    "en_banking77",
    "CC BY 4.0",
    "BANKING77, PolyAI-LDN/task-specific-datasets@57ec275",
    {
        "card_arrival": _says("logistics"),
        "card_delivery_estimate": _says("logistics", _ENQUIRY),
        "age_limit": _says((), _ENQUIRY),
        "country_support": _says((), _ENQUIRY),
        "exchange_rate": _says("price", _ENQUIRY),
        "exchange_charge": _says("price"),
        "transfer_fee_charged": _says("price"),
        "top_up_by_card_charge": _says("price"),
        "cash_withdrawal_charge": _says("price"),
        "card_payment_fee_charged": _says("price"),
        "extra_charge_on_statement": _says("price"),
        "transaction_charged_twice": _says("price"),
        "request_refund": _says("refund"),
        "Refund_not_showing_up": _says("refund"),
        "contactless_not_working": _says("tech"),
        "virtual_card_not_working": _says("tech"),
        "card_not_working": _says("tech"),
        "passcode_forgotten": _says("account"),
        "edit_personal_details": _says("account"),
        "terminate_account": _says("account"),
        "change_pin": _says("account"),
        "verify_my_identity": _says("account"),
    },
)
SOURCES = (BITEXT, BANKING)


def examples(source: Source, folder: Path = FOLDER, few: int | None = FEW) -> list[Example]:
    """A few texts of each mapped intent, or all of them, in the source's order; none where the set is not there."""
    path = folder / f"{source.name}.train.jsonl"
    if not path.is_file():
        return []
    taken: dict[str, int] = dict.fromkeys(source.intents, 0)
    found = []
    for row in rows(path):
        intent = row["label"]
        if intent in taken and (few is None or taken[intent] < few):
            taken[intent] += 1
            found.append(_example(row["text"], source.intents[intent], source.name, intent))
    return found


def rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a set."""
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _example(text: str, said: dict[str, Any], source: str, intent: str) -> Example:
    return Example(
        text=text, industry=source, style=source, where=f"{source}:{intent}", axes=frozenset(said), language="en", **said
    )
