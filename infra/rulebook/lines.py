"""In which line of a YAML file a field stands, by its path: `rules.3.when.contains`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml


class Lines:
    """The lines of one document."""

    def __init__(self, text: str) -> None:
        self._root: Any = yaml.compose(text, Loader=yaml.SafeLoader)

    def of(self, path: Sequence[str | int]) -> int:
        """The line of a field, from 1; of the nearest field above it when it is not there itself."""
        node, line = self._root, 1
        for step in path:
            found = self._below(node, str(step))
            if found is None:
                return line
            node, line = found
        return line

    @staticmethod
    def _below(node: Any, step: str) -> tuple[Any, int] | None:
        """The node one step down, and the line at which it begins."""
        if isinstance(node, yaml.MappingNode):
            return next(((value, key.start_mark.line + 1) for key, value in node.value if key.value == step), None)
        if isinstance(node, yaml.SequenceNode) and step.isdigit() and int(step) < len(node.value):
            entry = node.value[int(step)]
            return entry, entry.start_mark.line + 1
        return None
