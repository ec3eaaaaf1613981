"""What wakes the archive: a schedule, a person, or the archive itself when it goes on."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from functions.common.clock import Clock, to_iso
from functions.common.invalid import first_fault
from functions.common.schedule import MalformedSchedule, moment

Action = Literal["archive", "month_end", "watch", "backup", "drill"]


class Wake(BaseModel):
    """`action` is what is to be done, `now` the moment to work for (None: the clock's), `link` the place in a chain of invocations.

    A watch goes on `after` the place at which the last link ended, and knows whether an earlier one `halted` expiry.
    """

    # EventBridge's own fields may stand beside ours; they are none of our business.
    model_config = ConfigDict(frozen=True, extra="ignore")

    action: Action = "archive"
    now: AwareDatetime | None = None
    link: int = Field(default=1, ge=1)
    after: str = ""
    halted: bool = False

    def moment(self, clock: Clock) -> datetime:
        """The moment to work for, UTC."""
        return moment({"now": self.now}, clock)

    def next(self, told: dict[str, Any]) -> dict[str, Any]:
        """The event of the invocation that goes on where this one ended, as it `told`."""
        named = {} if self.now is None else {"now": to_iso(self.now)}
        reached = {name: told[name] for name in ("after", "halted") if told.get(name)}
        return {"action": self.action, "link": self.link + 1, **named, **reached}


def read_wake(event: Any) -> Wake:
    """The event as it is meant; `MalformedSchedule`, naming the field, otherwise."""
    try:
        return Wake.model_validate(event or {})
    except ValidationError as error:
        fault = first_fault(error)
        raise MalformedSchedule(f"{fault.place}: {fault.says}") from None
