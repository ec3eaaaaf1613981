"""What platforms send and what is kept of it, in rows.

A row: what it is, its kind, its webhook, and every field that the message keeps of it, written by hand from the vendor's pages. `x:a,b`
stands for `x.a x.b`. `BASE` is what each message of a channel has, with the person's ids and their scopes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from infra.simulators.contract import Webhook

Make = Callable[[Any, str], Webhook]
Row = tuple[str, str, Make, str]


def said(kind: str, **values: Any) -> Make:
    return lambda sim, who: sim.message(who, kind, values)
