"""The local demo accounts of config/channels.local.yaml, checked by their channels' own models, and the simulators on their other side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from functions.common.invalid import first_fault
from infra.cli.bundle import yaml_problem
from infra.local.errors import CannotStart
from infra.simulators.contract import Now, Simulator, utc_now

PLACE = "${PLATFORM_API_ORIGIN}"
FILE = "channels.local.yaml"

Accounts = dict[str, dict[str, dict[str, Any]]]


class AccountsInvalid(CannotStart):
    """channels.local.yaml cannot be used; the message names the account and the field, never a value."""


def read_accounts(path: Path) -> Accounts:
    """Accounts by channel and name, as they stand in the file, `${PLATFORM_API_ORIGIN}` unfilled."""
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        channels = document["channels"]
        return {channel: {account: dict(fields) for account, fields in named.items()} for channel, named in channels.items()}
    except OSError as error:
        raise AccountsInvalid(f"{path.name}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise AccountsInvalid(f"{path.name}: {yaml_problem(error)}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AccountsInvalid(f"{path.name}: expected channels: {{<channel>: {{<account>: {{…}}}}}}") from error


def filled(accounts: Accounts, origin: str) -> Accounts:
    """The accounts with the platforms' origin filled in, each fit for its channel's model."""
    found: Accounts = {}
    for channel, named in accounts.items():
        found[channel] = {}
        for account, fields in named.items():
            found[channel][account] = {
                name: value.replace(PLACE, origin) if isinstance(value, str) else value for name, value in fields.items()
            }
            _check(channel, account, found[channel][account])
    return found


def simulators(accounts: Accounts, now: Now = utc_now) -> Iterator[Simulator]:
    """One simulator per account of a channel that has any. Anybody may sign a webhook by hand here: strangers are welcome."""
    from infra.simulators.registry import names, simulator_class

    for channel in sorted(accounts.keys() & set(names())):
        for account, fields in accounts[channel].items():
            simulator = simulator_class(channel)(account, fields, now=now)
            simulator.welcomes_strangers = True
            yield simulator


def _check(channel: str, account: str, fields: Mapping[str, Any]) -> None:
    from pydantic import ValidationError

    from functions.channels.registry import ChannelUnknown, adapter

    try:
        adapter(channel).credentials.model_validate(fields)
    except ChannelUnknown as error:
        raise AccountsInvalid(f"{FILE}: no channel {channel}") from error
    except ValidationError as error:
        fault = first_fault(error, channel, account)
        raise AccountsInvalid(f"{FILE}: {fault.place}: {fault.kind}") from None
