"""A source without what nothing reads while it runs: docstrings, comments and the types in signatures become nothing, and every line keeps
its number. The fields of classes keep their types, which pydantic reads.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator

Place = tuple[int, int]  # line from 1, column in bytes from 0

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def lean(source: str) -> str:
    """The source with the same code on the same lines, and nothing else."""
    lines, tree = source.splitlines(), ast.parse(source)
    for begin, end in sorted(_signature_types(tree, lines), reverse=True):
        _cut(lines, begin, end)
    for node in ast.walk(ast.parse("\n".join(lines) + "\n")):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            # A body must have something in it; a module's may not, before `from __future__`.
            _emptied(lines, node.body[0], left="..." if len(node.body) == 1 and not isinstance(node, ast.Module) else "")
    text = "\n".join(lines) + "\n"
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            line, column = token.start
            lines[line - 1] = lines[line - 1][:column].rstrip()
    return "\n".join(lines) + "\n"


def _emptied(lines: list[str], docstring: ast.stmt, *, left: str) -> None:
    first, last = docstring.lineno - 1, (docstring.end_lineno or docstring.lineno) - 1
    before = lines[first].encode()[: docstring.col_offset].decode()
    lines[first] = (before + left).rstrip()
    for line in range(first + 1, last + 1):
        lines[line] = ""


def _signature_types(tree: ast.Module, lines: list[str]) -> Iterator[tuple[Place, Place]]:
    """From where to where each type in a function's signature stands, with the colon or the arrow before it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation:
            yield (node.lineno, node.col_offset + len(node.arg.encode())), _end(node.annotation)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns:
            before = lines[node.returns.lineno - 1].encode()[: node.returns.col_offset]
            yield (node.returns.lineno, len(before[: before.rindex(b"->")].rstrip())), _end(node.returns)


def _end(node: ast.expr) -> Place:
    return node.end_lineno or node.lineno, node.end_col_offset or node.col_offset


def _cut(lines: list[str], begin: Place, end: Place) -> None:
    head, tail = lines[begin[0] - 1].encode()[: begin[1]], lines[end[0] - 1].encode()[end[1] :]
    if begin[0] == end[0]:
        lines[begin[0] - 1] = (head + tail).decode()
        return
    lines[begin[0] - 1], lines[end[0] - 1] = head.decode(), tail.decode()
    for line in range(begin[0], end[0] - 1):
        lines[line] = ""
