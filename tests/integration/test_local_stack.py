"""The local stack as its user meets it: real HTTP, real handlers, real processes; and how it ends."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest
import urllib3

from infra.cli.bundle import CONFIG
from infra.local import template
from infra.local.engine import ROOT, Engine
from infra.local.errors import CannotStart, PortTaken, TemplateInvalid
from infra.local.stack import Stack
from infra.simulators.contract import Webhook

HTTP = urllib3.PoolManager(retries=False, timeout=60)
ACCOUNTS = [("generic", "demo"), ("wechat_oa", "demo"), ("wechat_oa", "plain"), ("twilio", "demo")]
QUESTION = "你好，请问可以开发票吗？"
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")


@pytest.fixture(scope="module")
def stack(tmp_path_factory) -> Iterator[Stack]:
    with Stack(0, directory=tmp_path_factory.mktemp("stack"), retry_seconds=0.2) as running:
        yield running


def post(stack: Stack, channel: str, account: str, webhook: Webhook) -> int:
    query = f"?{webhook.query}" if webhook.query else ""
    url = f"{stack.url}/webhooks/{channel}/{account}{query}"
    return HTTP.request(webhook.method, url, headers=dict(webhook.headers), body=webhook.body).status


def ask(stack: Stack, method: str, path: str, body: dict | None = None) -> dict:
    answer = HTTP.request(method, stack.url + path, body=json.dumps(body) if body else None)
    assert answer.status == 200, answer.data
    return answer.json()


def drain(stack: Stack) -> None:
    assert ask(stack, "POST", "/_local/drain?timeout=60")["idle"]


def stored(stack: Stack, contact: str) -> list[dict]:
    return [message for message in ask(stack, "GET", "/_local/messages")["messages"] if message["contact"] == contact]


def replies(stack: Stack, contact: str) -> list[dict]:
    return [reply for reply in ask(stack, "GET", "/_local/outbox")["outbox"] if reply["contact"] == contact]


def somebody(channel: str) -> str:
    return f"+1500{Random(uuid4().int).randrange(10**7):07d}" if channel == "twilio" else f"u-{uuid4().hex}"


def test_it_is_healthy(stack):
    assert ask(stack, "GET", "/health") == {"status": "ok"}


def test_a_function_calls_another_invocation_of_itself_as_it_would_on_aws(stack):
    client = Engine({"AWS_ENDPOINT_URL": stack.url}, stack.log_dir).client("lambda")
    before = (stack.log_dir / "archive.log").read_text().count('"message":"archived"')
    answer = client.invoke(FunctionName="archive", InvocationType="Event", Payload=b'{"now": "2020-01-01T00:00:00Z"}')
    assert answer["StatusCode"] == 202
    drain(stack)
    assert (stack.log_dir / "archive.log").read_text().count('"message":"archived"') == before + 1


@pytest.mark.parametrize(("channel", "account"), ACCOUNTS)
def test_a_signed_webhook_becomes_one_labelled_answered_message_however_often_it_comes(stack, channel, account):
    contact = somebody(channel)
    webhook = stack.simulator(channel, account).text(contact, QUESTION)
    assert [post(stack, channel, account, webhook) // 100 for _ in range(3)] == [2, 2, 2]
    drain(stack)
    assert post(stack, channel, account, webhook) // 100 == 2  # a retry, long after
    drain(stack)
    (message,) = stored(stack, contact)
    assert (message["channel"], message["account"], message["text"]) == (channel, account, QUESTION)
    assert "invoice" in message["labels"]["content"]
    assert message["routing"]["team"] == "finance"
    assert message["reply"]["state"] == "sent"
    (reply,) = replies(stack, contact)
    assert (reply["in_reply_to"], reply["text"]) == (message["message_id"], message["reply"]["text"])


@pytest.mark.parametrize(("channel", "account"), ACCOUNTS)
def test_a_forged_webhook_is_refused_and_leaves_nothing(stack, channel, account):
    contact = somebody(channel)
    assert post(stack, channel, account, stack.simulator(channel, account).forged(contact, QUESTION)) in (401, 403)
    drain(stack)
    assert stored(stack, contact) == []


def test_unknown_channels_accounts_and_paths_are_not_found(stack):
    for path in ("/webhooks/nowhere/demo", "/webhooks/generic/nobody", "/webhooks/generic", "/elsewhere"):
        assert HTTP.request("POST", stack.url + path, body=b"{}").status == 404


def test_a_conversation_keeps_its_order(stack):
    contact = somebody("generic")
    simulator = stack.simulator("generic")
    for number in range(5):
        assert post(stack, "generic", "demo", simulator.text(contact, f"第{number}句")) == 202
    drain(stack)
    messages = stored(stack, contact)
    assert [(message["seq"], message["text"]) for message in messages] == [(n + 1, f"第{n}句") for n in range(5)]
    (conversation,) = [c for c in ask(stack, "GET", "/_local/conversations")["conversations"] if c["contact"] == contact]
    assert conversation["count"] == 5
    asked = ask(stack, "GET", f"/_local/messages?conversation={conversation['conversation']}")["messages"]
    assert asked == messages


def test_schedules_run_for_a_later_moment(stack):
    contact = somebody("generic")
    post(stack, "generic", "demo", stack.simulator("generic").text(contact, QUESTION))
    drain(stack)
    later = {"now": "2099-01-01T00:00:00Z"}
    assert ask(stack, "POST", "/_local/schedules/archive", later)["messages"] >= 1
    ask(stack, "POST", "/_local/schedules/escalate", later)
    assert HTTP.request("POST", f"{stack.url}/_local/schedules/nightly").status == 404


def test_every_queue_is_shown(stack):
    names = [queue["name"] for queue in ask(stack, "GET", "/_local/queues")["queues"]]
    assert sorted(names) == ["inbound", "inbound-dead", "pulls", "pulls-dead", "replies", "replies-dead"]


def test_commands_find_the_stack_by_its_environ_and_people_answer_through_its_platforms(stack):
    contact = somebody("generic")
    post(stack, "generic", "demo", stack.simulator("generic").text(contact, "转人工"))
    drain(stack)
    (message,) = stored(stack, contact)
    command = f'. "$1"; exec "{sys.executable}" -m infra.cli conversation reply "$2" "您好,我是小李"'
    words = ["sh", "-c", command, "sh", str(stack.log_dir.parent / "environ"), message["conversation"]]
    answered = subprocess.run(words, cwd=ROOT, env={"PATH": os.environ["PATH"]}, text=True, capture_output=True, check=False)
    assert (answered.stdout, answered.stderr) == ("sent\n", "")
    assert replies(stack, contact)[-1]["text"] == "您好,我是小李"


def test_logs_hold_lines_of_json_and_neither_texts_nor_people_nor_secrets(stack):
    contact = somebody("generic")
    post(stack, "generic", "demo", stack.simulator("generic").text(contact, "我的手机号是13800138000"))
    drain(stack)
    logs = {path.name: path.read_text(encoding="utf-8") for path in stack.log_dir.glob("*.log")}
    for name in ("ingest.log", "classify.log", "autoreply.log"):
        assert [json.loads(line) for line in logs[name].splitlines()]
    secrets = [
        line.split(": ", 1)[1].strip()
        for line in (CONFIG / "channels.local.yaml").read_text(encoding="utf-8").splitlines()
        if line.split(":")[0].strip() in ("secret", "auth_token", "app_secret", "token", "encoding_aes_key")
    ]
    assert len(secrets) >= 5
    assert not [(name, known) for name, log in logs.items() for known in (*secrets, contact, "13800138000") if known in log]


def test_what_another_endpoint_holds_is_found_again_by_the_next_run(tmp_path):
    """`AWS_ENDPOINT_URL` at work: the engine outlives the stack."""
    engine = Engine({"PATH": os.environ["PATH"]}, tmp_path)
    try:
        engine.start()
        environ = {"PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": engine.environ["AWS_ENDPOINT_URL"]}
        contact = somebody("generic")
        with Stack(0, directory=tmp_path, environ=environ) as first:
            post(first, "generic", "demo", first.simulator("generic").text(contact, QUESTION))
            drain(first)
        with Stack(0, directory=tmp_path, environ=environ) as second:
            assert len(stored(second, contact)) == 1
    finally:
        engine.stop()


# --- ends and failures ---


def children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == str(pid) and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def started(*arguments: str, **environ: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "infra.cli", "run", "--port", "0", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | environ, text=True, **pipes)


@needs_proc
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_is_left_behind(tmp_path, how):
    with started("--log-dir", str(tmp_path / "logs")) as running:
        assert "Postroom is up at http://127.0.0.1:" in running.stdout.readline()
        ends = [os.pidfd_open(pid) for pid in children(running.pid)]
        assert len(ends) == 8  # moto, ingest twice, and the five others
        running.send_signal(how)
        assert running.wait(20) == (-signal.SIGKILL if how == signal.SIGKILL else 0)
        assert "Traceback" not in running.stderr.read()
        for end in ends:
            assert select.select([end], [], [], 20)[0]
            os.close(end)


@needs_proc
def test_without_its_engine_it_ends_and_says_so(tmp_path):
    with started("--log-dir", str(tmp_path / "logs")) as running:
        running.stdout.readline()
        (engine,) = [pid for pid in children(running.pid) if "moto" in Path(f"/proc/{pid}/cmdline").read_text()]
        os.kill(engine, signal.SIGKILL)
        assert running.wait(20) == 1
        *_, last = running.stderr.read().splitlines()
        assert last.startswith("postroom: moto has died") and "start again" in last


def said_on_failure(running: subprocess.Popen[str]) -> str:
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith("postroom: ")
    return line


def test_a_taken_port_is_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"port {port} is taken" in said_on_failure(started("--port", port, "--log-dir", str(tmp_path)))


def test_an_endpoint_where_nobody_answers_is_one_line(tmp_path):
    running = started("--log-dir", str(tmp_path), AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert "does not answer at http://127.0.0.1:9" in said_on_failure(running)


@pytest.mark.parametrize("module", ["samtranslator", "typer", "boto3", "yaml"])
def test_a_missing_python_module_is_one_line(tmp_path, module):
    code = f"import sys; sys.modules[{module!r}] = None; from infra.cli.__main__ import main; main()"
    command = [sys.executable, "-c", code, "run", "--port", "0", "--log-dir", str(tmp_path)]
    running = subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert f"Python module {module} is missing" in said_on_failure(running)


def running_here() -> set[int | str]:
    """This process's children, where the system tells, and its threads."""
    return {*children(os.getpid()), *(thread.name for thread in threading.enumerate())}


def failed_start(tmp_path: Path, error: type[CannotStart], says: str, **arguments) -> None:
    before = running_here()
    with pytest.raises(error, match=says) as caught, Stack(0, directory=tmp_path, **arguments):
        pass
    assert "\n" not in str(caught.value)
    assert running_here() <= before


def test_a_broken_template_is_one_line_and_leaves_nothing_running(tmp_path):
    path = tmp_path / "template.yaml"
    path.write_text("Resources: [")
    failed_start(tmp_path, TemplateInvalid, "line 1", template_path=path)


def test_a_function_that_is_not_there_is_one_line_and_leaves_nothing_running(tmp_path):
    path = tmp_path / "template.yaml"
    path.write_text(template.PATH.read_text().replace("functions.escalate.handler", "functions.escalator.handler"))
    failed_start(tmp_path, CannotStart, "function escalator cannot be loaded: ModuleNotFoundError", template_path=path)


@pytest.mark.parametrize(
    ("name", "says"), [("rules.yaml", "config: rules.yaml: line"), ("channels.local.yaml", "channels.local.yaml: line")]
)
def test_bad_yaml_is_one_line_and_leaves_nothing_running(tmp_path, name, says):
    config = tmp_path / "config"
    shutil.copytree(CONFIG, config)
    (config / name).write_text("a: [1")
    failed_start(tmp_path, CannotStart, says, config=config)


def test_a_directory_that_cannot_be_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    failed_start(tmp_path, CannotStart, "cannot write to", log_dir=tmp_path / "file" / "logs")


def test_what_operators_are_told_is_there_while_it_is_true(tmp_path):
    with Stack(0, directory=tmp_path):
        first = (tmp_path / "environ").read_text()
        with Stack(0, directory=tmp_path):
            assert (tmp_path / "environ").read_text() != first
        assert not (tmp_path / "environ").exists()
        (tmp_path / "environ").write_text("export TABLE_NAME=another\n")
    assert (tmp_path / "environ").read_text() == "export TABLE_NAME=another\n"


def test_a_second_stack_on_the_same_port_is_refused(stack, tmp_path):
    with pytest.raises(PortTaken), Stack(stack.port, directory=tmp_path):
        pass
    assert ask(stack, "GET", "/health") == {"status": "ok"}
