"""A process that dies just before or just after its n-th call to AWS or to a platform.

`Death` derives from BaseException: no `except Exception` of the code under test can survive it, as none survives a kill.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from unittest import mock

from botocore.client import BaseClient

from functions.common.outbound import PlatformHttp

When = Literal["before", "after"]


class Death(BaseException):
    """The process is gone."""


@dataclass
class Watch:
    """Counts calls; dies at call `at` (from 0), before or after it was carried out. `calls` names every call made."""

    at: int | None = None
    when: When = "before"
    calls: list[str] = field(default_factory=list)

    def around(self, name: str, call: Callable[[], Any]) -> Any:
        """Make a call, or die."""
        mine = len(self.calls) == self.at
        self.calls.append(name)
        if mine and self.when == "before":
            raise Death(name)
        result = call()
        if mine:
            raise Death(name)
        return result


@contextmanager
def watching(watch: Watch) -> Iterator[Watch]:
    """Put a watch on every call to AWS and to platforms."""
    api_call, exchange = BaseClient._make_api_call, PlatformHttp.request

    def aws_call(client: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
        return watch.around(operation, lambda: api_call(client, operation, arguments))

    def platform_call(outbound: PlatformHttp, method: str, url: str, **rest: Any) -> Any:
        return watch.around(f"{method} platform", lambda: exchange(outbound, method, url, **rest))

    with mock.patch.object(BaseClient, "_make_api_call", aws_call), mock.patch.object(PlatformHttp, "request", platform_call):
        yield watch
