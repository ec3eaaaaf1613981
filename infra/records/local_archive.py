"""The archive as DuckDB sees it on this machine: files of parts, unpacked and searched by as many threads as there are cores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.records.errors import PartUnsound

# What Athena calls them.
_FUNCTIONS = (
    "CREATE MACRO json_extract_scalar(document, path) AS json_extract_string(document, path)",
    "CREATE MACRO json_array_contains(document, value) AS list_contains(json_extract_string(document, '$[*]'), value)",
    "CREATE MACRO regexp_like(text, pattern) AS regexp_matches(text, pattern)",
)
# A line is one field whatever is in it: the delimiter is a byte that JSON never has raw.
_LINES = (
    "SELECT line, dt, channel, filename AS \"$path\" FROM read_csv([{files}], columns = {{'line': 'VARCHAR'}}, delim = '\x01',"
    " quote = '', escape = '', header = false, auto_detect = false, max_line_size = 16777216, filename = true,"
    " hive_partitioning = true, hive_types = {{'dt': 'VARCHAR', 'channel': 'VARCHAR'}})"
)
_NONE = "SELECT '' AS line, '' AS dt, '' AS channel, '' AS \"$path\" WHERE false"
_BATCH = 500


class LocalArchive:
    """`files` lie under Hive-style folders, `dt=…/channel=…`; `lists` are files of one value per line. `scratch` is for what does not fit
    into memory.
    """

    def __init__(self, files: Iterable[Path], lists: Mapping[str, Path], scratch: Path) -> None:
        import duckdb

        self._connection: Any = duckdb.connect()
        self._connection.execute(f"SET temp_directory = {_text(scratch / 'duckdb')}")
        for function in _FUNCTIONS:
            self._connection.execute(function)
        paths = ", ".join(map(_text, files))
        self._connection.execute(f"CREATE VIEW archive AS {_LINES.format(files=paths) if paths else _NONE}")
        self._connection.execute("CREATE TABLE lists (list VARCHAR, value VARCHAR)")
        for name, path in lists.items():
            self.hold(name, path)

    def hold(self, name: str, path: Path) -> None:
        """Take a list more."""
        values = f"read_csv({_text(path)}, columns = {{'value': 'VARCHAR'}}, delim = '\x01', quote = '', escape = '',"
        values += " header = false, auto_detect = false)"
        self._connection.execute(f"INSERT INTO lists SELECT {_text(name)}, value FROM {values}")

    def lines(self, query: str) -> Iterator[str]:
        """The `line` of each row of a query; `PartUnsound` when a file cannot be read, or its scratch space is full."""
        import duckdb

        try:
            result = self._connection.execute(query)
            while some := result.fetchmany(_BATCH):
                yield from (line for (line,) in some)
        except duckdb.Error as fault:
            raise PartUnsound(str(fault)) from None


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
