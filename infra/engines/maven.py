"""Fetching an engine: Maven resolves its coordinates from whatever repository this machine is set up for, once."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

# What Maven would choose by itself depends on its own age.
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>postroom</groupId><artifactId>engine</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies><dependency>
    <groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>
  </dependency></dependencies>
</project>
"""
_PATIENCE = 600


class EngineUnavailable(Exception):
    """An engine cannot be had on this machine; the message is one line that says why."""


@dataclass(frozen=True, slots=True)
class Coordinates:
    """A Maven artifact."""

    group: str
    artifact: str
    version: str

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"


def fetched(wanted: Coordinates, cache: Path) -> Path:
    """The folder with an artifact and everything it needs (native libraries too), out of `cache` or, the first time, by Maven."""
    folder = cache / f"{wanted.artifact}-{wanted.version}"
    if not folder.is_dir():
        maven = shutil.which("mvn")
        if maven is None:
            raise EngineUnavailable(f"no Maven (mvn) on PATH to fetch {wanted} with")
        cache.mkdir(parents=True, exist_ok=True)
        print(f"Fetching {wanted} …", flush=True)
        with TemporaryDirectory(dir=cache) as scratch:
            _copy_dependencies(maven, wanted, Path(scratch))
            Path(scratch, "jars").rename(folder)
    return folder


def _copy_dependencies(maven: str, wanted: Coordinates, scratch: Path) -> None:
    pom = scratch / "pom.xml"
    pom.write_text(_POM.format(group=wanted.group, artifact=wanted.artifact, version=wanted.version))
    options = ["-DincludeScope=runtime", f"-DoutputDirectory={scratch / 'jars'}"]
    command = [maven, "--batch-mode", "--quiet", "--file", str(pom), _PLUGIN, *options]
    try:
        outcome = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        raise EngineUnavailable(f"Maven did not fetch {wanted} in {_PATIENCE} seconds") from None
    if outcome.returncode:
        raise EngineUnavailable(f"Maven cannot fetch {wanted}: {_reason(outcome.stdout + outcome.stderr)}")


def _reason(output: str) -> str:
    errors = [line.removeprefix("[ERROR]").strip() for line in output.splitlines() if line.startswith("[ERROR]")]
    return errors[0].partition(" -> ")[0] if errors else f"{output.strip()[-200:]}"
