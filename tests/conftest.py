"""What every test has: dummy AWS credentials, no bytecode surprises, and Hypothesis without deadlines (machines are noisy)."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, settings

# Before any boto3 client: a test must never meet somebody's real account.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    if not name.startswith("AWS_ENDPOINT_URL"):
        del os.environ[name]
os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}

settings.register_profile(
    "postroom", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.load_profile("postroom")


BEGAN = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(autouse=True)
def _told_now(request: pytest.FixtureRequest) -> None:
    """A story told at the present `AT` is told when its test begins, not when its module was read: a webhook may not be old.

    An `AT` from before the session is a date the test means, and stays."""
    now = datetime.now(UTC).replace(microsecond=0)
    for module in (request.module, sys.modules.get("tests.faults.test_crash_anywhere")):
        told = getattr(module, "AT", None)
        if isinstance(told, datetime) and BEGAN <= told <= now:
            module.AT = now
