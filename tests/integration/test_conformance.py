"""`postroom channels test` for every channel against the local stack, and against addresses that are not what they should be."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from functions.channels import registry
from infra.cli.app import app
from infra.conformance import cases, matrix
from infra.conformance.cases import CASES, Stored, Verdict
from infra.local.stack import Stack
from tests.fakes.house import ACCOUNTS

runner = CliRunner()
CHANNELS = sorted(channel for channel, named in ACCOUNTS.items() if "demo" in named)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(0, directory=tmp_path_factory.mktemp("conformance")) as running:
        yield running


def test_every_channel_has_a_local_account() -> None:
    assert list(registry.names()) == CHANNELS


def test_every_case_of_the_kit_is_tried() -> None:
    names = [case.__name__ for case in CASES]
    assert names == [
        "handshake", "good", "forged", "stale", "replayed", "batch", "duplicate", "reordered", "beside", "retry_ladder",
        "unknown_kind", "oversize", "downgrade",
    ]  # fmt: skip


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_channel_conforms(stack: Stack, channel: str) -> None:
    result = runner.invoke(app, ["channels", "test", channel, "--url", stack.url])
    assert result.exit_code == 0, result.output
    assert "failed" not in result.output and result.output.count("passed") >= 5


@pytest.mark.parametrize("channel", ["feishu", "wechat_oa"])
def test_an_account_in_the_weakest_mode_has_nothing_to_be_downgraded_to(stack: Stack, channel: str) -> None:
    result = runner.invoke(app, ["channels", "test", channel, "--account", "plain", "--url", stack.url])
    assert result.exit_code == 0, result.output
    (line,) = (line for line in result.output.splitlines() if "downgrade" in line)
    assert "does not apply" in line


def test_a_platform_that_only_configuration_knows_conforms(stack: Stack) -> None:
    result = runner.invoke(app, ["channels", "test", "generic", "--account", "custom", "--url", stack.url])
    assert result.exit_code == 0, result.output
    # No handshake, and nothing that the configuration would tell from a message.
    assert (result.output.count("passed"), result.output.count("does not apply")) == (11, 2), result.output


@contextmanager
def answering(status: int) -> Iterator[str]:
    """A server that answers everything alike."""

    class Alike(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Alike)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("status", "case"), [(204, "forged"), (500, "good"), (401, "good")])
def test_an_address_that_answers_everything_alike_fails(status: int, case: str) -> None:
    with answering(status) as url:
        result = runner.invoke(app, ["channels", "test", "generic", "--url", url])
    assert result.exit_code == 1
    assert any(case in line and "failed" in line for line in result.output.splitlines())


def test_an_address_where_nobody_is_is_one_line() -> None:
    result = runner.invoke(app, ["channels", "test", "generic", "--url", "http://127.0.0.1:9"])
    assert result.exit_code == 1 and "does not answer" in str(result.output) and "Traceback" not in result.output


def test_a_channel_without_a_simulator_is_one_line(tmp_path):
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text("channels: {acme: {demo: {key: x}}}")
    result = runner.invoke(app, ["channels", "test", "acme", "--credentials", str(accounts)])
    assert (result.exit_code, result.output) == (
        1,
        "postroom: acme has no simulator to play the platform (infra/simulators/acme.py)\n",
    )


def test_a_signature_that_only_the_platform_can_make_is_one_line(stack, tmp_path):
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text('channels: {generic: {demo: {signature: {scheme: ed25519, header: X-Signature, key: "00"}}}}')
    result = runner.invoke(app, ["channels", "test", "generic", "--url", stack.url, "--credentials", str(accounts)])
    assert result.exit_code == 1
    assert result.output == "postroom: generic/demo: only the platform can sign by ed25519; send what it sends\n"


def test_an_account_that_nobody_knows_is_one_line() -> None:
    result = runner.invoke(app, ["channels", "test", "generic", "--account", "nobody"])
    assert result.exit_code == 1 and "nobody" in result.output


def test_messages_out_of_order_or_lost_between_receipts_fail_the_case() -> None:
    passed = Verdict("reordered", "passed", "accepted")
    stored = [{"contact": "ann", "kind": "text", "text": text} for text in ("后说的", "先说的")]
    wanted = Stored("ann", 2, texts=("先说的", "后说的"))
    assert cases.confirmed(passed, (wanted,), stored).outcome == "failed"
    assert cases.confirmed(passed, (wanted,), stored[::-1]).outcome == "passed"
    assert cases.confirmed(passed, (Stored("ann", 2),), stored[:1]).outcome == "failed"


def test_the_list_names_every_channel() -> None:
    listed = runner.invoke(app, ["channels"]).output
    assert all(channel in listed for channel in CHANNELS)


def test_the_table_in_the_document_is_what_the_code_does() -> None:
    page = Path(matrix.PAGE).read_text(encoding="utf-8")
    assert matrix.written(page) == page, "run `python -m infra.conformance.matrix`"


def test_all_channels_together_end_in_one_line_of_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = iter([Counter({"passed": 3}), Counter({"passed": 2, "failed": 1})] + [Counter({"does not apply": 1})] * 50)
    monkeypatch.setattr("infra.cli.channels._tested", lambda *_: next(seen))
    with answering(200) as url:
        result = runner.invoke(app, ["channels", "test", "all", "--url", url])
    assert result.exit_code == 1
    assert result.output.strip().endswith(f"{len(CHANNELS)} channels: {len(CHANNELS) - 2} does not apply, 1 failed, 5 passed")
