"""The password of the packs, out of Secrets Manager."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.common.errors import Poison, aws_faults

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


class PasswordMissing(Poison):
    """The secret holds no text: nothing is written that an empty password would open."""


def password(client: SecretsManagerClient, secret: str) -> str:
    """The password as it is now; `PasswordMissing`, or `Unavailable` when Secrets Manager does not give it."""
    with aws_faults("GetSecretValue"):
        found = client.get_secret_value(SecretId=secret).get("SecretString", "")
    if not found.strip():
        raise PasswordMissing(f"the secret {secret} holds no text")
    return found
