"""The model's constraints, in AWS's words."""

import pytest

from bulb.core.errors import AwsError
from bulb.wire.catalog import SERVICES
from bulb.wire.constraints import check, compile_pattern, violations

from .clients import CATALOG


def refusal(service: str, operation: str, params: dict) -> AwsError:
    with pytest.raises(AwsError) as caught:
        check(CATALOG.service(service), operation, params)
    assert caught.value.status == 400
    return caught.value


def test_every_pattern_of_every_model_is_checked() -> None:
    for name in SERVICES:
        for shape in CATALOG.service(name).shapes._documents.values():
            if "pattern" in shape:
                assert compile_pattern(shape["pattern"]) is not None, (name, shape["pattern"])


def test_lambdas_wording() -> None:
    error = refusal("lambda", "CreateFunction", {"FunctionName": "f", "Code": {}, "Role": "nonsense", "MemorySize": 1})
    assert error.code == "ValidationException"
    assert error.message == (
        "2 validation errors detected: Value 'nonsense' at 'role' failed to satisfy constraint: Member must satisfy "
        r"regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+; Value '1' at "
        "'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"
    )


def test_null_enum_and_nested_members() -> None:
    shape = CATALOG.service("logs").operation("CreateLogGroup").input
    assert violations({}, shape) == [
        "Value null at 'logGroupName' failed to satisfy constraint: Member must not be null"
    ]
    error = refusal("lambda", "Invoke", {"FunctionName": "f", "InvocationType": "Sometimes"})
    assert error.message == (
        "1 validation error detected: Value 'Sometimes' at 'invocationType' failed to satisfy constraint: Member must "
        "satisfy enum value set: [Event, RequestResponse, DryRun]"
    )
    entries = {"Entries": [{"Source": "s", "Detail": "{}", "DetailType": "t"}] * 11}
    assert "'entries' failed" in refusal("events", "PutEvents", entries).message
    name = {"streamName": "a"}
    nested = {"logGroupName": "g", "logStreamName": "s", "logEvents": [{"timestamp": 1}], **name}
    assert "at 'logEvents.1.member.message'" in refusal("logs", "PutLogEvents", nested).message


def test_a_list_holds_no_null() -> None:
    """Of structures, of texts, and within what is in a list itself: no service has to expect one."""
    null = "failed to satisfy constraint: Member must not be null"
    assert f"Value null at 'entries.1.member' {null}" in refusal("events", "PutEvents", {"Entries": [None]}).message
    entry = {"Source": "s", "DetailType": "d", "Detail": "{}", "Resources": ["r", None]}
    message = refusal("events", "PutEvents", {"Entries": [entry]}).message
    assert message.endswith(f"Value null at 'entries.1.member.resources.2.member' {null}")
    subnets = {"FunctionName": "f", "VpcConfig": {"SubnetIds": [None]}}
    message = refusal("lambda", "UpdateFunctionConfiguration", subnets).message
    assert message.endswith(f"Value null at 'vpcConfig.subnetIds.1.member' {null}")


def test_query_services_and_s3_have_their_own_codes() -> None:
    assert refusal("iam", "CreateRole", {}).code == "ValidationError"
    assert refusal("s3", "PutObject", {"Bucket": "b", "Key": "k", "ACL": "everyone"}).code == "InvalidArgument"
    check(CATALOG.service("s3"), "PutObject", {"Bucket": "b", "Key": "k" * 2000})  # S3 judges lengths itself.
    assert refusal("s3", "PutBucketNotificationConfiguration", {"Bucket": "b"}).code == "MissingRequestBodyError"
    check(CATALOG.service("s3"), "UploadPart", {"Bucket": "b", "Key": "k", "PartNumber": 1, "UploadId": "u"})


def test_what_s3_judges_itself_passes_and_what_stands_beside_it_does_not() -> None:
    there = {"LocationConstraint": "Paris"}
    check(CATALOG.service("s3"), "CreateBucket", {"Bucket": "b", "CreateBucketConfiguration": there})
    tagged = {**there, "Tags": [{"Key": "k"}]}
    assert "'createBucketConfiguration.tags.1.member.value'" in (
        refusal("s3", "CreateBucket", {"Bucket": "b", "CreateBucketConfiguration": tagged}).message
    )


def test_what_is_right_passes() -> None:
    role = "arn:aws:iam::000000000000:role/service/r"
    params = {"FunctionName": "f", "Code": {"ZipFile": b"x"}, "Role": role, "Runtime": "python3.12", "Tags": {"a": "b"}}
    check(CATALOG.service("lambda"), "CreateFunction", params)
    tags = {"RoleName": "r", "Tags": [{"Key": "ключ with space", "Value": "значение"}]}
    check(CATALOG.service("iam"), "TagRole", tags)
    assert (
        "'tags.1.member.key'"
        in refusal("iam", "TagRole", {"RoleName": "r", "Tags": [{"Key": "!", "Value": ""}]}).message
    )
