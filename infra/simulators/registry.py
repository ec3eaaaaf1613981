"""Simulators by channel name, found as the channels are: each module of this package but those that serve them all."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import cast

from functions.channels.registry import ChannelUnknown
from infra.simulators.contract import Simulator

COMMON_GROUND = frozenset({"contract", "delivery", "registry", "server"})


def simulator_class(channel: str) -> type[Simulator]:
    """The simulator of a channel's platform; `ChannelUnknown` when there is none."""
    if channel not in names():
        raise ChannelUnknown(channel[:40])
    return cast("type[Simulator]", import_module(f"infra.simulators.{channel}").SIMULATOR)


@cache
def names() -> tuple[str, ...]:
    """Every channel that has a simulator, sorted."""
    import infra.simulators as package

    modules = {module.name for module in iter_modules(package.__path__) if not module.ispkg}
    return tuple(sorted(modules - COMMON_GROUND))
