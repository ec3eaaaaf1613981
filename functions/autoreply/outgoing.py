"""What must not go out, whoever wrote it: words that operators deny, personal data, links to strangers. Pure.

The texts of config/ are checked when it is published, and every text once more, complete, before a machine sends it: a value that was
filled in may bring what the template did not have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from functions.common.errors import BundleInvalid
from functions.common.folding import fold, fold_keyword
from functions.common.masking import find
from functions.common.sections import read_section

Kind = Literal["denied_word", "personal_data", "link"]

# Without a scheme only what ends in one of these is a link: "9.30" and "Hello.Thanks" are none.
_ENDINGS = (
    r"ai|app|art|biz|cc|cloud|club|cn|co|com|de|dev|edu|eu|fm|fr|fun|gd|gl|gov|hk|icu|info|io|it|jp|kr|la|life|link|live|ltd|ly|me|mobi|net|"
    r"online|org|pro|pub|pw|ru|sg|shop|site|store|tech|tk|top|tv|tw|uk|us|vip|wang|win|work|world|ws|xin|xyz"
)
_SCHEME = re.compile(r"(?<![a-z0-9])(?:[a-z][a-z0-9+.-]{1,20}://|weixin:|javascript:|data:|tel:|sms:)[^\s<>\"'）】」]*")
_BARE = re.compile(rf"(?<![a-z0-9_@.-])(?:[a-z0-9_-]{{1,63}}\.)+(?:{_ENDINGS})(?![a-z0-9_-]|\.[a-z0-9])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """Why a text may not go out. `found` names the word, the kind of personal data (never the data), or the link's host."""

    kind: Kind
    found: str


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    deny: list[Annotated[str, StringConstraints(min_length=1, max_length=100)]] = Field(default_factory=list)
    links: list[Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")]] = Field(default_factory=list)
    ours: list[Annotated[str, StringConstraints(min_length=3, max_length=100)]] = Field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """config/outgoing.yaml, checked. `deny` is folded; a host of `links` stands for those below it; `ours` are numbers and addresses of
    the house, which are nobody's personal data.
    """

    deny: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()

    def objections(self, text: str) -> tuple[Objection, ...]:
        """Everything that is wrong with a text; nothing, if it may go out."""
        folded = fold(text).text
        return tuple(dict.fromkeys((*self._denied(folded), *self._personal(text), *self._strange(folded))))

    def _denied(self, folded: str) -> Iterator[Objection]:
        closed = re.sub(r"[\W_]+", "", folded)
        for word in self.deny:
            if word in folded or (not word.isascii() and word in closed):
                yield Objection(kind="denied_word", found=word)

    def _personal(self, text: str) -> Iterator[Objection]:
        for known in self.ours:
            text = text.replace(known, " ")
        yield from (Objection(kind="personal_data", found=finding.kind) for finding in find(text))

    def _strange(self, folded: str) -> Iterator[Objection]:
        hosts = [*map(_host, _SCHEME.findall(folded)), *_BARE.findall(_SCHEME.sub(" ", folded))]
        for host in hosts:
            if not any(host == allowed or host.endswith(f".{allowed}") for allowed in self.links):
                yield Objection(kind="link", found=host)


def read_outgoing(section: Any) -> Outgoing:
    """The check out of the bundle's section `outgoing`; `BundleInvalid` names the first field that is wrong."""
    read = read_section(_Section, "outgoing", section)
    deny = tuple(map(fold_keyword, read.deny))
    if not all(deny):
        raise BundleInvalid("outgoing.deny: a word that leaves nothing to look for")
    return Outgoing(deny=deny, links=tuple(read.links), ours=tuple(read.ours))


def _host(link: str) -> str:
    """The host that a link leads to, whatever stands before an @; a link without one by its scheme."""
    scheme, separator, rest = link.partition("://")
    if not separator:
        return f"{link.partition(':')[0]}:"
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    host = authority.rpartition("@")[2].partition(":")[0].strip(".")
    return host if scheme in ("http", "https") and host else f"{scheme}:"
