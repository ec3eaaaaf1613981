"""`postroom unpack`: a pack opened, where the machine's own unpacker cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.cli.export import Secret
from infra.cli.place import Json, one_line, say


def unpack(
    pack: Annotated[Path, typer.Argument(help="A pack.", exists=True, dir_okay=False)],
    secret: Secret,
    to: Annotated[Path, typer.Option(help="The folder to write into.")] = Path(),
    as_json: Json = False,
) -> None:
    """Unpack a pack, with the password that Secrets Manager has."""
    from functions.archive.password import password
    from functions.common.aws import client
    from infra.records.unpacking import unpacked

    with one_line():
        files = unpacked(pack, password(client("secretsmanager"), secret), to)
    say({"files": [str(path) for path in files]}, "\n".join(map(str, files)), as_json=as_json)
