"""The password of the packs, out of Secrets Manager."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.common.errors import aws_faults

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


def password(client: SecretsManagerClient, secret: str) -> str:
    """The password as it is now; `Unavailable` when Secrets Manager does not give it."""
    with aws_faults("GetSecretValue"):
        return client.get_secret_value(SecretId=secret)["SecretString"]
