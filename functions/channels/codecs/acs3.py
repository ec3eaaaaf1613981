"""Alibaba Cloud's request signature, version 3 (ACS3-HMAC-SHA256).

https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature; its worked example is a test.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from urllib.parse import quote

ALGORITHM = "ACS3-HMAC-SHA256"


def query_string(parameters: Mapping[str, str]) -> str:
    """The parameters sorted and percent-encoded as RFC 3986 has it: what is signed, and what stands in the URL."""
    pairs = ((quote(name, safe=""), quote(value, safe="", errors="replace")) for name, value in sorted(parameters.items()))
    return "&".join(f"{name}={value}" for name, value in pairs)


def signed_headers(
    *, host: str, action: str, version: str, query: str, body: bytes, key_id: str, secret: str, at: datetime, nonce: str
) -> dict[str, str]:
    """Every header of a `POST /` with this query and body, `authorization` among them. `nonce` must not come twice."""
    headers = {
        "host": host,
        "x-acs-action": action,
        "x-acs-content-sha256": sha256(body).hexdigest(),
        "x-acs-date": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": nonce,
        "x-acs-version": version,
    }
    names = ";".join(headers)  # they stand in alphabetical order
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"POST\n/\n{query}\n{lines}\n{names}\n{headers['x-acs-content-sha256']}"
    signed = f"{ALGORITHM}\n{sha256(request.encode()).hexdigest()}"
    signature = hmac.new(secret.encode("utf-8", "surrogatepass"), signed.encode(), sha256).hexdigest()
    return headers | {"authorization": f"{ALGORITHM} Credential={key_id},SignedHeaders={names},Signature={signature}"}
