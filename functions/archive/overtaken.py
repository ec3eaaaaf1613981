"""Whether an erasure came between what a pack was made of and the pack's end.

A pack is made of what was read before: whoever is erased meanwhile would come back in it. So certificates are looked at before anything
else is read, and once more when the last piece is out and nothing is there yet that could be taken for a pack. An erasure takes packs
away, those too that are being made (`exports`), after it has noted that the person is gone: whatever a pack was made of before that
note, either its last look sees the note, or the erasure finds the upload under way, or the object.
"""

from __future__ import annotations

from functions.archive.tombstones import Certificate, Tombstones
from functions.common.clock import EPOCH
from functions.common.errors import Retryable


class PackOvertaken(Retryable):
    """Somebody was erased while a pack was being made: it is to be made again."""


class Lookout:
    """Made before anything is read for a pack. May raise `Unavailable`."""

    def __init__(self, tombstones: Tombstones) -> None:
        self._tombstones = tombstones
        self._before = self._known()

    @property
    def under_way(self) -> list[Certificate]:
        """Erasures that were begun by then and had not come to their end: whom they concern may be in a pack, until they take it away."""
        return [certificate for certificate in self._before if not certificate.gone]

    def check(self) -> None:
        """`PackOvertaken` unless nobody was erased since."""
        if [_stage(each) for each in self._known()] != [_stage(each) for each in self._before]:
            raise PackOvertaken("somebody was erased while the pack was being made: it is to be made again")

    def _known(self) -> list[Certificate]:
        return self._tombstones.certificates(EPOCH)


def _stage(certificate: Certificate) -> tuple[str, bool]:
    return certificate.id, certificate.gone
