"""The signature of WeChat and its relatives: SHA-1 over the sorted, concatenated parts, as lower-case hex.

Plain mode signs token, timestamp and nonce: nothing of the body. Safe mode's `msg_signature` adds the `Encrypt` text, and with it
the body. The parts run together unmarked, so bytes may be moved from one to its neighbour without changing the signature: whoever
remembers a signature must remember the signature itself, not the parts it came with.
https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/Access_Overview.html
"""

from __future__ import annotations

from hashlib import sha1


def sorted_sha1(*parts: str) -> str:
    """The signature over the parts, the token among them. 40 hex digits."""
    joined = "".join(sorted(parts)).encode("utf-8", "surrogatepass")
    return sha1(joined).hexdigest()  # noqa: S324  (the vendor's choice)
