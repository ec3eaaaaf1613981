"""`python -m bench [name …]`: runs the named measurements, or all of them, and prints their tables."""

from __future__ import annotations

import sys
from importlib import import_module
from pkgutil import iter_modules

import bench
from bench.rig.figures import NotMeasurable, rendered


def measurements() -> list[str]:
    """The names of all measurements."""
    return sorted(found.name for found in iter_modules(bench.__path__) if not found.ispkg and found.name != "__main__")


def main(names: list[str]) -> int:
    """Measure; 2 for a name that is none. What cannot be measured on this machine is said, and is no failure."""
    unknown = sorted(set(names) - set(measurements()))
    if unknown:
        print(f"No measurement {', '.join(unknown)}; there are {', '.join(measurements())}", file=sys.stderr)
        return 2
    for name in names or measurements():
        try:
            print(rendered(import_module(f"bench.{name}").measure()), flush=True)
        except NotMeasurable as reason:
            print(f"{name}: not measured: {reason}\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
