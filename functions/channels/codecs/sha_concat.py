"""A plain digest over a secret and the body, run together: Douyin (SHA-1), Feishu (SHA-256), Kuaishou (MD5).

No key separates the secret from what follows. With the secret in front (Douyin), whoever has one signed body can sign that body with
bytes of their choosing behind it, without the secret: the digest is a state that can be taken up again (trap T4). The body in
the middle of such a forgery holds the hash's own padding, a byte that is not UTF-8: read the whole body strictly or not at all.
"""

from __future__ import annotations

import hashlib
from typing import Literal

Algorithm = Literal["md5", "sha1", "sha256"]


def digest(algorithm: Algorithm, *parts: str | bytes) -> str:
    """Lower-case hex of the digest over the parts, in order, nothing between them. Text counts as UTF-8."""
    joined = b"".join(part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass") for part in parts)
    return hashlib.new(algorithm, joined, usedforsecurity=False).hexdigest()
