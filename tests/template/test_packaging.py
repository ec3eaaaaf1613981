"""What is deployed: every function runs from its own artifact, the layer and Lambda's libraries alone, and stays small."""

from __future__ import annotations

import ast
import importlib.util
import json
import marshal
import platform
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from functions.autoreply.config import read_policy
from functions.common.bundle import dump_bundle, read_bundle
from functions.common.errors import BundleInvalid
from infra.cli.bundle import compile_bundle
from infra.packaging import ROOT, RUNTIME, PackagingFailed, function, layer, zipped_size
from infra.packaging import __main__ as command
from infra.packaging.bytecode import find_interpreter, replace_sources
from infra.packaging.function import NOT_READ, SHARED, build_function
from infra.packaging.imports import imported_names, source_of
from infra.packaging.layer import LAMBDA, IndexUnreachable, Machine, cached_layer
from infra.packaging.lean import lean
from infra.packaging.trimming import trim_channels
from tests.fakes.template import loaded

HANDLERS = {found.name: found.handler for found in loaded().functions}
# What Lambda's runtime brings: boto3, and what it needs.
LAMBDAS_OWN = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
KB = 1024

every_function = pytest.mark.parametrize("name", sorted(HANDLERS))


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every function's artifact, as sources: any Python can import them."""
    folder = tmp_path_factory.mktemp("artifacts")
    for name in HANDLERS:
        build_function(name, folder / name, default_bundle=compile_bundle)
    return {name: folder / name for name in HANDLERS}


@pytest.fixture(scope="module")
def shipped(artifacts: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every function's artifact as it is uploaded, with bytecode where a matching interpreter is found."""
    folder = tmp_path_factory.mktemp("shipped")
    for name, artifact in artifacts.items():
        shutil.copytree(artifact, folder / name)
        if interpreter := find_interpreter():
            replace_sources(folder / name, interpreter, unpacked_at=function.UNPACKED_AT)
    return {name: folder / name for name in artifacts}


def built_layer(machine: Machine | None) -> Path:
    try:
        return cached_layer(ROOT / ".local" / "layers", machine=machine)
    except IndexUnreachable as away:
        pytest.skip(f"no package index can be reached: {str(away).splitlines()[-1]}")


def modules(artifact: Path) -> list[str]:
    files = sorted(artifact.rglob("*.py"))
    return [".".join(path.relative_to(artifact).with_suffix("").parts).removesuffix(".__init__") for path in files]


def run_isolated(path: list[Path], source: str, *flags: str) -> list[str]:
    """The lines that `source` prints in a Python that sees `path` and nothing of this tree or the environment."""
    preamble = f"import sys; sys.path[:0] = {list(map(str, path))!r}; sys.dont_write_bytecode = True\n"
    outcome = subprocess.run(
        [sys.executable, "-I", *flags, "-c", preamble + source], capture_output=True, text=True, cwd=path[0], check=False
    )
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout.splitlines()


@every_function
def test_handler_is_imported_from_its_artifact_and_from_nowhere_else(artifacts: dict[str, Path], name: str) -> None:
    module, _, attribute = HANDLERS[name].rpartition(".")
    imports = "\n".join(f"import {found}" for found in modules(artifacts[name]))
    source = f"""
import {module}
assert callable({module}.{attribute})
{imports}
print(*(found.__file__ for name, found in sys.modules.items() if name.split(".")[0] == "functions"), sep="\\n")
"""
    files = run_isolated([artifacts[name]], source)
    assert len(files) == len(modules(artifacts[name]))
    assert [file for file in files if not Path(file).is_relative_to(artifacts[name])] == []


@every_function
def test_artifact_holds_every_module_it_names_and_no_other_function(artifacts: dict[str, Path], name: str) -> None:
    artifact = artifacts[name]
    here = modules(artifact)
    assert {module.split(".")[1] for module in here if "." in module} <= SHARED | {name}
    named = {found for module in here for found in imported_names(module, artifact)}
    missing = [module for module in named if source_of(module, ROOT) and not source_of(module, artifact)]
    assert missing == []


@every_function
def test_default_configuration_is_shipped_to_those_who_read_it(artifacts: dict[str, Path], name: str) -> None:
    bundle = artifacts[name] / "functions" / "bundle.json"
    reads = "functions.common.bundle" in modules(artifacts[name])
    assert bundle.exists() == reads
    assert not reads or read_bundle(bundle.read_bytes()).sections
    assert reads == (name not in {"ingest", "pull"})
    if reads:
        assert read_bundle(bundle.read_bytes()).hash == read_bundle(compile_bundle()).hash


def test_autoreply_works_by_what_its_default_bundle_holds(artifacts: dict[str, Path]) -> None:
    shipped = read_bundle((artifacts["autoreply"] / "functions" / "bundle.json").read_bytes())
    whole = read_bundle(compile_bundle())
    assert set(whole.sections) - set(shipped.sections) == set(NOT_READ["autoreply"])
    assert read_policy(shipped).book == read_policy(whole).book


def test_a_bundle_names_what_it_leaves_out_and_cannot_be_altered() -> None:
    sections = {"a": {"x": 1}, "b": {"y": 2}}
    part = dump_bundle(sections, without=("b",))
    assert read_bundle(part).hash == read_bundle(dump_bundle(sections)).hash and read_bundle(part).sections == {"a": {"x": 1}}
    earlier = b'{"format":1,"hash":"b6dc58344350","sections":{"a":{"x":1}}}'
    assert read_bundle(earlier).sections == {"a": {"x": 1}}
    for altered in (part.replace(b'"x":1', b'"x":2'), part.replace(b'"left_out":{"b":"', b'"left_out":{"b":"0'), part[:-5]):
        with pytest.raises(BundleInvalid):
            read_bundle(altered)


def test_channels_are_shipped_to_those_who_speak_to_platforms_only(artifacts: dict[str, Path]) -> None:
    with_channels = {name for name, artifact in artifacts.items() if (artifact / "functions" / "channels").exists()}
    assert with_channels == {"ingest", "pull", "autoreply"}
    shipped = {path.name for path in (artifacts["ingest"] / "functions" / "channels").glob("*.py")}
    assert shipped == {path.name for path in (ROOT / "functions" / "channels").glob("*.py")}


@every_function
def test_artifact_is_at_most_300_kb_zipped_beside_the_models_weights(
    artifacts: dict[str, Path], shipped: dict[str, Path], name: str
) -> None:
    weights = sum(path.stat().st_size for path in artifacts[name].rglob("*.weights"))
    assert (weights > 0) == (name == "classify")
    # At most 10 MB are allowed; loading in a tenth of a second bounds them sooner, and this takes nine hundredths.
    assert weights <= 8000 * KB
    assert zipped_size(shipped[name]) - weights <= 300 * KB
    assert zipped_size(artifacts[name]) - weights <= 300 * KB, "where no interpreter is found"


def test_layer_is_at_most_12_mb_zipped_and_made_for_lambdas_machine() -> None:
    built = built_layer(LAMBDA)
    assert zipped_size(built) <= 12 * KB * KB
    libraries = list(built.rglob("*.so"))
    assert libraries
    for library in libraries:
        header = library.read_bytes()[:20]
        assert header[:4] == b"\x7fELF"
        assert struct.unpack_from("<H", header, 18)[0] == 183, f"{library.name} is not for aarch64"
        assert any(tag in library.name for tag in ("cpython-313-aarch64", "abi3")), library.name


@every_function
def test_a_shipped_handler_runs_in_the_functions_own_python(shipped: dict[str, Path], name: str) -> None:
    interpreter = find_interpreter()
    if interpreter is None:
        pytest.skip(f"no {RUNTIME} on this machine")
    built = built_layer(Machine(platform.machine(), RUNTIME.removeprefix("python")))
    module = HANDLERS[name].rpartition(".")[0]
    path = [str(shipped[name]), str(built / "python") if (built / "python").exists() else str(built)]
    source = f"import sys; sys.path[:0] = {path!r}; import {module}; print({module}.__file__)"
    outcome = subprocess.run([interpreter.path, "-I", "-B", "-c", source], capture_output=True, text=True, cwd="/", check=False)
    assert outcome.returncode == 0, outcome.stderr
    assert Path(outcome.stdout.strip()).is_relative_to(shipped[name]) and outcome.stdout.strip().endswith(".pyc")


def test_layer_and_lambdas_own_libraries_are_all_that_functions_need(artifacts: dict[str, Path], tmp_path: Path) -> None:
    built = built_layer(None)
    for library in LAMBDAS_OWN:
        found = importlib.util.find_spec(library)
        assert found and found.origin
        source = Path(found.origin).parent if found.submodule_search_locations else Path(found.origin)
        (tmp_path / source.name).symlink_to(source)
    for artifact in artifacts.values():
        imports = "\n".join(f"import {found}" for found in modules(artifact))
        late = """
import boto3, pydantic, aws_lambda_powertools.logging, aws_lambda_powertools.metrics
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
AESGCM(bytes(32)).encrypt(bytes(12), b"text", None)
class Model(pydantic.BaseModel):
    name: str
Model.model_validate_json('{"name": "x"}')
print("ran")
"""
        assert run_isolated([artifact, built, tmp_path], imports + late, "-S") == ["ran"]


def test_wheels_are_chosen_for_the_templates_runtime_and_architecture() -> None:
    template = (ROOT / "template.yaml").read_text()
    globals_ = yaml.safe_load(template[template.index("Globals:") : template.index("Resources:")].replace("!", ""))["Globals"]
    assert globals_["Function"]["Runtime"] == RUNTIME
    assert globals_["Function"]["Architectures"] == ["arm64"]
    assert Machine("aarch64", RUNTIME.removeprefix("python")) == LAMBDA


def test_bytecode_is_valid_whatever_times_the_files_have_and_names_lambdas_paths(
    artifacts: dict[str, Path], shipped: dict[str, Path]
) -> None:
    interpreter = find_interpreter()
    if interpreter is None:
        pytest.skip(f"no {RUNTIME} on this machine")
    for name, artifact in shipped.items():
        sources, compiled = list(artifact.rglob("*.py")), list(artifact.rglob("*.pyc"))
        assert {path.parent.name for path in sources} <= {"channels", "codecs"}
        assert len(compiled) + len(sources) == len(modules(artifacts[name])), "each module is shipped once"
        assert {struct.unpack_from("<I", path.read_bytes(), 4)[0] for path in compiled} == {1}  # by hash, never checked
    if interpreter.path == sys.executable:  # only its own bytecode can be read here
        code = marshal.loads(compiled[0].read_bytes()[16:])
        assert code.co_filename.startswith("/var/task/functions/")
        assert '"""' in (artifacts[name] / compiled[0].relative_to(artifact)).with_suffix(".py").read_text()
        assert not isinstance(code.co_consts[0], str), "a docstring takes room and nobody reads it there"


def code_alone(source: str) -> str:
    """The code of a source with its lines' numbers, without docstrings, lone dots and the types in signatures."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            said = [ast.get_docstring(node, clean=False), ...]
            kept = [n for n in node.body if not (isinstance(n, ast.Expr) and getattr(n.value, "value", None) in said)]
            node.body = kept if kept else []
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        # Where something ends, and in which column it stands, may hang on what was left out; its line does not.
        for place in ("col_offset", "end_lineno", "end_col_offset"):
            if hasattr(node, place):
                setattr(node, place, 0)
    return ast.dump(tree, include_attributes=True)


def test_channels_are_shipped_with_their_code_on_their_lines_and_without_comments() -> None:
    paths = [*(ROOT / "functions" / "channels").rglob("*.py"), Path(__file__)]
    for path in paths:
        source = path.read_text(encoding="utf-8")
        shipped = lean(source)
        assert code_alone(shipped) == code_alone(source), path.name
        assert len(shipped.splitlines()) == len(source.splitlines())
    assert sum(len(lean(path.read_text("utf-8"))) for path in paths) < 0.85 * sum(
        len(path.read_text("utf-8")) for path in paths
    )


def test_a_body_that_is_a_docstring_alone_keeps_something_and_a_hash_in_a_text_is_no_comment() -> None:
    source = '"""Doc\n中."""\nfrom __future__ import annotations\nclass A(Exception):  # why\n    """Only\n    this."""\nB = "# no"\n'
    assert lean(source) == '\n\nfrom __future__ import annotations\nclass A(Exception):\n    ...\n\nB = "# no"\n'


def test_types_in_signatures_are_left_out_and_those_of_fields_are_kept() -> None:
    before = "class A:\n    b: int = 1\n\n"
    source = (
        before
        + '    def 中(self, *中文: dict[\n        str, int\n    ], c: str = "->", **d: A) -> list[A]:\n        e: int = 2\n'
    )
    assert lean(source) == before + '    def 中(self, *中文\n\n, c = "->", **d):\n        e: int = 2\n'


def test_a_machine_without_the_functions_python_builds_without_bytecode_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "find_interpreter", lambda: None)
    assert command.main(["function", "Ingest", str(tmp_path)]) == 0
    assert "NOTE: no python3.13" in capsys.readouterr().out
    assert not list(tmp_path.rglob("*.pyc"))


@every_function
def test_sams_make_target_builds_the_function(tmp_path: Path, name: str) -> None:
    target = f"build-{name.capitalize()}Function"
    outcome = subprocess.run(
        ["make", "--makefile", str(ROOT / "functions" / "Makefile"), target],
        cwd=tmp_path,  # SAM may run it anywhere
        env={"PATH": "/usr/bin:/bin", "ARTIFACTS_DIR": str(tmp_path / "out"), "POSTROOM_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert list((tmp_path / "out" / "functions" / name).glob("handler.py*"))


def test_a_function_that_imports_another_is_not_built(tmp_path: Path) -> None:
    for path, source in {
        "__init__.py": "",
        "one/__init__.py": "",
        "one/handler.py": "def lambda_handler():\n    from functions.two import secret\n",
        "two/__init__.py": "secret = 1\n",
    }.items():
        file = tmp_path / "functions" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    with pytest.raises(PackagingFailed, match="one imports another function: two"):
        build_function("one", tmp_path / "out", default_bundle=bytes, root=tmp_path)


def test_an_unknown_function_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["function", "Nobody", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "functions/nobody/handler.py is not there\n"


def test_an_index_that_cannot_be_reached_is_told_from_a_lock_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("jmespath==1.1.0 --hash=sha256:" + "0" * 64 + "\n")
    for name, value in {"PIP_RETRIES": "1", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_NO_CACHE_DIR": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(IndexUnreachable):
        layer.build_layer(tmp_path / "out", lock=lock)
    lock.write_text("no requirement at all\n")
    with pytest.raises(PackagingFailed) as wrong:
        layer.build_layer(tmp_path / "out", lock=lock)
    assert not isinstance(wrong.value, IndexUnreachable)


SEND_THROUGH = """
import json
from datetime import UTC, datetime
from functions.channels import registry
from functions.channels.contract import HttpResult, NoAnswer, OutgoingReply, Unreachable

class Platform:
    def __init__(self, answer):
        self.answer = answer
    def now(self):
        return datetime(2026, 11, 20, tzinfo=UTC)
    def origin(self, default):
        return default
    def request(self, method, url, *, headers, body):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer
    def access_token(self, app, fetch):
        return "token"
    def forget_token(self, app, token):
        pass

ANSWERS = [HttpResult(status, {}, body) for status in (200, 201, 400, 401, 429, 500) for body in (b"{}", b'{"errcode":45009}', b"<")]
accounts = json.loads(%r)
for channel in registry.names():
    adapter = registry.adapter(channel)
    assert not any(hasattr(adapter, name) for name in ("verify", "handshake", "parse", "acknowledge", "pull")), channel
    for account in accounts.get(channel, {}).values():
        credentials = adapter.credentials.model_validate(account)
        for more in ({}, {"image_url": "https://shop.example/a.png", "text": ""}, {"buttons": ("是", "否")}):
            said = {"message_id": "c.0000000000000.h", "native_id": "1", "contact": "u/1", "text": "您好", "token": None} | more
            for answer in (*ANSWERS, Unreachable(), NoAnswer()):
                print(channel, adapter.send(OutgoingReply(**said), credentials, Platform(answer)).outcome)
"""


def test_autoreplys_channels_send_without_what_reads_webhooks(artifacts: dict[str, Path]) -> None:
    accounts = (ROOT / "config" / "channels.local.yaml").read_text(encoding="utf-8")
    filled = yaml.safe_load(accounts.replace("${PLATFORM_API_ORIGIN}", "https://crm.example"))["channels"]
    said = run_isolated([artifacts["autoreply"]], SEND_THROUGH % json.dumps(filled))
    assert {line.split()[0] for line in said} == set(filled)
    assert {line.split()[1] for line in said} >= {"sent", "invalid", "transient", "unknown"}
    gone = [
        artifacts["autoreply"] / "functions" / "channels" / "codecs" / f"{name}.py" for name in ("telegram_content", "mail")
    ]
    assert not any(path.exists() for path in gone)


def test_what_is_left_of_channels_names_nothing_that_is_gone(artifacts: dict[str, Path], tmp_path: Path) -> None:
    channels = artifacts["autoreply"] / "functions" / "channels"
    for path in channels.rglob("*.py"):
        copy = tmp_path / path.relative_to(channels)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(lean(path.read_text(encoding="utf-8")), encoding="utf-8")
    ruff = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--select",
        "F821",
        "--output-format",
        "concise",
        str(tmp_path),
    ]
    outcome = subprocess.run(ruff, capture_output=True, text=True, check=False)
    # Types of fields are never evaluated but by pydantic, which the imports of every module have tried.
    assert outcome.returncode == 0, outcome.stdout


def test_trimming_keeps_what_is_named_and_every_lines_number(tmp_path: Path) -> None:
    module = tmp_path / "functions" / "channels" / "some.py"
    module.parent.mkdir(parents=True)
    module.write_text(
        "from a import (\n    kept,\n    gone,\n)\nLIMIT = 3\nOLD = 4\n\n\ndef _read(x):\n    return gone(OLD)\n\n\n"
        "class Some:\n    def parse(self, x):\n        return _read(x)\n\n"
        "    def send(self, x):\n        return kept(self._said(LIMIT))\n\n"
        "    def _said(self, x):\n        raise ValueError(x)\n\n    def _heard(self, x):\n        return x\n\n\nADAPTER = Some()\n"
    )
    asked = tmp_path / "functions" / "registry.py"
    asked.write_text("import functions.channels.some\nfunctions.channels.some.ADAPTER\n")
    before = module.read_text().split("\n")
    trim_channels(tmp_path, ("parse",))
    after = module.read_text().split("\n")
    assert len(after) == len(before) and after[0] == "from a import kept" and "ADAPTER = Some()" in after
    assert [line for line in after if "gone" in line or "OLD" in line or "_read" in line or "_heard" in line] == []
    assert (
        before.index("    def send(self, x):") == after.index("    def send(self, x):") and "    def _said(self, x):" in after
    )
    compile(module.read_text(), "some", "exec")
