"""What an operator has stopped: everything, a channel, an account, or one rule's replies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ALL = "all"


@dataclass(frozen=True, slots=True)
class Stops:
    """Scopes in which no machine may answer: `all`, `channel:wechat_oa`, `account:wechat_oa/shop`, `rule:return_how`.

    A rule's scope carries the name of a rule of rules.yaml, of a template, of a command or of an entry of faq.yaml: see `names_of`.
    """

    scopes: frozenset[str] = frozenset()

    def of_account(self, channel: str, account: str) -> str | None:
        """The widest scope that silences an account; None when it may speak."""
        wanted = (ALL, f"channel:{channel}", f"account:{channel}/{account}")
        return next((scope for scope in wanted if scope in self.scopes), None)

    def of_rule(self, names: Iterable[str]) -> str | None:
        """The scope that silences replies which go by one of these names; None when they may go out."""
        return next((scope for scope in (f"rule:{name}" for name in names) if scope in self.scopes), None)


NOTHING = Stops()
