"""A signature over the complete URL and the form's fields, as Twilio makes it.

`base64(HMAC(secret, url + name1 + value1 + name2 + value2 …))`: names sorted, each name's values sorted and de-duplicated.
The URL is the one that the platform was told, so it is built from the configured public URL, never from a Host or
X-Forwarded-* header, which the sender chooses. https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Iterable
from typing import Literal
from urllib.parse import urlsplit

Algorithm = Literal["sha1", "sha256"]


def signature(secret: str, url: str, fields: Iterable[tuple[str, str]], algorithm: Algorithm) -> str:
    """Base64 of the MAC. Sorting distinct (name, value) pairs sorts the names, and within a name its values."""
    signed = url + "".join(name + value for name, value in sorted(set(fields)))
    digest = hmac.new(secret.encode("utf-8", "surrogatepass"), signed.encode("utf-8", "surrogatepass"), algorithm).digest()
    return b64encode(digest).decode()


def signed_urls(public_url: str, path: str, raw_query: str) -> tuple[str, ...]:
    """Every spelling of the URL that the platform may have signed, the likeliest first; at most twelve.

    `public_url` is the complete URL as typed into the platform's console, or a base in front of our `path`. Its fragment
    (Twilio's connection overrides) is not part of what is signed. Platforms sign with and without the port, and with an
    apostrophe in the query either plain or as %27.
    """
    parts = urlsplit(public_url)
    paths = [parts.path]
    if not parts.path.endswith(path):
        paths.append(parts.path.rstrip("/") + path)
    origins = [f"{parts.scheme}://{netloc}" for netloc in _netlocs(parts.scheme, parts.netloc)]
    queries = _spellings(raw_query or parts.query)
    return tuple(f"{origin}{place}{query}" for place in reversed(paths) for query in queries for origin in origins)


def _netlocs(scheme: str, netloc: str) -> tuple[str, str]:
    host, colon, port = netloc.rpartition(":")
    if colon and port.isdecimal():
        return host, netloc
    return netloc, f"{netloc}:{443 if scheme == 'https' else 80}"


def _spellings(query: str) -> tuple[str, ...]:
    if not query:
        return ("",)
    return tuple(dict.fromkeys(f"?{q}" for q in (query, query.replace("%27", "'"), query.replace("'", "%27"))))
