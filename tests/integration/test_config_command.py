"""`postroom config`: what is wrong is said in one line, and what was published can be brought back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from moto import mock_aws
from typer.testing import CliRunner

from functions.common import aws
from functions.common.bundle import BundleSource, fetch_from_s3, read_bundle
from functions.common.telemetry import Telemetry
from infra.cli.app import app
from infra.cli.bundle import CONFIG, compile_bundle
from tests.fakes import template

runner = CliRunner()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CONFIG, tmp_path / "config"))


@pytest.fixture
def bucket() -> Iterator[str]:
    with mock_aws():
        aws.client.cache_clear()
        s3, name = aws.client("s3"), template.bucket_name("ConfigBucket")
        s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        yield name
        aws.client.cache_clear()


def edit(path: Path, change: object) -> None:
    content = yaml.safe_load(path.read_text())
    change(content)  # type: ignore[operator]
    path.write_text(yaml.safe_dump(content, allow_unicode=True))


def said(*arguments: str, code: int = 0) -> str:
    result = runner.invoke(app, ["config", *arguments])
    assert result.exit_code == code, result.output
    assert ("Traceback" not in result.output and len(result.output.strip().splitlines()) == 1) or code == 0
    return result.output.strip()


def test_the_shipped_configuration_is_sound() -> None:
    assert read_bundle(compile_bundle()).hash in said("check")


WRONG = {
    "rules.yaml": (lambda c: c["rules"][0].update(when={"contians": ["x"]}), "rules"),
    "teams.yaml": (lambda c: c.update(default="nobody"), "nobody"),
    "replies.yaml": (lambda c: c["templates"]["welcome"].update(zh="{nothing}"), "welcome"),
    "calendar.yaml": (lambda c: c.update(zone="Mars/Base"), "Mars"),
    "faq.yaml": (lambda c: c["entries"]["returns"]["zh"].update(answer=""), "faq.entries.returns.zh.answer"),
    "retention.yaml": (lambda c: c.update(unknown=1), "unknown"),
    "duty.yaml": (lambda c: c.update(unknown=1), "unknown"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_in_any_file_is_named(directory: Path, name: str) -> None:
    change, named = WRONG[name]
    edit(directory / name, change)
    assert named in said("check", "--directory", str(directory), code=1)


def test_a_rule_that_names_a_missing_template_is_refused(directory: Path) -> None:
    edit(directory / "replies.yaml", lambda c: c["templates"].pop("opening_hours"))
    assert "opening_hours" in said("check", "--directory", str(directory), code=1)


def test_a_rule_about_a_channel_that_does_not_exist_is_refused(directory: Path) -> None:
    edit(directory / "rules.yaml", lambda c: c["rules"][0].update(when={"any": [{"channel": "wechat"}]}))
    assert "rule money-transfer: no channel wechat" in said("check", "--directory", str(directory), code=1)


def test_a_missing_file_is_named(directory: Path) -> None:
    (directory / "teams.yaml").unlink()
    assert "teams" in said("check", "--directory", str(directory), code=1)


def test_publish_and_rollback(directory: Path, bucket: str) -> None:
    first = said("publish", "--bucket", bucket).split()[-1]
    edit(directory / "teams.yaml", lambda c: c["teams"]["finance"].update(name="财务部"))
    second = said("publish", "--bucket", bucket, "--directory", str(directory)).split()[-1]
    source = BundleSource(
        compile_bundle(),
        lambda b: b.hash,
        fetch=fetch_from_s3(aws.client("s3"), bucket),
        clock=_clock(),
        telemetry=Telemetry("test"),
    )
    assert source.current() == second != first
    assert said("rollback", first, "--bucket", bucket) == f"{first} is in force again"
    assert source.current() == first
    assert [line.split()[0] for line in said("history", "--bucket", bucket).splitlines()] == [first, second, first]
    assert "never" not in said("rollback", second, "--bucket", bucket)
    assert "0000" in said("rollback", "0000", "--bucket", bucket, code=1)


def test_a_team_does_not_go_unnoticed(directory: Path, bucket: str) -> None:
    said("publish", "--bucket", bucket)
    edit(directory / "teams.yaml", lambda c: c["teams"].update(till={"name": "收银组"}))
    said("publish", "--bucket", bucket, "--directory", str(directory))
    assert "till" in said("publish", "--bucket", bucket, code=1)
    assert "published" in said("publish", "--bucket", bucket, "--drop-team", "till")


def _clock() -> object:
    from datetime import UTC, datetime, timedelta

    ticks = iter(range(1000))
    return lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=next(ticks))


def test_a_bad_bundle_never_replaces_a_good_one(bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    from functions.common.bundle import CURRENT_KEY

    good = said("publish", "--bucket", bucket).split()[-1]
    source = BundleSource(
        compile_bundle(),
        lambda b: b.hash,
        fetch=fetch_from_s3(aws.client("s3"), bucket),
        clock=_clock(),
        telemetry=Telemetry("test"),
    )
    assert source.current() == good
    for bad in (b"", b"{}", b"[1]", compile_bundle()[:-5], compile_bundle().replace("财务组".encode(), "别的组".encode())):
        aws.client("s3").put_object(Bucket=bucket, Key=CURRENT_KEY, Body=bad)
        assert source.current() == good
    assert '"BundleRefused"' in capsys.readouterr().out


def test_a_bucket_that_refuses_is_one_line(bucket: str) -> None:
    assert "NoSuchBucket" in said("publish", "--bucket", "no-such-bucket-here", code=1)
