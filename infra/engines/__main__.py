"""`python -m infra.engines`: the tests that run against real engines; exits 0 with one line where there are none to be had.

`--required` makes that a failure, `-- command …` runs another command with the engines up.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from infra.engines.maven import EngineUnavailable
from infra.engines.servers import EngineFailed, dynamodb_local, elasticmq, java
from infra.packaging import ROOT

CACHE = ROOT / ".local" / "engines"
TESTS = (
    (sys.executable, "-m", "pytest", "tests/contract/test_store.py"),
    (sys.executable, "-m", "pytest", "-m", "engines"),
)


def main(arguments: list[str]) -> int:
    """Start the engines, run what is to run, stop them whatever happens; the exit status of the first command that fails."""
    parser = argparse.ArgumentParser(prog="python -m infra.engines")
    parser.add_argument("--required", action="store_true", help="fail where an engine cannot be had")
    parser.add_argument("command", nargs="*", help="what to run instead of the tests")
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _unwind)
    try:
        java()
        with dynamodb_local(CACHE) as dynamodb, elasticmq(CACHE) as sqs:
            print(f"DynamoDB Local at {dynamodb}, ElasticMQ at {sqs}", flush=True)
            return _run([asked.command] if asked.command else TESTS, environment(dynamodb, sqs))
    except EngineUnavailable as missing:
        print(f"Tests against real engines skipped: {missing}", flush=True)
        return int(asked.required)
    except EngineFailed as failure:
        print(failure, file=sys.stderr)
        return 1


def environment(dynamodb: str, sqs: str) -> dict[str, str]:
    """The environment in which boto3 finds the engines. DynamoDB Local refuses a key id that is not letters and digits."""
    return {
        **os.environ,
        "AWS_ENDPOINT_URL_DYNAMODB": dynamodb,
        "AWS_ENDPOINT_URL_SQS": sqs,
        "POSTROOM_TEST_DYNAMODB_ENDPOINT": dynamodb,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }


def _run(commands: Sequence[Sequence[str]], environ: dict[str, str]) -> int:
    for command in commands:
        with subprocess.Popen(command, cwd=ROOT, env=environ) as process:
            try:
                status = process.wait()
            except BaseException:
                process.terminate()
                raise
        if status:
            return status
    return 0


def _unwind(number: int, _: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
