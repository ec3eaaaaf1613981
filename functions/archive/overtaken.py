"""Whether an erasure came between what a pack was made of and the pack's end.

A pack is made of what was read before: whoever is erased meanwhile would come back in it. So certificates are looked at before anything
else is read, and once more when the last piece is out and nothing is there yet that could be taken for a pack. An erasure that begins
after that last look finds the upload under way, or its object, and takes it away (`exports`).
"""

from __future__ import annotations

from datetime import datetime

from functions.archive.tombstones import Certificate, Tombstones
from functions.common.clock import EPOCH
from functions.common.errors import Retryable


class PackOvertaken(Retryable):
    """Somebody was erased while a pack was being made, or still is being erased: it is to be made again."""


class Lookout:
    """Made before anything is read for a pack. Both may raise `PackOvertaken` and `Unavailable`."""

    def __init__(self, tombstones: Tombstones) -> None:
        self._tombstones = tombstones
        self._before = self._known()

    def check(self) -> None:
        """`PackOvertaken` unless nobody was erased since."""
        if self._known() != self._before:
            raise PackOvertaken("somebody was erased while the pack was being made: it is to be made again")

    def _known(self) -> dict[str, datetime | None]:
        """Since when the person of each certificate is gone."""
        known = self._tombstones.certificates(EPOCH)
        if under_way := [certificate for certificate in known if not certificate.gone]:
            raise PackOvertaken(_said(under_way[0]))
        return {certificate.id: certificate.searched for certificate in known}


def _said(certificate: Certificate) -> str:
    return f"an erasure begun at {certificate.at:%Y-%m-%d %H:%M}Z has not come to its end: finish it, no pack is made before"
