"""Tencent Cloud's request signature, version 3 (TC3-HMAC-SHA256), over content type, host and body.

https://cloud.tencent.com/document/api/382/52072; checked against the vendor's own SDK.
"""

from __future__ import annotations

import hmac
from datetime import datetime
from hashlib import sha256

ALGORITHM = "TC3-HMAC-SHA256"
CONTENT_TYPE = "application/json; charset=utf-8"
SIGNED = "content-type;host"


def signed_headers(
    *, host: str, action: str, version: str, region: str, body: bytes, secret_id: str, secret_key: str, at: datetime
) -> dict[str, str]:
    """Every header of a `POST /` with this body, `authorization` among them. The service is the host's first label."""
    service, day, timestamp = host.partition(".")[0], at.strftime("%Y-%m-%d"), str(int(at.timestamp()))
    scope = f"{day}/{service}/tc3_request"
    headers = f"content-type:{CONTENT_TYPE}\nhost:{host}\n"
    request = f"POST\n/\n\n{headers}\n{SIGNED}\n{sha256(body).hexdigest()}"
    signed = f"{ALGORITHM}\n{timestamp}\n{scope}\n{sha256(request.encode()).hexdigest()}"
    signature = hmac.new(_key(secret_key, day, service), signed.encode(), sha256).hexdigest()
    return {
        "host": host,
        "content-type": CONTENT_TYPE,
        "x-tc-action": action,
        "x-tc-version": version,
        "x-tc-region": region,
        "x-tc-timestamp": timestamp,
        "authorization": f"{ALGORITHM} Credential={secret_id}/{scope}, SignedHeaders={SIGNED}, Signature={signature}",
    }


def _key(secret_key: str, *scope: str) -> bytes:
    key = f"TC3{secret_key}".encode("utf-8", "surrogatepass")
    for each in (*scope, "tc3_request"):
        key = hmac.digest(key, each.encode(), "sha256")
    return key
