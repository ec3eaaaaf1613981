"""Errors, named for facts. Whether a fault is worth another try is its type: `Retryable` or `Poison`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Retryable(Exception):
    """The same input may succeed later: throttling, a time-out, a platform that is down."""


class Poison(Exception):
    """The same input will fail for ever: it belongs in a dead-letter queue, not in another try."""


class SettingsInvalid(Poison):
    """An environment variable that a function needs is missing or wrong. The message names it."""


class MalformedPayload(Poison):
    """A verified webhook whose body does not follow the platform's own format."""


class MalformedEnvelope(Poison):
    """A queue message that is not one of ours, or of a version this code does not know."""


class BundleInvalid(Poison):
    """A configuration bundle that cannot be used. The message names the field."""


class AccountUnknown(Poison):
    """No credentials are stored for this channel and account."""


class Unavailable(Retryable):
    """An AWS service did not answer, or answered with throttling or a fault of its own."""


@contextmanager
def aws_faults(operation: str) -> Iterator[None]:
    """Translate botocore's transport and service errors into `Unavailable`.

    A `ClientError` that states a fact about the data (a failed condition, a missing resource) is the caller's to read and
    must be caught inside the block; whatever leaves it is a fault of the service or of our permissions, and retried.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "Unknown")
        raise Unavailable(f"{operation}: {code}") from error
    except BotoCoreError as error:
        raise Unavailable(f"{operation}: {type(error).__name__}") from error
