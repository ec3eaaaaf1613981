"""A budget per day: a counter in the table that is drawn before each use, so that all processes together stay within it."""

from __future__ import annotations

from functions.common.clock import Clock
from functions.common.table import ConditionFailed, Table

_KEPT_SECONDS = 2 * 24 * 60 * 60


class DayBudget:
    """At most `per_day` uses of what `name` names, by UTC days; one write each. What was drawn is not given back."""

    def __init__(self, table: Table, name: str, per_day: int, *, clock: Clock) -> None:
        self.table = table
        self.name = name
        self.per_day = per_day
        self.clock = clock

    def draw(self) -> bool:
        """Count one more use; False when today's are spent. `Unavailable` when the table does not say."""
        now = self.clock()
        values = {":one": 1, ":most": self.per_day, ":exp": int(now.timestamp()) + _KEPT_SECONDS}
        try:
            self.table.update(
                f"U#{self.name}",
                f"{now:%Y%m%d}",
                "SET #exp = :exp ADD #drawn :one",
                condition="(attribute_not_exists(#drawn) AND :most > :none) OR #drawn < :most",
                values=values | {":none": 0},
            )
        except ConditionFailed:
            return False
        return True
