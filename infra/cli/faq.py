"""`postroom faq`: how a question would be answered, and what people asked that nobody answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.bundle import CONFIG
from infra.cli.faq_gaps import gaps
from infra.cli.place import Json, one_line, say

if TYPE_CHECKING:
    from functions.autoreply.templates import Language

faq = typer.Typer(help="Try the answers to frequent questions; see what they lack.", no_args_is_help=True)

faq.command()(gaps)
Directory = Annotated[Path, typer.Option(help="Where the YAML files are.")]


@faq.command()
def test(
    question: Annotated[str, typer.Argument(help="A message as a customer would write it.")],
    directory: Directory = CONFIG,
    as_json: Json = False,
) -> None:
    """Say which entries a question is like, how much, and what would be answered."""
    from functions.autoreply.faq import read_faq
    from infra.cli.bundle import read_sections

    with one_line():
        book = read_faq(read_sections(directory).get("faq", {}))
        language = language_in(question)
        answered = book.answer(question, language)
        like = book.like(question, language)
    found = [{"entry": each.name, "score": round(each.score, 3), "matched": each.phrase} for each in like]
    lines = [f"{each.score:.2f}  {each.name}  ({each.phrase})" for each in like] or ["no entry is like this"]
    lines.append(f"answered: {answered.text}" if answered else "not answered: no entry is like it enough, or two are")
    outcome = {"language": language, "answer": answered and answered.name, "text": answered and answered.text, "like": found}
    say(outcome, "\n".join(lines), as_json=as_json)


def language_in(text: str) -> Language:
    """The language a message would be answered in."""
    from functions.autoreply.templates import language_of

    return language_of("other", text)
