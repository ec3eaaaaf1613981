"""config/*.yaml compiled to one bundle: each file is a section by its name. Files named `*.local.yaml` are not configuration.

YAML's surprises are refused rather than compiled: a key that stands twice, a key that is no text (an unquoted `no`, a number). What looks
like a date stays the text that it is.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from functions.common.bundle import dump_bundle
from infra.cli.holidays import HolidaysUnknown, compile_calendar, unpublished

CONFIG = Path(__file__).parent.parent.parent / "config"
LOCAL = ".local"
# A rule of a hundred thousand keywords is none too many; nobody nests conditions this deep.
MOST_VALUES, DEEPEST = 2_000_000, 60


class ConfigInvalid(Exception):
    """A file in config/ cannot be read; the message names it and the place, in one line."""


def compile_bundle(directory: Path = CONFIG, *, today: date | None = None) -> bytes:
    """The bundle's document, as functions read it and as it is published. It holds the holidays of the years about `today` (UTC)."""
    return dump_bundle(compiled_sections(directory, today=today))


def compiled_sections(directory: Path = CONFIG, *, today: date | None = None) -> dict[str, Any]:
    """The sections as functions read them: as the files have them, but for what is looked up or worked out once, here."""
    sections = read_sections(directory)
    if "calendar" in sections:
        try:
            sections["calendar"] = compile_calendar(sections["calendar"], today or datetime.now(UTC).date())
        except HolidaysUnknown as error:
            raise ConfigInvalid(str(error)) from None
    return sections


def notices(directory: Path = CONFIG, *, today: date | None = None) -> list[str]:
    """What an operator should know about files that are sound, one line each."""
    return list(unpublished(read_sections(directory).get("calendar", {}), today or datetime.now(UTC).date()))


def read_sections(directory: Path = CONFIG) -> dict[str, Any]:
    """The sections by name, in order of name; `ConfigInvalid` when a file is not YAML or not a mapping."""
    if not directory.is_dir():
        raise ConfigInvalid(f"no directory {directory}")
    paths = sorted(path for path in directory.glob("*.yaml") if not path.stem.endswith(LOCAL))
    return {path.stem: _section(path) for path in paths}


def yaml_problem(error: Any) -> str:
    """What is wrong with a YAML document and in which line, in one line. `error` is a `yaml.YAMLError`."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    return f"line {mark.line + 1}: {problem}" if mark and problem else " ".join(str(error).split())


def _section(path: Path) -> dict[str, Any]:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        if _is_deep(text):  # loading what is nested thousands deep ends the process
            raise ConfigInvalid(f"{path.name}: nested too deeply")
        section = yaml.load(text, Loader=_strict_loader())
    except OSError as error:
        raise ConfigInvalid(f"{path.name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigInvalid(f"{path.name}: not UTF-8") from error
    except yaml.YAMLError as error:
        raise ConfigInvalid(f"{path.name}: {yaml_problem(error)}") from error
    if not isinstance(section, dict):
        raise ConfigInvalid(f"{path.name}: not a mapping")
    if problem := _unbounded(section):
        raise ConfigInvalid(f"{path.name}: {problem}")
    return section


def _is_deep(text: str) -> bool:
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=_strict_loader()):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            return True
    return False


def _unbounded(section: dict[str, Any]) -> str | None:
    """What is wrong with a section that goes on for ever, or nearly: a few lines of YAML can name each other a billion times over."""
    ahead, values = [(section, 1)], 0
    while ahead:
        value, depth = ahead.pop()
        values += 1
        if depth > DEEPEST or values > MOST_VALUES:
            return "nested too deeply" if depth > DEEPEST else f"more than {MOST_VALUES:,} values, aliases written out"
        if isinstance(value, dict | list):
            ahead += [(part, depth + 1) for part in (value.values() if isinstance(value, dict) else value)]
    return None


@cache
def _strict_loader() -> Any:
    import yaml

    class StrictLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen = set()
            for key_node, _ in node.value:
                if key_node.tag == "tag:yaml.org,2002:merge":
                    continue
                key = self.construct_object(key_node)
                if not isinstance(key, str):
                    raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is no text", key_node.start_mark)
                if key in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} stands twice", key_node.start_mark)
                seen.add(key)
            made: dict[Any, Any] = super().construct_mapping(node, deep)
            return made

    resolvers = {
        first: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:timestamp"]
        for first, known in StrictLoader.yaml_implicit_resolvers.items()
    }
    StrictLoader.yaml_implicit_resolvers = resolvers
    return StrictLoader
