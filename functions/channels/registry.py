"""Channels by name. A channel's module is imported when it is first asked for, so no channel adds to another's cold start."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import cast

from functions.channels.contract import Adapter
from functions.common.errors import Poison


class ChannelUnknown(Poison):
    """No module of ours speaks for a channel of this name."""


def adapter(channel: str) -> Adapter:
    """The channel's adapter; `ChannelUnknown` when there is none. The name may come from a URL: any text will do."""
    if channel not in names():
        raise ChannelUnknown(channel[:40])
    return cast("Adapter", import_module(f"functions.channels.{channel}").ADAPTER)


@cache
def names() -> tuple[str, ...]:
    """Every channel, sorted: each module of this package but the two that hold the channels together."""
    import functions.channels as package

    modules = {module.name for module in iter_modules(package.__path__) if not module.ispkg}
    return tuple(sorted(modules - {"contract", "registry"}))
