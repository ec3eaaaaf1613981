"""A pack opened: its files unpacked into a folder, all of them or none."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from infra.records.errors import RecordsFault

_CHUNK = 1 << 16


class PackUnreadable(RecordsFault):
    """The file is no pack, is cut short, or the password is another's."""


def unpacked(pack: Path, password: str, folder: Path) -> list[Path]:
    """The files, written into `folder`; `PackUnreadable` writes none of them."""
    from stream_unzip import (
        HMACIntegrityError,
        IncorrectAESPasswordError,
        IncorrectZipCryptoPasswordError,
        UnzipError,
        stream_unzip,
    )

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpacking-") as rough:
        try:
            for name, _, chunks in stream_unzip(_chunks(pack), password=password.encode()):
                with (Path(rough) / _plain(name)).open("wb") as file:
                    file.writelines(chunks)
        except (IncorrectAESPasswordError, IncorrectZipCryptoPasswordError):
            raise PackUnreadable(f"{pack.name}: the password is another's") from None
        except HMACIntegrityError:
            raise PackUnreadable(f"{pack.name}: it was changed since it was made") from None
        except UnzipError as fault:
            raise PackUnreadable(f"{pack.name}: no whole pack ({type(fault).__name__})") from None
        found = sorted(Path(rough).iterdir())
        if not found:
            raise PackUnreadable(f"{pack.name}: nothing in it")
        return [Path(shutil.move(path, folder / path.name)) for path in found]


def _plain(name: bytes) -> str:
    # A name with a path in it would lead out of the folder.
    plain = PurePosixPath(name.decode("utf-8", "replace")).name
    if not plain:
        raise PackUnreadable("a file without a name")
    return plain


def _chunks(pack: Path) -> Iterator[bytes]:
    with pack.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
