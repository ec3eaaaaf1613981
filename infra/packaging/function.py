"""One function's artifact: its own package, of the shared ones the modules that it can reach, and the default configuration.

A function that never reads the configuration is not given it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from functions.common.bundle import dump_bundle, read_bundle
from infra.packaging import ROOT, PackagingFailed
from infra.packaging.imports import OURS, import_closure, modules_in, source_of
from infra.packaging.trimming import trim_channels

SHARED = {"common", "channels"}
# Sections of the default bundle that a function has no use for, where its zip has no room for them.
NOT_READ = {"autoreply": ("rules", "retention", "duty", "teams", "model")}
# What a function never asks of a channel.
NOT_ASKED = {"autoreply": ("verify", "decode", "handshake", "parse", "acknowledge", "pull")}
UNPACKED_AT = "/var/task"


def build_function(name: str, target: Path, *, default_bundle: Callable[[], bytes], root: Path = ROOT) -> None:
    """Lay function `name` (its package's name) down under `target`, which is then what Lambda unpacks.

    `default_bundle` compiles config/; it is called only for a function that can reach `functions.common.bundle`.
    """
    package = f"{OURS}.{name}"
    if source_of(f"{package}.handler", root) is None:
        raise PackagingFailed(f"{OURS}/{name}/handler.py is not there")
    reached = import_closure(modules_in(package, root), root)
    strangers = {module.split(".")[1] for module in reached if "." in module} - SHARED - {name}
    if strangers:
        raise PackagingFailed(f"{name} imports another function: {', '.join(sorted(strangers))}")
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    shutil.copytree(root / OURS / name, target / OURS / name, dirs_exist_ok=True, ignore=ignored)
    for module in sorted(reached):
        _copy_module(module, root, target)
    if name in NOT_ASKED:
        trim_channels(target, NOT_ASKED[name])
        _drop_unreached(package, reached, target)
    if f"{OURS}.common.bundle" in reached:
        sections = read_bundle(default_bundle()).sections
        (target / OURS / "bundle.json").write_bytes(dump_bundle(sections, without=NOT_READ.get(name, ())))


def _drop_unreached(package: str, modules: set[str], target: Path) -> None:
    """Take away what nothing imports any more."""
    for module in modules - import_closure(modules_in(package, target), target):
        if source := source_of(module, target):
            source.unlink()


def _copy_module(module: str, root: Path, target: Path) -> None:
    source = source_of(module, root)
    assert source, module
    copy = target / source.relative_to(root)
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, copy)
