"""A source without what only people read: docstrings and comments become nothing, and every line keeps its number."""

from __future__ import annotations

import ast
import io
import tokenize

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def lean(source: str) -> str:
    """The source with the same code on the same lines, and nothing else."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
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
