"""What `sam build` asks of us, without Docker: each function's artifact and the layer of run-time dependencies.

The Makefiles in functions/ and infra/layers/deps/ call `python -m infra.packaging`; template.yaml points SAM at them. Everything
here runs on Python 3.11, whatever the functions run on.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = "python3.13"  # a test compares it with template.yaml


class PackagingFailed(Exception):
    """An artifact could not be built. The message is what the person at the terminal needs to know."""


def zipped_size(folder: Path) -> int:
    """Bytes of a folder as the zip that is uploaded."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return target.tell()
