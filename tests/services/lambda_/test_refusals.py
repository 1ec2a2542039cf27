"""What create and update refuse, in AWS's words; and what Bulb does not do, by name."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.lambda_.room import ARN, ROLE, Room, open_room, zipped
from tests.services.lambda_.test_lifecycle import message

INVALID = "InvalidParameterValueException"
RETIRED = (
    "The runtime parameter of python3.7 is no longer supported for creating or updating AWS Lambda functions. "
    "We recommend you use a supported runtime while creating or updating functions."
)
RESERVED = (
    "Lambda was unable to configure your environment variables because the environment variables you have provided "
    "contains reserved keys that are currently not supported for modification. "
    "Reserved keys used in this request: AWS_REGION, LAMBDA_TASK_ROOT"
)


def refused(call: Callable[..., Any], **params: Any) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as raised:
        call(**params)
    return message(raised)


CONFIGURATION: list[tuple[dict[str, Any], str]] = [
    ({"Runtime": "python3.7"}, RETIRED),
    ({"Environment": {"Variables": {"AWS_REGION": "x", "OK": "y", "LAMBDA_TASK_ROOT": "z"}}}, RESERVED),
    (
        {"Environment": {"Variables": {"KEY": "v" * 4_087}}},
        "Lambda was unable to configure your environment variables because the environment variables you have "
        'provided exceeded the 4KB limit. String measured: {"KEY":"' + "v" * 4_087 + '"}',
    ),
    (
        {"MemorySize": 10_241},
        "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 10240",
    ),
    (
        {"Timeout": 901},
        "'Timeout' value failed to satisfy constraint: Member must have value less than or equal to 900",
    ),
    (
        {"EphemeralStorage": {"Size": 10_241}},
        "'EphemeralStorage' value failed to satisfy constraint: Member must have value less than or equal to 10240",
    ),
    (
        {"LoggingConfig": {"LogFormat": "Text", "ApplicationLogLevel": "DEBUG"}},
        "ApplicationLogLevel and SystemLogLevel can only be set when LogFormat is JSON.",
    ),
]


@pytest.mark.parametrize(("params", "text"), CONFIGURATION)
def test_configuration(room: Room, params: dict[str, Any], text: str) -> None:
    assert refused(room.create, name="new", **params) == (INVALID, text, 400)
    room.create()
    aws = room.client()
    before = aws.get_function_configuration(FunctionName="f")
    assert refused(aws.update_function_configuration, FunctionName="f", **params) == (INVALID, text, 400)
    after = aws.get_function_configuration(FunctionName="f")
    assert after["RevisionId"] == before["RevisionId"]


def test_unknown_runtime(room: Room) -> None:
    code, text, status = refused(room.create, Runtime="cobol85")
    assert (code, status) == (INVALID, 400)
    assert "Value cobol85 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [" in text
    assert text.endswith("] or be a valid ARN")


def test_environment_of_exactly_4_kb(room: Room) -> None:
    room.create(Environment={"Variables": {"KEY": "v" * 4_086}})


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"Timeout": 0}, "timeout"),
        ({"MemorySize": 127}, "memorySize"),
        ({"EphemeralStorage": {"Size": 511}}, "ephemeralStorage.size"),
        ({"Handler": "a b"}, "handler"),
        ({"Handler": "h" * 129}, "handler"),
        ({"Description": "d" * 257}, "description"),
        ({"Role": "me"}, "role"),
        ({"Architectures": ["x86"]}, "architectures"),
        ({"PackageType": "Tar"}, "packageType"),
    ],
)
def test_the_models_own_bounds(room: Room, params: dict[str, Any], field: str) -> None:
    code, text, status = refused(room.create, **params)
    assert (code, status) == ("ValidationException", 400)
    assert text.startswith("1 validation error detected: Value ")
    assert f"at '{field}" in text


MANAGED = {
    "LambdaManagedInstancesCapacityProviderConfig": {
        "CapacityProviderArn": "arn:aws:lambda:us-east-1:000000000000:capacity-provider:p"
    }
}
UNSUPPORTED: list[tuple[dict[str, Any], str]] = [
    ({"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:000000000000:q"}}, "DeadLetterConfig to Amazon SQS"),
    ({"KMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k"}, "KMSKeyArn"),
    ({"ImageConfig": {"Command": ["x"]}}, "ImageConfig"),
    ({"DurableConfig": {"ExecutionTimeout": 5}}, "DurableConfig"),
    ({"CapacityProviderConfig": MANAGED}, "CapacityProviderConfig"),
    ({"AcceleratorConfig": {"AcceleratorMemorySize": 1}}, "AcceleratorConfig"),
    (
        {"RuntimeConfig": {"RuntimeArn": "arn:aws:lambda:us-east-1:000000000000:runtime/mine", "RuntimeAlias": "a"}},
        "RuntimeConfig",
    ),
]
CREATE_ONLY: list[tuple[dict[str, Any], str]] = [
    ({"PackageType": "Image"}, "functions made from container images"),
    ({"PublishTo": "LATEST_PUBLISHED"}, "PublishTo"),
    ({"PackageType": "Image", "Code": {"ImageUri": "r/i:1"}}, "functions made from container images"),
    ({"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}}, "TenancyConfig"),
    ({"Architectures": ["arm64"]}, "Architectures arm64 on this machine (x86_64)"),
    (
        {"Code": {"ZipFile": zipped(), "SourceKMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k"}},
        "SourceKMSKeyArn",
    ),
]


@pytest.mark.parametrize(("params", "what"), UNSUPPORTED + CREATE_ONLY)
def test_options_nobody_acts_on_are_refused_by_name(room: Room, params: dict[str, Any], what: str) -> None:
    code, text, status = refused(room.create, **params)
    assert (code, text, status) == ("NotImplementedException", f"Bulb does not support {what} yet.", 501)
    assert room.client().list_functions()["Functions"] == []


@pytest.mark.parametrize(("params", "what"), UNSUPPORTED)
def test_updates_refuse_them_too(room: Room, params: dict[str, Any], what: str) -> None:
    room.create()
    code, text, _ = refused(room.client().update_function_configuration, FunctionName="f", **params)
    assert (code, text) == ("NotImplementedException", f"Bulb does not support {what} yet.")


@pytest.mark.parametrize(
    ("params", "what"),
    [
        ({"SourceKMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k"}, "SourceKMSKeyArn"),
        ({"PublishTo": "LATEST_PUBLISHED", "Publish": True}, "PublishTo"),
    ],
)
def test_new_code_refuses_them_too(room: Room, params: dict[str, Any], what: str) -> None:
    before = room.create()["CodeSha256"]
    changed = {"FunctionName": "f", "ZipFile": zipped({"app.py": "def handler(e, c): return 2"})}
    code, text, _ = refused(room.client().update_function_code, **changed, **params)
    assert (code, text) == ("NotImplementedException", f"Bulb does not support {what} yet.")
    assert room.settle()["CodeSha256"] == before


def test_values_that_mean_not_used_pass(room: Room) -> None:
    room.create(
        VpcConfig={"SubnetIds": [], "SecurityGroupIds": []},
        DeadLetterConfig={},
        KMSKeyArn="",
        TracingConfig={"Mode": "PassThrough"},
        Layers=[],
        FileSystemConfigs=[],
        SnapStart={"ApplyOn": "None"},
        Publish=False,
        Architectures=["x86_64"],
    )


def test_name_in_use(room: Room) -> None:
    room.create()
    assert refused(room.create) == ("ResourceConflictException", "Function already exist: f", 409)


def test_create_takes_an_arn_but_no_version(room: Room) -> None:
    assert room.create(f"{ARN}:byarn")["FunctionName"] == "byarn"
    assert refused(room.create, name=f"{ARN}:f:1")[0] == INVALID


@pytest.mark.parametrize("missing", ["Runtime", "Handler"])
def test_zip_functions_need_a_runtime_and_a_handler(room: Room, missing: str) -> None:
    params = {"Runtime": "python3.12", "Handler": "app.handler", "Role": ROLE, "Code": {"ZipFile": zipped()}}
    del params[missing]
    text = "Runtime and Handler are mandatory parameters for functions created with deployment packages."
    assert refused(room.client().create_function, FunctionName="f", **params) == (INVALID, text, 400)


BAD_ZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."
NO_BUCKET = (
    "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist"
)
NO_KEY = "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist."
SOURCES: list[tuple[dict[str, Any], str]] = [
    ({"ZipFile": b"no zip"}, BAD_ZIP),
    ({"ZipFile": zipped()[:-30]}, BAD_ZIP),
    ({"ZipFile": b""}, "Uploaded file must be a non-empty zip"),
    ({"S3Bucket": "nowhere", "S3Key": "k"}, NO_BUCKET),
    ({"S3Bucket": "there", "S3Key": "k"}, NO_KEY),
    ({"S3Bucket": "there"}, "Please provide a source for function code."),
    ({}, "Please provide a source for function code."),
    (
        {"ZipFile": zipped(), "S3Bucket": "there", "S3Key": "k"},
        "Please do not provide other FunctionCode parameters when providing a ZipFile.",
    ),
]


@pytest.mark.parametrize(("source", "text"), SOURCES)
def test_code_sources(room: Room, source: dict[str, Any], text: str) -> None:
    room.bucket.objects["there", "other", None] = b""
    assert refused(room.create, name="new", Code=source) == (INVALID, text, 400)
    room.create()
    before = room.settle()
    assert refused(room.client().update_function_code, FunctionName="f", **source) == (INVALID, text, 400)
    assert room.settle()["RevisionId"] == before["RevisionId"]


def test_code_from_s3(room: Room) -> None:
    room.bucket.objects["code", "k", None] = zipped({"app.py": "a = 1\n"})
    room.bucket.objects["code", "k", "v2"] = zipped({"app.py": "a = 2\n"})
    room.create(Code={"S3Bucket": "code", "S3Key": "k"})
    aws = room.client()
    aws.update_function_code(FunctionName="f", S3Bucket="code", S3Key="k", S3ObjectVersion="v2")
    room.settle()
    aws.invoke(FunctionName="f")
    assert (room.runner.invocations[0].spec.code / "app.py").read_text() == "a = 2\n"


def test_image_update_of_a_zip_function(room: Room) -> None:
    room.create()
    text = "Please don't provide ImageUri when updating a function with packageType Zip."
    assert refused(room.client().update_function_code, FunctionName="f", ImageUri="r/i:1") == (INVALID, text, 400)


def test_zip_over_50_mb(room: Room) -> None:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("data", bytes(52_428_800))
    text = "Zipped size must be smaller than 52428800 bytes"
    assert refused(room.create, Code={"ZipFile": package.getvalue()}) == (
        "RequestEntityTooLargeException",
        text,
        413,
    )


def test_request_over_the_front_ends_limit(room: Room) -> None:
    text = "Request must be smaller than 70167211 bytes for the CreateFunction operation"
    assert refused(room.create, Code={"ZipFile": bytes(53_000_000)}) == ("RequestEntityTooLargeException", text, 413)


def test_unzipped_over_250_mb(room: Room) -> None:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(26):
            archive.writestr(f"zeros{number}", bytes(10_485_760))
    text = "Unzipped size must be smaller than 262144000 bytes"
    assert refused(room.create, Code={"ZipFile": package.getvalue()}) == (INVALID, text, 400)


def test_stale_revisions(room: Room) -> None:
    stale = room.create()["RevisionId"]
    aws = room.client()
    expected = (
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. "
        "Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
        412,
    )
    assert refused(aws.update_function_configuration, FunctionName="f", Timeout=4, RevisionId=stale) == expected
    assert refused(aws.update_function_code, FunctionName="f", ZipFile=zipped(), RevisionId=stale) == expected
    current = room.settle()["RevisionId"]
    aws.update_function_configuration(FunctionName="f", Timeout=4, RevisionId=current)


def test_code_storage_is_limited(tmp_path: Path) -> None:
    package = zipped()
    with open_room(tmp_path, code_storage_bytes=len(package) * 2) as room:
        room.create("one")
        room.create("two")
        expected = ("CodeStorageExceededException", "Code storage limit exceeded.", 400)
        assert refused(room.create, name="three") == expected


def test_snapshots_are_refused_where_they_cannot_be_made(tmp_path: Path) -> None:
    wanted: dict[str, Any] = {"SnapStart": {"ApplyOn": "PublishedVersions"}}
    with open_room(tmp_path, no_snapshots="full isolation") as room:
        for runtime, missing in (("python3.12", "without full isolation"), ("java21", "of java21 functions")):
            expected = ("NotImplementedException", f"Bulb does not support SnapStart {missing} yet.", 501)
            assert refused(room.create, Runtime=runtime, **wanted) == expected


FAMILIES: list[tuple[str, dict[str, Any]]] = [
    ("list_capacity_providers", {}),
    ("get_function_scaling_config", {"FunctionName": "f", "Qualifier": "1"}),
    ("list_durable_executions_by_function", {"FunctionName": "f"}),
]


@pytest.mark.parametrize(("operation", "params"), FAMILIES)
def test_families_that_are_not_here_are_named(room: Room, operation: str, params: dict[str, Any]) -> None:
    code, text, status = refused(getattr(room.client(), operation), **params)
    name = operation.replace("_", "")
    assert (code, status) == ("NotImplementedException", 501)
    assert f"the operation {name} of the service lambda" in text.lower().replace("  ", " ")
