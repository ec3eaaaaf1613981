"""What plays AWS: moto in a child process, or whatever `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>` point at.

A service with a variable of its own uses that; the rest uses `AWS_ENDPOINT_URL`; without that variable the rest is moto. AWS itself is
refused as an endpoint, and beside moto no credentials of the machine are used: nothing here can touch a real account.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra.local.errors import CannotStart, EngineUnreachable
from infra.local.template import REGION

GLOBAL = "AWS_ENDPOINT_URL"
ROOT = Path(__file__).parent.parent.parent
_DUMMIES = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
_LOOPBACK = "127.0.0.1,localhost"


class Engine:
    """An AWS endpoint for the stack. `start`, then `environ` is what a function's process needs to reach it, and `client` reaches it."""

    def __init__(self, environ: Mapping[str, str], log_dir: Path) -> None:
        self._given = dict(environ)
        self._log = log_dir / "engine.log"
        self._moto: subprocess.Popen[bytes] | None = None
        self._url = self._given.get(GLOBAL)
        for name, url in self._given.items():
            if name.startswith(GLOBAL) and url:
                _check(name, url)

    @property
    def is_moto(self) -> bool:
        """Whether services without a variable of their own are moto's."""
        return not self._given.get(GLOBAL)

    def launch(self) -> None:
        """Begin to start moto, if it is needed; `start` waits for it."""
        if self.is_moto and self._moto is None:
            with self._log.open("wb") as log:
                command = [sys.executable, "-m", "infra.local.moto_process"]
                environ = {name: value for name, value in self._given.items() if not name.startswith("AWS_")}
                environ |= _DUMMIES | {"PYTHONPATH": str(ROOT)}
                environ.pop("PYTHONDONTWRITEBYTECODE", None)
                self._moto = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environ, process_group=0
                )

    def start(self) -> None:
        """Start what is needed; `EngineUnreachable` when it does not come up."""
        self.launch()
        if self._moto is not None and self._moto.stdout is not None:
            port = self._moto.stdout.readline().strip()
            if not port:
                raise EngineUnreachable(f"moto did not start: {_last_line(self._log)}")
            self._url = f"http://127.0.0.1:{int(port)}"

    def stop(self) -> None:
        """End moto. Safe to call twice, and before `start`."""
        if self._moto is None:
            return
        for pipe in (self._moto.stdin, self._moto.stdout):
            if pipe is not None:
                pipe.close()
        self._moto.kill()
        self._moto.wait()
        self._moto = None

    @property
    def ended(self) -> bool:
        """Whether moto is gone although nobody stopped it, and with it all that it held."""
        return self._moto is not None and self._moto.poll() is not None

    @cached_property
    def environ(self) -> dict[str, str]:
        """The environment of a process that is to use this engine."""
        kept = {name: value for name, value in self._given.items() if self._is_kept(name)}
        # A proxy of the machine's must not get between us and the loopback interface.
        no_proxy = ",".join(filter(None, (kept.get("no_proxy") or kept.get("NO_PROXY"), _LOOPBACK)))
        kept |= {GLOBAL: self._url or "", "AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION}
        kept |= {"NO_PROXY": no_proxy, "no_proxy": no_proxy, "AWS_EC2_METADATA_DISABLED": "true"}
        if self._has_own_credentials:
            return kept
        return kept | _DUMMIES

    def url(self, service: str) -> str:
        """The endpoint of a service, by its name in boto3."""
        return self._given.get(f"{GLOBAL}_{service.replace('-', '_').upper()}") or self._url or ""

    def client(self, service: str) -> Any:
        """A boto3 client for a service, without regard to this process's own environment."""
        from botocore.config import Config

        config = Config(connect_timeout=2, read_timeout=20, retries={"total_max_attempts": 2}, proxies={})
        return self._session.client(service, endpoint_url=self.url(service), config=config)

    @property
    def _has_own_credentials(self) -> bool:
        return not self.is_moto and ("AWS_ACCESS_KEY_ID" in self._given or "AWS_PROFILE" in self._given)

    def _is_kept(self, name: str) -> bool:
        return not name.startswith("AWS_") or name.startswith(GLOBAL) or self._has_own_credentials

    @cached_property
    def _session(self) -> Any:
        import boto3
        import botocore.session

        if self._has_own_credentials:
            return boto3.Session(region_name=REGION)
        unset = (None, None, None, None)
        nowhere = (None, None, os.devnull, None)
        core = botocore.session.Session(
            session_vars={"profile": unset, "config_file": nowhere, "credentials_file": nowhere, "use_fips_endpoint": unset}
        )
        core.set_credentials("local", "local")
        return boto3.Session(botocore_session=core, region_name=REGION)


def _check(name: str, url: str) -> None:
    host = urlsplit(url).hostname
    if urlsplit(url).scheme not in ("http", "https") or not host:
        raise CannotStart(f"{name} is no URL: {url!r}")
    if host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")):
        raise CannotStart(f"{name} points at AWS itself, where the local stack makes nothing: {url}")


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
