"""`python -m infra.demo.command SECONDS ARGUMENT …`: the operator's command, with a clock that runs so far ahead, as the demo's."""

from __future__ import annotations

import sys
from datetime import timedelta

from functions.common.clock import set_ahead
from infra.cli.__main__ import main

if __name__ == "__main__":
    set_ahead(timedelta(seconds=float(sys.argv[1])))
    sys.argv = ["postroom", *sys.argv[2:]]
    main()
