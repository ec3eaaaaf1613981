"""Where a signature does not cover the body, one captured signature would vouch for any body: each may vouch for one only.

The memory is this process's own. A platform's retry carries the same body and passes; another process has not seen the signature, so
this narrows the hole that such platforms leave and does not close it: where there is a mode that signs the body, use that.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

CAPACITY = 10_000


class ReplayMemory:
    """Signatures seen lately, each with the hash of the body it came with. The oldest are forgotten beyond `CAPACITY`."""

    def __init__(self) -> None:
        self._bodies: OrderedDict[str, bytes] = OrderedDict()

    def is_reused(self, signature: str, body: bytes) -> bool:
        """Whether the signature came with another body before; remembers it otherwise."""
        fingerprint = blake2b(body, digest_size=16).digest()
        known = self._bodies.setdefault(signature, fingerprint)
        if len(self._bodies) > CAPACITY:
            self._bodies.popitem(last=False)
        return known != fingerprint
