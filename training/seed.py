"""The authored messages: hand-written, labelled by the label sheet, one a line.

    @ industry=restaurant style=young-slang
    C|logistics,refund|u|-||legal_media|h,lang=mixed|the message; it may hold | and \\n

The fields: business, content, urgency (u, n), sentiment (+, -, 0), spam, risk, flags (h wants_human, o opt_out, lang=xx), text. An `@`
line holds for the lines below it. docs/judgement.md explains what the labels mean. Messages in `zh_…` files are Chinese and in `en_…`
files English, unless their flags say something else. Files `zh_inbox_…` and `en_inbox_…` hold messages as an ordinary brand's inbox gets
them; what is in the others was often written to be hard.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from functions.common.judgement import Content, Risk, Spam

FOLDER = Path(__file__).parent / "seed"
BUSINESS = {
    "E": "enquiry", "C": "complaint", "A": "appointment", "S": "after_sales", "G": "suggestion", "O": "other",
}  # fmt: skip
_SENTIMENT = {"+": "positive", "-": "negative", "0": "neutral"}
_URGENCY = {"u": "urgent", "n": "normal"}
_FLAG = re.compile(r"h|o|lang=[a-z]{2}|lang=mixed")
_ORDINARY = re.compile(r"[a-z]{2}_inbox_")
_BLOCK = re.compile(r"@ industry=([a-z0-9-]+) style=([a-z0-9-]+)")

EVERY_AXIS = frozenset(("business", "content", "urgency", "sentiment", "spam", "risk", "wants_human", "opt_out"))


class SeedInvalid(Exception):
    """A line of the authored set is not as it should be; the message names file and line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A labelled message. `industry` and `style` (one imagined author's) are what an evaluation leaves out; `where` is file:line.

    `ordinary`: written as an ordinary inbox gets them. `axes` names what the source says something about; on other axes nothing is learnt
    from it. `misspelt`: another example with wrong characters, to learn from and not to measure by.
    """

    text: str
    business: str = "other"
    content: tuple[str, ...] = ()
    urgency: str = "normal"
    sentiment: str = "neutral"
    spam: str = "none"
    risk: tuple[str, ...] = ()
    wants_human: bool = False
    opt_out: bool = False
    language: str | None = None
    industry: str = ""
    style: str = ""
    where: str = ""
    ordinary: bool = False
    axes: frozenset[str] = EVERY_AXIS
    misspelt: bool = False


def read_folder(folder: Path = FOLDER) -> list[Example]:
    """Every message of a folder's `*.txt`, in order of file and line; `SeedInvalid` for the first that is wrong."""
    return [example for path in sorted(folder.glob("*.txt")) for example in read_file(path)]


def read_file(path: Path) -> Iterator[Example]:
    """The messages of one file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise SeedInvalid(f"{path.name}: not UTF-8") from None
    yield from _read(lines, path.name, "en" if path.name.startswith("en") else "zh")


def _read(lines: Iterable[str], name: str, language: str) -> Iterator[Example]:
    block: tuple[str, str] | None = None
    for number, line in enumerate(lines, 1):
        where = f"{name}:{number}"
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("@"):
            found = _BLOCK.fullmatch(line.strip())
            if found is None:
                raise SeedInvalid(f"{where}: expected `@ industry=… style=…`")
            block = (found[1], found[2])
        elif block is None:
            raise SeedInvalid(f"{where}: a message before the first `@` line")
        else:
            yield _example(line, where, block, language)


def _example(line: str, where: str, block: tuple[str, str], language: str) -> Example:
    fields = line.split("|", 7)
    if len(fields) != 8:
        raise SeedInvalid(f"{where}: {len(fields)} fields of 8")
    business, content, urgency, sentiment, spam, risk, flags, text = (
        *(field.strip() for field in fields[:7]),
        fields[7].strip(),
    )
    flag_list = _listed(flags)
    wrong = next((flag for flag in flag_list if not _FLAG.fullmatch(flag)), None)
    if wrong is not None:
        raise SeedInvalid(f"{where}: no flag {wrong!r}")
    named = next((flag.removeprefix("lang=") for flag in flag_list if flag.startswith("lang=")), language)
    example = Example(
        text=text.replace("\\n", "\n"),
        business=_one_of(BUSINESS, business, "business", where),
        content=_several_of(get_args(Content), content, "content", where),
        urgency=_one_of(_URGENCY, urgency, "urgency", where),
        sentiment=_one_of(_SENTIMENT, sentiment, "sentiment", where),
        spam=_one_of({value: value for value in get_args(Spam)}, spam or "none", "spam", where),
        risk=_several_of(get_args(Risk), risk, "risk", where),
        wants_human="h" in flag_list,
        opt_out="o" in flag_list,
        language=named,
        industry=block[0],
        style=block[1],
        where=where,
        ordinary=_ORDINARY.match(where) is not None,
    )
    _agrees(example)
    return example


def _agrees(example: Example) -> None:
    """What the label sheet says of labels together."""
    if not example.text:
        raise SeedInvalid(f"{example.where}: no text")
    if example.spam != "none":
        if (example.business, example.urgency, example.sentiment, example.content) != ("other", "normal", "neutral", ()):
            raise SeedInvalid(f"{example.where}: spam has business other, no content, normal urgency, neutral sentiment")
    elif {"legal_media", "safety"} & set(example.risk) and example.urgency != "urgent":
        raise SeedInvalid(f"{example.where}: legal_media and safety are urgent")


def _listed(field: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in field.split(",") if part.strip())


def _one_of(known: dict[str, str], value: str, axis: str, where: str) -> str:
    if value not in known:
        raise SeedInvalid(f"{where}: {axis} cannot be {value!r}")
    return known[value]


def _several_of(known: tuple[str, ...], field: str, axis: str, where: str) -> tuple[str, ...]:
    values = _listed(field)
    for value in values:
        if value not in known:
            raise SeedInvalid(f"{where}: {axis} cannot be {value!r}")
    return tuple(value for value in known if value in values)
