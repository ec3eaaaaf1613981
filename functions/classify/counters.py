"""What a batch did, counted: metrics by channel, and one hourly counter item per channel for the reports.

Counters are written last and once. A crash just before leaves a batch uncounted; counting earlier would count a batch that comes again
twice. Messages and conversations, not counters, are the record.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from functions.classify.desk import Desk
from functions.common import keys
from functions.common.errors import Unavailable
from functions.common.judgement import Judged


@dataclass(slots=True)
class Tally:
    """Counts by channel. `hourly` becomes attributes of the counter items: `stored`, `business_complaint`, `spam_ad` …"""

    metrics: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    hourly: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    shard_of: str = ""

    def duplicate(self, judged: Judged) -> None:
        """A message that came again after all was done."""
        self.metrics[judged.message.channel]["Duplicates"] += 1

    def done(self, judged: Judged) -> None:
        """A message whose every step is done, now for the first time."""
        channel, judgement, routing = judged.message.channel, judged.judgement, judged.routing
        held, escalated, masked = bool(routing.hold), bool(routing.escalate), bool(judged.masked)
        self.metrics[channel].update(Stored=1, Held=held, Escalated=escalated, Masked=masked)
        self.metrics[channel].update(Repeats=bool(judged.same_as), CampaignCopies=bool(judged.campaign))
        self.hourly[channel].update(("stored", f"business_{judgement.business}", f"language_{judgement.language}"))
        self.hourly[channel].update(f"content_{content}" for content in judgement.content)
        self.hourly[channel].update(urgent=judgement.urgency == "urgent", held=held, escalated=escalated, masked=masked)
        if judgement.spam != "none":
            self.hourly[channel][f"spam_{judgement.spam}"] += 1
        self.shard_of = self.shard_of or keys.split(judged.message.message_id).conv

    def write(self, desk: Desk, *, failed: int) -> None:
        """Emit the metrics and add to the hourly counters. Counters that cannot be written fail nothing: nothing would be regained."""
        for channel, counts in self.metrics.items():
            desk.telemetry.count(dict(counts), channel=channel)
        desk.telemetry.count({"RecordsFailed": failed})
        now = desk.clock()
        for channel, deltas in self.hourly.items():
            try:
                desk.store.count(now, channel, dict(deltas), keys.shard(self.shard_of, desk.shards))
            except Unavailable as fault:
                desk.telemetry.error("not_counted", fault, channel=channel, counts=dict(deltas))
