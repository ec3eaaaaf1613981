"""`postroom config`: check what operators edit, publish it, go back to an earlier one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.bundle import CONFIG, ConfigInvalid, compile_bundle, notices
from infra.cli.place import Json, one_line, say

if TYPE_CHECKING:
    from functions.autoreply.replybook import ReplyPolicy
    from functions.common.bundle import Bundle

config = typer.Typer(help="Check, publish and roll back the configuration.", no_args_is_help=True)

Directory = Annotated[Path, typer.Option(help="Where the YAML files are.")]
Bucket = Annotated[str, typer.Option(envvar="CONFIG_BUCKET", help="The stack's output ConfigBucketName.")]


@config.command()
def check(directory: Directory = CONFIG, as_json: Json = False) -> None:
    """Validate every file as the functions will, and the names by which one file refers to another."""
    with one_line():
        bundle = checked(directory)
        _give_notices(directory)
    told = {"files": len(bundle.sections), "bundle": bundle.hash}
    say(told, f"{len(bundle.sections)} files are sound; the bundle would be {bundle.hash}", as_json=as_json)


@config.command()
def publish(
    bucket: Bucket,
    directory: Directory = CONFIG,
    drop_team: Annotated[list[str] | None, typer.Option(help="A team that may go: nobody's conversation waits for it.")] = None,
    as_json: Json = False,
) -> None:
    """Check, compile and publish: every function takes it up within thirty seconds."""
    from functions.common.aws import client
    from functions.common.bundle import CURRENT_KEY, dump_bundle
    from infra.cli.weights import publish_weights

    with one_line():
        bundle = checked(directory)
        _keeps_teams(bundle, bucket, set(drop_team or ()))
        document = dump_bundle(bundle.sections)
        publish_weights(bundle.sections, directory, bucket)
        client("s3").put_object(Bucket=bucket, Key=CURRENT_KEY, Body=document, Metadata={"bundle": bundle.hash})
        _give_notices(directory)
    say({"published": bundle.hash}, f"published {bundle.hash}", as_json=as_json)


@config.command()
def history(bucket: Bucket, as_json: Json = False) -> None:
    """List what was published, the one in force first."""
    from functions.common.clock import to_iso

    with one_line():
        published = [{"bundle": each["bundle"], "at": to_iso(each["LastModified"])} for each in _versions(bucket)]
    words = "\n".join(f"{each['bundle']}  {each['at'][:19].replace('T', ' ')}Z" for each in published)
    if published or as_json:
        say({"published": published}, words, as_json=as_json)


@config.command()
def rollback(
    bucket: Bucket,
    to: Annotated[str, typer.Argument(help="The hash of an earlier bundle, as `history` lists it.")],
    as_json: Json = False,
) -> None:
    """Put an earlier bundle in force again."""
    from functions.common.aws import client
    from functions.common.bundle import CURRENT_KEY

    with one_line():
        found = next((version for version in _versions(bucket) if version["bundle"] == to), None)
        if found is None:
            raise ConfigInvalid(f"no bundle {to} was ever published to {bucket}")
        source = {"Bucket": bucket, "Key": CURRENT_KEY, "VersionId": found["VersionId"]}
        client("s3").copy_object(Bucket=bucket, Key=CURRENT_KEY, CopySource=source)
    say({"in_force": to}, f"{to} is in force again", as_json=as_json)


def checked(directory: Path = CONFIG) -> Bundle:
    """The compiled bundle, read by everything that reads it in the functions; `BundleInvalid` or `ConfigInvalid` otherwise."""
    from functions.archive.retention import read_retention
    from functions.autoreply.config import read_policy
    from functions.classify.desk import read_handbook
    from functions.common.bundle import read_bundle
    from functions.escalate.policy import read_policy as read_escalation
    from infra.cli.rules import refused
    from infra.cli.weights import shelf_of

    bundle = read_bundle(compile_bundle(directory))
    for section in ("rules", "teams", "replies", "faq", "outgoing", "calendar", "duty", "retention"):
        if section not in bundle.sections:
            raise ConfigInvalid(f"{directory}: {section}.yaml is missing")
    refused(bundle.sections, directory)
    _may_go_out(read_policy(bundle), bundle)
    read_escalation(bundle)
    read_retention(bundle.sections["retention"])
    _knows_teams(bundle)
    read_handbook(bundle, shelf_of(directory))
    return bundle


def _may_go_out(policy: ReplyPolicy, bundle: Bundle) -> None:
    """A text that would be stopped on its way out is refused here, where somebody sees it."""
    from functions.autoreply.faq import read_faq
    from functions.common.errors import BundleInvalid

    written = {f"faq.entries.{place}": text for place, text in read_faq(bundle.sections["faq"]).texts.items()}
    for name, template in policy.book.templates.items():
        others = [(f".channels.{channel}", texts) for channel, texts in template.channels.items()]
        others += [(f".variants.{variant}", texts) for variant, texts in template.variants.items()]
        for place, texts in (("", template), *others):
            written |= {f"replies.templates.{name}{place}.zh": texts.zh, f"replies.templates.{name}{place}.en": texts.en}
        written |= {f"replies.templates.{name}.buttons": "\n".join((*template.buttons_zh, *template.buttons_en))}
        written |= {f"replies.templates.{name}.image": template.image_url or ""}
    for place, text in written.items():
        for objection in policy.outgoing.objections(text):
            raise BundleInvalid(f"{place}: {objection.kind.replace('_', ' ')} ({objection.found}): outgoing.yaml forbids it")


def _give_notices(directory: Path) -> None:
    for notice in notices(directory):
        print(f"postroom: notice: {notice}", file=sys.stderr, flush=True)


def _knows_teams(bundle: Bundle) -> None:
    from functions.common.errors import BundleInvalid

    unknown = sorted(set(bundle.sections["calendar"].get("teams", {})) - set(bundle.sections["teams"]["teams"]))
    if unknown:
        raise BundleInvalid(f"calendar.teams: teams.yaml has no team {unknown[0]}")


def _keeps_teams(bundle: Bundle, bucket: str, dropped: set[str]) -> None:
    """A team that is gone is asked for by nobody: what waits for it would wait unseen."""
    from functions.common.aws import client
    from functions.common.bundle import fetch_from_s3, read_bundle

    found = fetch_from_s3(client("s3"), bucket)(None)
    before = set(read_bundle(found[0]).sections["teams"]["teams"]) if found else set()
    gone = sorted(before - set(bundle.sections["teams"]["teams"]) - dropped)
    if gone:
        raise ConfigInvalid(
            f"teams.yaml no longer has {gone[0]}, and what waits for it would be seen by nobody; --drop-team {gone[0]} if nothing does"
        )


def _versions(bucket: str) -> Iterator[dict[str, Any]]:
    from functions.common.aws import client
    from functions.common.bundle import CURRENT_KEY

    s3 = client("s3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=CURRENT_KEY):
        for version in page.get("Versions", []):
            head = s3.head_object(Bucket=bucket, Key=CURRENT_KEY, VersionId=version["VersionId"])
            yield version | {"bundle": head["Metadata"].get("bundle", "?")}
