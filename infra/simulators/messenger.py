"""Messenger and one page of ours."""

from __future__ import annotations

from infra.simulators.contract import Simulator
from infra.simulators.meta.messaging import MessagingSimulator


class MessengerSimulator(MessagingSimulator):
    """A contact is a PSID."""

    channel = "messenger"
    object_name = "page"

    def _our_id(self) -> str:
        return str(self._credentials["page_id"])


SIMULATOR: type[Simulator] = MessengerSimulator
