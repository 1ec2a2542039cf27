"""Code that stays in the owner's bucket (`S3ObjectStorageMode: REFERENCE`): used from there, and gone with it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.test_layers import archive
from tests.support.bulb import Process, Running, running_bulb
from tests.support.functions import PYTHON, ROLE, create, invoke, zipped
from tests.support.waiting import until

HOUR_S = 3_601
WAIT = {"Delay": 0.05, "MaxAttempts": 200}
INACTIVE = "The operation cannot be performed at this time. The function is currently in the following state: Inactive"


@pytest.fixture(scope="module")
def clocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_bulb(tmp_path_factory.mktemp("reference") / "data") as running:
        yield running


def says(word: str) -> bytes:
    return zipped(app=f"def handler(event, context):\n    return {word!r}\n")


def upload(running: Running | Process, bucket: str, key: str, body: bytes, *, versioned: bool = True) -> Any:
    s3 = running.client("s3")
    s3.create_bucket(Bucket=bucket)
    if versioned:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return s3.put_object(Bucket=bucket, Key=key, Body=body).get("VersionId")


def reference(bucket: str, key: str = "code.zip", version: str | None = None) -> dict[str, Any]:
    named = {"S3Bucket": bucket, "S3Key": key, "S3ObjectStorageMode": "REFERENCE"}
    return named if version is None else {**named, "S3ObjectVersion": version}


def create_by_reference(aws: Any, name: str, code: dict[str, Any], **settings: Any) -> dict[str, Any]:
    created = aws.create_function(
        FunctionName=name, Runtime=PYTHON, Role=ROLE, Handler="app.handler", Code=code, **settings
    )
    aws.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=WAIT)
    return dict(created)


def state(aws: Any, name: str, **qualifier: str) -> dict[str, Any]:
    return dict(aws.get_function_configuration(FunctionName=name, **qualifier))


def becomes(wanted: str, aws: Any, name: str, **qualifier: str) -> None:
    until(lambda: state(aws, name, **qualifier)["State"] == wanted, f"{name} being {wanted}")


def refusal(call: Callable[..., Any], **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call(**params)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def accepted(call: Callable[..., Any], **params: Any) -> bool:
    try:
        call(**params)
    except ClientError as error:
        assert error.response["Error"]["Message"].endswith("state: Pending")
        return False
    return True


def settled(call: Callable[..., Any], **params: Any) -> tuple[str, str] | None:
    """The refusal, once nothing is Pending."""
    code, message = refusal(call, **params)
    return None if message.endswith("state: Pending") else (code, message)


def test_nothing_is_copied_and_the_version_is_pinned(clocked: Running) -> None:
    aws = clocked.client("lambda")
    before = aws.get_account_settings()["AccountUsage"]["TotalCodeSize"]
    package = says("first")
    version = upload(clocked, "pinned", "code.zip", package)
    created = create_by_reference(aws, "pinned", reference("pinned"), Publish=True)
    assert created["CodeSize"] == len(package)
    clocked.client("s3").put_object(Bucket="pinned", Key="code.zip", Body=says("second"))
    assert invoke(aws, "pinned")[0] == "first"
    for qualifier in ("$LATEST", "1"):
        assert aws.get_function(FunctionName="pinned", Qualifier=qualifier)["Code"] == {
            "RepositoryType": "S3",
            "ResolvedS3Object": {"S3Bucket": "pinned", "S3Key": "code.zip", "S3ObjectVersion": version},
        }
    assert aws.get_account_settings()["AccountUsage"]["TotalCodeSize"] == before

    aws.update_function_code(FunctionName="pinned", **reference("pinned"))
    aws.get_waiter("function_updated_v2").wait(FunctionName="pinned", WaiterConfig=WAIT)
    assert invoke(aws, "pinned")[0] == "second"
    assert invoke(aws, "pinned", Qualifier="1")[0] == "first"

    copied = aws.update_function_code(FunctionName="pinned", S3Bucket="pinned", S3Key="code.zip")
    aws.get_waiter("function_updated_v2").wait(FunctionName="pinned", WaiterConfig=WAIT)
    shown = aws.get_function(FunctionName="pinned")["Code"]
    assert "ResolvedS3Object" not in shown and shown["Location"].startswith("http")
    assert aws.get_account_settings()["AccountUsage"]["TotalCodeSize"] == before + copied["CodeSize"]
    aws.update_function_code(FunctionName="pinned", **reference("pinned"))
    assert aws.get_account_settings()["AccountUsage"]["TotalCodeSize"] == before


def test_what_cannot_be_referred_to(clocked: Running) -> None:
    aws = clocked.client("lambda")
    upload(clocked, "unversioned", "code.zip", says("x"), versioned=False)
    params = {"FunctionName": "refused", "Runtime": PYTHON, "Role": ROLE, "Handler": "app.handler"}
    code, message = refusal(aws.create_function, **params, Code=reference("unversioned"))
    assert code == "InvalidParameterValueException" and "versioning" in message
    code, message = refusal(aws.create_function, **params, Code=reference("unversioned", "none.zip"))
    assert code == "InvalidParameterValueException"
    assert message.startswith("Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: ")
    code, message = refusal(
        aws.create_function, **params, Code={"ZipFile": says("x"), "S3ObjectStorageMode": "REFERENCE"}
    )
    assert message == "Please do not provide other FunctionCode parameters when providing a ZipFile."
    upload(clocked, "no-zip", "code.zip", b"no zip")
    code, message = refusal(aws.create_function, **params, Code=reference("no-zip"))
    assert message == "Could not unzip uploaded file. Please check your file, then try to upload again."


def test_a_function_whose_object_is_gone_is_inactive_until_it_is_updated(clocked: Running) -> None:
    aws, s3 = clocked.client("lambda"), clocked.client("s3")
    version = upload(clocked, "gone", "code.zip", says("here"))
    create_by_reference(aws, "gone", reference("gone"), Publish=True)
    aws.create_alias(FunctionName="gone", Name="live", FunctionVersion="1")
    assert invoke(aws, "gone")[0] == invoke(aws, "gone:live")[0] == "here"
    s3.delete_object(Bucket="gone", Key="code.zip", VersionId=version)
    assert invoke(aws, "gone")[0] == "here"  # nobody has looked yet
    clocked.clock.advance(HOUR_S)
    becomes("Inactive", aws, "gone")
    becomes("Inactive", aws, "gone", Qualifier="1")
    shown = state(aws, "gone")
    assert shown["StateReasonCode"] == "InvalidConfiguration"
    assert "S3 Error Code: NoSuchVersion" in shown["StateReason"]
    assert refusal(aws.invoke, FunctionName="gone") == ("ResourceConflictException", INACTIVE)
    assert refusal(aws.invoke, FunctionName="gone:live") == ("ResourceConflictException", INACTIVE)
    # The refused invoke looks for the object once more, and updates wait for that.
    code, message = until(lambda: settled(aws.update_function_configuration, FunctionName="gone", Timeout=5), "an end")
    assert code == "InvalidParameterValueException" and "NoSuchVersion" in message

    again = s3.put_object(Bucket="gone", Key="code.zip", Body=says("again"))["VersionId"]
    until(
        lambda: accepted(aws.update_function_code, FunctionName="gone", **reference("gone", version=again)), "an update"
    )
    aws.get_waiter("function_updated_v2").wait(FunctionName="gone", WaiterConfig=WAIT)
    assert state(aws, "gone")["State"] == "Active" and "StateReason" not in state(aws, "gone")
    assert invoke(aws, "gone")[0] == "again"
    becomes("Inactive", aws, "gone", Qualifier="1")


def test_the_object_is_read_again_when_what_was_unpacked_is_lost(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_bulb(data) as running:
        aws = running.client("lambda")
        upload(running, "lost", "code.zip", says("kept in S3"))
        create_by_reference(aws, "lost", reference("lost"))
    shutil.rmtree(data / "code")
    with running_bulb(data) as running:
        running.clock.advance(7_200)  # past the time unnamed bytes are kept
        assert invoke(running.client("lambda"), "lost")[0] == "kept in S3"


def test_without_its_object_and_what_was_unpacked_a_function_is_inactive_after_a_restart(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_bulb(data) as running:
        version = upload(running, "no-more", "code.zip", says("before"))
        create_by_reference(running.client("lambda"), "no-more", reference("no-more"))
        running.client("s3").delete_object(Bucket="no-more", Key="code.zip", VersionId=version)
    shutil.rmtree(data / "code")
    with running_bulb(data) as running:
        aws = running.client("lambda")
        assert refusal(aws.invoke, FunctionName="no-more") == ("ResourceConflictException", INACTIVE)
        # The refused invoke looks for the object once more, and updates wait for that.
        until(lambda: accepted(aws.update_function_code, FunctionName="no-more", ZipFile=says("copied")), "an update")
        aws.get_waiter("function_updated_v2").wait(FunctionName="no-more", WaiterConfig=WAIT)
        assert invoke(aws, "no-more")[0] == "copied"


def test_a_kill_takes_nothing_from_it(tmp_path: Path) -> None:
    """What was unpacked is not synced, so it is not trusted after a crash: the object is read again."""
    process = Process(tmp_path / "data")
    process.start()
    try:
        upload(process, "killed", "code.zip", says("still here"))
        create_by_reference(process.client("lambda"), "killed", reference("killed"))
        process.kill()
        process.start()
        assert invoke(process.client("lambda"), "killed")[0] == "still here"
    finally:
        process.kill()


def test_the_bucket_may_be_in_another_region_and_not_of_another_account(clocked: Running) -> None:
    upload(clocked, "here-only", "code.zip", says("from afar"))
    afar = clocked.client("lambda", region="eu-central-1")
    create_by_reference(afar, "afar", reference("here-only"))
    assert invoke(afar, "afar")[0] == "from afar"
    others = clocked.client("lambda", access_key="111122223333")
    params = {"FunctionName": "afar", "Runtime": PYTHON, "Role": ROLE, "Handler": "app.handler"}
    code, message = refusal(others.create_function, **params, Code=reference("here-only"))
    assert code == "InvalidParameterValueException" and "S3 Error Code: AccessDenied" in message


def test_a_layer_by_reference(clocked: Running) -> None:
    aws, s3 = clocked.client("lambda"), clocked.client("s3")
    before = aws.get_account_settings()["AccountUsage"]["TotalCodeSize"]
    version = upload(clocked, "layered", "layer.zip", archive({"python/shared.py": "WHO = 'the layer'"}))
    published = aws.publish_layer_version(LayerName="referred", Content=reference("layered", "layer.zip"))
    resolved = {"S3Bucket": "layered", "S3Key": "layer.zip", "S3ObjectVersion": version}
    shown = aws.get_layer_version(LayerName="referred", VersionNumber=1)["Content"]
    for content in (published["Content"], shown):
        assert content["ResolvedS3Object"] == resolved and "Location" not in content
    assert aws.get_account_settings()["AccountUsage"]["TotalCodeSize"] == before
    source = "import shared\ndef handler(event, context):\n    return shared.WHO"
    arn = published["LayerVersionArn"]
    create(aws, "layered", source, Layers=[arn])
    assert invoke(aws, "layered")[0] == "the layer"

    s3.delete_object(Bucket="layered", Key="layer.zip", VersionId=version)
    clocked.clock.advance(HOUR_S)
    aws.update_function_configuration(FunctionName="layered", Timeout=5)
    aws.get_waiter("function_updated_v2").wait(FunctionName="layered", WaiterConfig=WAIT)
    assert state(aws, "layered")["State"] == "Active"
    assert invoke(aws, "layered")[0] == "the layer"
    code, message = refusal(aws.update_function_configuration, FunctionName="layered", Layers=[arn])
    assert code == "InvalidParameterValueException" and "NoSuchVersion" in message
    aws.delete_layer_version(LayerName="referred", VersionNumber=1)
    assert invoke(aws, "layered")[0] == "the layer"
