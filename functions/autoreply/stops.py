"""What an operator has stopped: everything, a channel, an account, or one rule's replies."""

from __future__ import annotations

from dataclasses import dataclass

ALL = "all"


@dataclass(frozen=True, slots=True)
class Stops:
    """Scopes in which no machine may answer: `all`, `channel:wechat_oa`, `account:wechat_oa/shop`, `rule:return_how`.

    A rule's scope carries the name of its template, its command or its FAQ entry: what `Candidate.template` says.
    """

    scopes: frozenset[str] = frozenset()

    def of_account(self, channel: str, account: str) -> str | None:
        """The widest scope that silences an account; None when it may speak."""
        wanted = (ALL, f"channel:{channel}", f"account:{channel}/{account}")
        return next((scope for scope in wanted if scope in self.scopes), None)

    def of_rule(self, name: str) -> str | None:
        """The scope that silences one rule's replies; None when they may go out."""
        scope = f"rule:{name}"
        return scope if scope in self.scopes else None


NOTHING = Stops()
