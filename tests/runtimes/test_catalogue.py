"""Identifiers: the service model's own list, and AWS's words of refusal."""

import gzip
import json
from pathlib import Path

import botocore
import pytest

from bulb.core.errors import AwsError, NotSupported
from bulb.runtimes.catalogue import RUNTIMES, State, check_runtime


def test_the_list_is_the_service_models() -> None:
    folder = Path(botocore.__file__).parent / "data" / "lambda" / "2015-03-31"
    model = json.loads(gzip.decompress((folder / "service-2.json.gz").read_bytes()))
    assert list(RUNTIMES) == model["shapes"]["Runtime"]["enum"]


def test_labels_and_arns() -> None:
    python = check_runtime("python3.12")
    assert python.label == "python:3.12.v1"
    assert python.execution_env == "AWS_Lambda_python3.12"
    arn = python.version_arn("eu-west-1")
    assert arn.startswith("arn:aws:lambda:eu-west-1::runtime:")
    assert len(arn.rpartition(":")[2]) == 64
    assert check_runtime("python3.13").version_arn("eu-west-1") != arn
    assert check_runtime("nodejs22.x").label == "nodejs:22.v1"
    assert RUNTIMES["provided.al2023"].execution_env is None


def test_unknown() -> None:
    with pytest.raises(AwsError) as caught:
        check_runtime("python9")
    assert caught.value.code == "InvalidParameterValueException"
    assert caught.value.message.startswith(
        "Value python9 at 'runtime' failed to satisfy constraint: "
        "Member must satisfy enum value set: [nodejs, nodejs4.3, "
    )
    assert caught.value.message.endswith("] or be a valid ARN")


def test_deprecated() -> None:
    with pytest.raises(AwsError) as caught:
        check_runtime("python3.8")
    assert caught.value.message == (
        "The runtime parameter of python3.8 is no longer supported for creating or updating AWS Lambda functions. "
        "We recommend you use a supported runtime while creating or updating functions."
    )


def test_functions_of_runtimes_that_are_not_run_here_can_be_created() -> None:
    assert check_runtime("ruby3.4").state is State.KNOWN


def test_customer_managed_runtimes_are_refused() -> None:
    with pytest.raises(NotSupported, match="custom"):
        check_runtime("custom")
