"""What stops a command is said in one line that tells an operator what to do."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, NoRegionError

from functions.common.errors import aws_faults
from infra.cli.place import one_line

MISSING = ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "no such table"}}, "Query")


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (
            NoCredentialsError(),
            "Unable to locate credentials: AWS_PROFILE and AWS_REGION name them, `. .local/environ` the local stack's",
        ),
        (NoRegionError(), "You must specify a region: AWS_PROFILE and AWS_REGION"),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:9"), "nobody answers at http://127.0.0.1:9"),
        (MISSING, "An error occurred (ResourceNotFoundException) when calling the Query operation: no such table"),
    ],
)
def test_what_is_between_a_command_and_aws_is_one_line(fault: Exception, says: str) -> None:
    with pytest.raises(SystemExit) as ended, one_line(), aws_faults("Query"):
        raise fault
    assert str(ended.value.code).startswith(f"postroom: AWS: {says}")
    with pytest.raises(SystemExit) as without_a_store, one_line():
        raise fault
    assert without_a_store.value.code == ended.value.code
