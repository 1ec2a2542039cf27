"""A function whose package stays in a bucket, when that cannot be read for a while."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.lambda_.room import Room, zipped
from tests.support.waiting import until

WHERE = ("bucket", "code.zip", "v1")
CODE = {"S3Bucket": "bucket", "S3Key": "code.zip", "S3ObjectVersion": "v1", "S3ObjectStorageMode": "REFERENCE"}


def created_and_lost(room: Room, folder: Path) -> Any:
    """A function that was Active once; its object is gone, and what was unpacked of it."""
    room.bucket.objects[WHERE] = zipped()
    room.bucket.objects["bucket", "other", None] = b""
    room.create(Code=CODE)
    del room.bucket.objects[WHERE]
    shutil.rmtree(folder / "code")
    return room.client()


def refused(aws: Any) -> str:
    with pytest.raises(ClientError) as raised:
        aws.invoke(FunctionName="f")
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    return str(raised.value.response["Error"]["Message"]).rpartition(": ")[2]


def answers(aws: Any) -> bool:
    """Whether it can be invoked. Each call that finds it inactive has it tried anew, unless a try is under way."""
    try:
        aws.invoke(FunctionName="f")
    except ClientError:
        return False
    return True


def settled(room: Room) -> str:
    """The state once what was begun in the background has ended."""
    room.settle()
    return str(room.settle()["State"])


def test_the_first_invoke_that_needs_the_object_finds_out(room: Room, tmp_path: Path) -> None:
    aws = created_and_lost(room, tmp_path)
    assert refused(aws) == "Inactive"
    shown = aws.get_function_configuration(FunctionName="f")
    assert (shown["State"], shown["LastUpdateStatus"]) == ("Inactive", "Successful")
    assert "S3 Error Code: NoSuchKey" in shown["StateReason"]
    assert [ref.name for ref in room.changed[-1:]] == ["f"]  # its environments were told


def test_an_invoke_after_the_object_is_back_restores_the_function(room: Room, tmp_path: Path) -> None:
    aws = created_and_lost(room, tmp_path)
    assert refused(aws) == "Inactive"
    assert refused(aws) in ("Inactive", "Pending")  # it tried in vain
    assert settled(room) == "Inactive"
    room.bucket.objects[WHERE] = zipped()
    assert settled(room) == "Inactive"  # nobody asked
    assert refused(aws) == "Inactive"
    until(lambda: answers(aws), "the function is back")
    assert settled(room) == "Active"
    assert len(room.runner.invocations) == 1


def test_while_it_is_restored_it_is_pending(room: Room, tmp_path: Path) -> None:
    aws = created_and_lost(room, tmp_path)
    assert refused(aws) == "Inactive"
    room.bucket.objects[WHERE] = zipped()
    room.gate.clear()
    assert refused(aws) == "Inactive"
    until(lambda: aws.get_function_configuration(FunctionName="f")["State"] == "Pending", "restoring")
    assert refused(aws) == "Pending"
    shown = aws.get_function_configuration(FunctionName="f")
    assert (shown["State"], shown["StateReasonCode"]) == ("Pending", "Restoring")
    room.gate.set()
    assert settled(room) == "Active"


def test_other_bytes_under_the_same_version_are_not_run(room: Room, tmp_path: Path) -> None:
    aws = created_and_lost(room, tmp_path)
    room.bucket.objects[WHERE] = zipped({"app.py": "def handler(event, context):\n    return 'forged'\n"})
    assert refused(aws) == "Inactive"
    assert "NoSuchVersion" in aws.get_function_configuration(FunctionName="f")["StateReason"]


def test_an_inactive_function_is_not_published(room: Room, tmp_path: Path) -> None:
    aws = created_and_lost(room, tmp_path)
    refused(aws)
    settled(room)
    with pytest.raises(ClientError, match="currently in the following state: Inactive"):
        aws.publish_version(FunctionName="f")
