"""The command `postroom`: one module per command, each a function, put together here."""

from __future__ import annotations

import typer

from infra.cli.archive import archive
from infra.cli.campaigns import campaigns
from infra.cli.channels import channels
from infra.cli.classify import classify
from infra.cli.config import config
from infra.cli.contact import contact
from infra.cli.demo import demo
from infra.cli.evaluate import evaluate
from infra.cli.explain import explain
from infra.cli.export import export
from infra.cli.faq import faq
from infra.cli.hold import hold
from infra.cli.inbox import conversation, inbox
from infra.cli.person import person
from infra.cli.restore import restore
from infra.cli.retention import retention
from infra.cli.rights import erase_person, export_person
from infra.cli.rules import rules
from infra.cli.run import run
from infra.cli.search import search
from infra.cli.stops import start, stop, stops
from infra.cli.topics import topics
from infra.cli.train import train
from infra.cli.unpack import unpack

app = typer.Typer(
    name="postroom",
    help="A serverless post room for direct messages.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _commands() -> None:
    """With a callback, a single command keeps its name."""


app.command()(run)
app.command()(demo)
app.command()(export)
app.command()(unpack)
app.command()(classify)
app.command()(evaluate)
app.command()(train)
app.command()(restore)
app.command()(search)
app.command()(explain)
app.command()(inbox)
app.command()(stop)
app.command()(start)
app.command()(stops)
app.add_typer(archive, name="archive")
app.command()(campaigns)
app.command()(topics)
app.add_typer(channels, name="channels")
app.add_typer(config, name="config")
app.add_typer(contact, name="contact")
app.add_typer(conversation, name="conversation")
app.add_typer(faq, name="faq")
person.command("export")(export_person)
person.command("erase")(erase_person)
app.add_typer(hold, name="hold")
app.add_typer(person, name="person")
app.add_typer(retention, name="retention")
app.add_typer(rules, name="rules")
