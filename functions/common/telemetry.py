"""Logs and metrics: one log line per outcome, keys instead of prose, and counters in CloudWatch's embedded metric format.

No message text, contact or credential may be a key's value here. `METRICS` is the whole list; docs/operations.md explains
each, and a test compares the two.
"""

from __future__ import annotations

from typing import Any

NAMESPACE = "Postroom"

METRICS: dict[str, str] = {
    "Verified": "items (messages, receipts, echoes …) in webhooks that passed verification",
    "Enqueued": "messages that were put on the inbound queue",
    "Announced": "announcements in verified webhooks, whose messages are pulled",
    "Pulled": "items in pages that were pulled: each is Enqueued, Ignored or Malformed",
    "Ignored": "items that need nothing from us: receipts, echoes, follow events",
    "Malformed": "verified items that could not be read",
    "Unreadable": "verified webhooks in which nothing could be read: answered 400, so that the platform sends them again",
    "Rejected": "webhooks refused before anything was read",
    "QueueFailed": "webhooks answered 503 because the inbound queue did not take them",
    "Handshakes": "verification calls of a platform's console",
    "Stored": "messages stored for the first time",
    "Duplicates": "messages that were in the store already",
    "Held": "messages that wait for review",
    "Escalated": "escalation events that were emitted",
    "Masked": "messages whose text held personal data",
    "Repeats": "messages folded into an earlier one by the same sender",
    "CampaignCopies": "messages whose text many senders sent",
    "RecordsFailed": "queue records that were given back to be tried again",
    "Replied": "replies that a platform took",
    "NotReplied": "messages that were deliberately not answered by machine",
    "ReplyUnknown": "sends with an unknown outcome, now before a person",
    "ReplyFailed": "replies that a platform refused for good",
    "TextsRefused": "replies that were not sent because of what was in their texts",
    "ReplyRetried": "sends that will be tried again",
    "TemplatesRefused": "replies that were not sent because their template is missing, expired, or has a variable without a value",
    "Archived": "messages in archive parts that were proven readable",
    "ArchiveParts": "archive parts committed",
    "Cleaned": "archived messages that the retention policy removed",
    "PartsCopied": "archive parts whose second copy was proven",
    "CopiesFailed": "archive parts whose second copy could not be made or proven; they are tried again",
    "ExpiryHalted": "archive parts that could not be proven near their expiry, for which expiry was switched off",
    "ExpiryWatches": "rounds in which every part near its expiry was looked at",
    "DrillsPassed": "drills in which a sample came back out of the archive as it was filed",
    "DrillsFailed": "drills in which it did not",
    "BackupsDone": "backups of the table that are complete",
    "BackupsCopied": "objects of backups whose second copy was read back and is sound",
    "BackupsFailed": "backups of the table that ended badly and are begun again",
    "ArchiveRuns": "archive runs that left nothing to do",
    "ArchiveBehind": "ends of a chain of archive runs with work left",
    "ArchiveUnproven": "archive parts that did not read back as written",
    "MonthEndPacks": "month-end packs written to the export bucket",
    "PacksComplete": "evenings on which every month-end pack that is due was there",
    "Overdue": "conversations found past their due time and escalated",
    "BundleRefused": "configuration bundles that could not be taken; the last good one stays in force",
    "DeadLetters": "messages seen in dead-letter queues",
}


class Telemetry:
    """A function's log and counters. `service` is the function's name."""

    def __init__(self, service: str) -> None:
        from aws_lambda_powertools.logging import Logger

        self.service = service
        self._logger = Logger(service=service, location=None)

    def info(self, outcome: str, **keys: Any) -> None:
        """One line for an outcome."""
        self._logger.info(outcome, extra=keys)

    def warning(self, outcome: str, **keys: Any) -> None:
        """One line for an outcome that somebody may want to look at."""
        self._logger.warning(outcome, extra=keys)

    def error(self, outcome: str, fault: BaseException, **keys: Any) -> None:
        """One line for a fault: its type, and its own words where they are ours (other libraries' may quote the data)."""
        ours = type(fault).__module__.startswith("functions.")
        self._logger.error(outcome, extra=keys | {"fault": type(fault).__name__, "detail": str(fault) if ours else None})

    def count(self, counts: dict[str, int], **dimensions: str) -> None:
        """Emit the counters that are not zero, under the service and the given dimensions."""
        named = {name: value for name, value in counts.items() if value}
        if not named:
            return
        from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

        metrics = EphemeralMetrics(namespace=NAMESPACE, service=self.service)
        for dimension, label in dimensions.items():
            metrics.add_dimension(dimension, label)
        for name, value in named.items():
            assert name in METRICS, name
            metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
        metrics.flush_metrics()
