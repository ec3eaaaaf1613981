"""The accounts' credentials out of Secrets Manager, parsed by the channel's own model.

Secret `<prefix><channel>/<account>` holds the fields of the channel's `credentials` model as one JSON object. Its current and its
previous version are both valid, so that a secret can be rotated without refusing a webhook. Replies use the current one, and how strict
a check is (`RULES`) the current one says for both: what was tightened must not stay loose until the next rotation.
https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any

from functions.channels import registry
from functions.channels.contract import Credentials
from functions.common.clock import Clock
from functions.common.errors import AccountUnknown, Poison, aws_faults

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

KEEP = timedelta(minutes=5)
# Fields that are no secrets but say how strict a check is.
RULES = ("mode", "allowed_ips", "tolerance_seconds", "max_age_seconds", "signature_version", "receive_only")
KEEP_REFUSED = timedelta(seconds=60)
MAX_REFUSED = 1024

_ACCOUNT = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# A secret that is marked for deletion answers InvalidRequestException: for us it is gone.
_NOT_THERE = ("ResourceNotFoundException", "InvalidRequestException")


class CredentialsInvalid(Poison):
    """An account's secret does not fit its channel's model. The message names the fields, never what stands in them."""


@dataclass(frozen=True, slots=True)
class _Known:
    until: datetime
    credentials: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Refused:
    until: datetime
    error: type[Poison]
    detail: str


class CredentialStore:
    """Credentials by channel and account, remembered for five minutes in this process.

    Names come out of URLs, so anybody may ask for accounts that do not exist: what is not there is remembered for a minute, and no more
    than `MAX_REFUSED` such names are.
    """

    def __init__(self, client: SecretsManagerClient, prefix: str, clock: Clock) -> None:
        self._client = client
        self._prefix = prefix
        self._clock = clock
        self._known: dict[tuple[str, str], _Known] = {}
        self._refused: OrderedDict[tuple[str, str], _Refused] = OrderedDict()
        self._lock = Lock()

    def current(self, channel: str, account: str) -> tuple[Any, ...]:
        """The account's valid credentials, the current ones first, as instances of the channel's model.

        `ChannelUnknown`, `AccountUnknown`, `CredentialsInvalid`, or `Unavailable` when Secrets Manager does not answer.
        """
        model = registry.adapter(channel).credentials
        if not _ACCOUNT.fullmatch(account):
            raise AccountUnknown(f"{channel}: not a name of an account")
        key, now = (channel, account), self._clock()
        known = self._known.get(key)
        if known is not None and now < known.until:
            return known.credentials
        refused = self._refused.get(key)
        if refused is not None and now < refused.until:
            raise refused.error(refused.detail)
        return self._ask(key, model, now)

    def _ask(self, key: tuple[str, str], model: type[Credentials], now: datetime) -> tuple[Any, ...]:
        name = f"{self._prefix}{key[0]}/{key[1]}"
        try:
            found = self._versions(name, model)
        except (AccountUnknown, CredentialsInvalid) as error:
            self._refuse(key, _Refused(now + KEEP_REFUSED, type(error), str(error)))
            raise
        self._known[key] = _Known(now + KEEP, found)
        return found

    def _versions(self, name: str, model: type[Credentials]) -> tuple[Any, ...]:
        current = self._read(name, "AWSCURRENT")
        if current is None:
            raise AccountUnknown(f"no secret {name}")
        credentials = _fitted(model, current, name)
        previous = self._read(name, "AWSPREVIOUS")
        if previous is None or previous == current:
            return (credentials,)
        try:
            return credentials, _under_todays_rules(_fitted(model, previous, name), credentials)
        except CredentialsInvalid:
            # A wrong secret that was put right lives on as the previous version: it was never valid.
            return (credentials,)

    def _read(self, name: str, stage: str) -> str | None:
        from botocore.exceptions import ClientError

        with aws_faults("GetSecretValue"):
            try:
                answer = self._client.get_secret_value(SecretId=name, VersionStage=stage)
            except ClientError as error:
                if error.response["Error"]["Code"] in _NOT_THERE:
                    return None
                raise
        return answer.get("SecretString", "")

    def _refuse(self, key: tuple[str, str], refused: _Refused) -> None:
        with self._lock:
            self._known.pop(key, None)
            self._refused[key] = refused
            self._refused.move_to_end(key)
            if len(self._refused) > MAX_REFUSED:
                self._refused.popitem(last=False)


def _under_todays_rules(older: Credentials, current: Credentials) -> Credentials:
    return older.model_copy(update={name: getattr(current, name) for name in RULES if name in type(current).model_fields})


def _fitted(model: type[Credentials], secret: str, name: str) -> Credentials:
    from pydantic import ValidationError

    try:
        return model.model_validate_json(secret)
    except ValidationError as error:
        # Only places and kinds of error: a library's own words may quote the value.
        found = error.errors(include_input=False, include_url=False, include_context=False)
        problems = ", ".join(f"{'.'.join(map(str, e['loc'])) or 'the whole'}: {e['type']}" for e in found)
        raise CredentialsInvalid(f"secret {name}: {problems}") from None
