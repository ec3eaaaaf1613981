"""An encoder is read in a process of its own first: a library that ends its process, or is not done in time, must not do so to classify.

onnxruntime has ended Lambda's arm64 processes when it was imported (https://github.com/microsoft/onnxruntime/issues/10038).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from functions.classify.advice.sentences import EncoderInvalid

# Reading it again takes as long, and both must leave time for a batch.
SECONDS = 8.0
_READ = "import sys, pathlib, functions.classify.advice.sentences as known; known.Sentences(pathlib.Path(sys.argv[1]))"


def tried(folder: Path) -> None:
    """Read the folder elsewhere; `EncoderInvalid` where that did not end by itself. What else is wrong is said when it is read here."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    # Not a word of the command is from a message.
    command = [sys.executable, "-c", _READ, str(folder)]
    try:
        ended = subprocess.run(command, env=environment, timeout=SECONDS, capture_output=True, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise EncoderInvalid(f"not read within {SECONDS:.0f} s") from None
    if ended.returncode < 0:
        raise EncoderInvalid(f"reading it ended its process by signal {-ended.returncode}")
