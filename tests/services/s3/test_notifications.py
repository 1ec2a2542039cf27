"""Notifications: which are accepted, and that each change leaves its event in the outbox, in the same transaction."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from bulb.core.errors import AwsError
from tests.services.s3.room import Room, in_room

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:thumbnails"


def configuration(*events: str, arn: str = FUNCTION, **filters: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"LambdaFunctionArn": arn, "Events": list(events)}
    if filters:
        entry["Filter"] = {"Key": {"FilterRules": [{"Name": n, "Value": v} for n, v in filters.items()]}}
    return entry


async def listen(room: Room, *entries: dict[str, Any], bucket: str = "pictures", **params: Any) -> None:
    await room(
        "PutBucketNotificationConfiguration",
        Bucket=bucket,
        NotificationConfiguration={"LambdaFunctionConfigurations": list(entries)},
        **params,
    )


async def told(room: Room) -> list[dict[str, Any]]:
    """The records in the outbox."""
    return [json.loads(entry.payload)["Records"][0] for entry in await room.pending()]


def test_every_kind_of_change_tells(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        await listen(
            room, configuration("s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*", prefix="in/")
        )
        put = await room("PutObject", Bucket="pictures", Key="in/a b", Body=b"data")
        await room("PutObject", Bucket="pictures", Key="out/a", Body=b"data")
        await room("CopyObject", Bucket="pictures", Key="in/copy", CopySource="pictures/out/a")
        upload = (await room("CreateMultipartUpload", Bucket="pictures", Key="in/large"))["UploadId"]
        named = {"Bucket": "pictures", "Key": "in/large", "UploadId": upload}
        part = await room("UploadPart", **named, PartNumber=1, Body=b"part")
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        await room("CompleteMultipartUpload", **named, MultipartUpload=parts)
        await room("PutObjectTagging", Bucket="pictures", Key="in/a b", Tagging={"TagSet": [{"Key": "a", "Value": ""}]})
        await room("DeleteObjectTagging", Bucket="pictures", Key="in/a b")
        await room("DeleteObject", Bucket="pictures", Key="in/a b")
        await room("PutBucketVersioning", Bucket="pictures", VersioningConfiguration={"Status": "Enabled"})
        await room("DeleteObjects", Bucket="pictures", Delete={"Objects": [{"Key": "in/copy"}]})
        records = await told(room)
        assert [record["eventName"] for record in records] == [
            "ObjectCreated:Put",
            "ObjectCreated:Copy",
            "ObjectCreated:CompleteMultipartUpload",
            "ObjectTagging:Put",
            "ObjectTagging:Delete",
            "ObjectRemoved:Delete",
            "ObjectRemoved:DeleteMarkerCreated",
        ]
        first, last = records[0]["s3"]["object"], records[-1]["s3"]["object"]
        assert (first["key"], first["size"], first["eTag"]) == ("in%2Fa+b", 4, put["ETag"].strip('"'))
        assert "versionId" not in first
        assert set(last) == {"key", "versionId", "sequencer"}
        order = [record["s3"]["object"]["sequencer"] for record in records]
        assert order == sorted(set(order))
        entry = (await room.pending())[0]
        assert entry.destination_arn == FUNCTION
        assert entry.attributes == {
            "source": "s3",
            "source_arn": "arn:aws:s3:::pictures",
            "account": "000000000000",
            "trace_header": None,
        }

    in_room(tmp_path, scenario)


def test_no_event_for_what_was_refused_and_one_for_each_that_was_not(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        await listen(room, configuration("s3:ObjectCreated:*"))
        puts = [room("PutObject", Bucket="pictures", Key=f"k{n % 10}", Body=b"x", IfNoneMatch="*") for n in range(100)]
        outcomes = await asyncio.gather(*puts, return_exceptions=True)
        assert sum(isinstance(each, dict) for each in outcomes) == 10
        assert len(await told(room)) == 10

    in_room(tmp_path, scenario)


def test_the_sequence_continues_when_a_bucket_is_made_again(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        for _ in range(2):
            await room("CreateBucket", Bucket="pictures")
            await listen(room, configuration("s3:ObjectCreated:*"))
            await room("PutObject", Bucket="pictures", Key="k", Body=b"")
            await room("DeleteObject", Bucket="pictures", Key="k")
            await room("DeleteBucket", Bucket="pictures")
            room.clock.advance(1)
        first, second = [record["s3"]["object"]["sequencer"] for record in await told(room)]
        assert first < second

    in_room(tmp_path, scenario)


def test_a_configuration_comes_back_as_given_and_can_be_taken_away(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        entry = configuration("s3:ObjectCreated:Put", Prefix="in/", Suffix=".jpg") | {"Id": "mine"}
        await listen(room, entry)
        answer = await room("GetBucketNotificationConfiguration", Bucket="pictures")
        assert answer == {"LambdaFunctionConfigurations": [entry]}
        await room("PutBucketNotificationConfiguration", Bucket="pictures", NotificationConfiguration={})
        assert await room("GetBucketNotificationConfiguration", Bucket="pictures") == {}
        await room("PutObject", Bucket="pictures", Key="in/a.jpg", Body=b"")
        assert await told(room) == []

    in_room(tmp_path, scenario)


def test_a_function_that_may_not_be_called(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        room.targets.refused[FUNCTION] = "Not authorized to invoke function"
        with pytest.raises(AwsError) as refused:
            await listen(room, configuration("s3:ObjectCreated:*"))
        assert refused.value.code == "InvalidArgument"
        assert refused.value.message == "Unable to validate the following destination configurations"
        assert await room("GetBucketNotificationConfiguration", Bucket="pictures") == {}
        await listen(room, configuration("s3:ObjectCreated:*"), SkipDestinationValidation=True)

    in_room(tmp_path, scenario)


@pytest.mark.parametrize(
    ("entries", "code", "message"),
    [
        ([configuration("s3:ObjectCreated:*", arn="nonsense")], "InvalidArgument", "The ARN could not be parsed"),
        ([configuration("s3:ObjectCreated:*", arn="arn:aws:sqs:r:a:q")], "InvalidArgument", "could not be parsed"),
        ([configuration("s3:ObjectCreated:*"), configuration("s3:ObjectCreated:Put")], "InvalidArgument", "overlap"),
        ([configuration("s3:ObjectRestore:Post")], "NotImplemented", "s3:ObjectRestore:Post"),
        ([configuration("s3:ObjectCreated:*", middle="x")], "InvalidArgument", "prefix or suffix"),
        ([configuration("s3:ObjectCreated:*", prefix="x", Prefix="y")], "InvalidArgument", "more than one prefix"),
        ([configuration()], "MalformedXML", "XML"),
    ],
)
def test_what_is_refused(tmp_path: Path, entries: list[dict[str, Any]], code: str, message: str) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        with pytest.raises(AwsError, match=message) as refused:
            await listen(room, *entries)
        assert refused.value.code == code

    in_room(tmp_path, scenario)


@pytest.mark.parametrize(
    "destination",
    [
        {"QueueConfigurations": [{"QueueArn": "arn:aws:sqs:r:a:q", "Events": ["s3:ObjectCreated:*"]}]},
        {"TopicConfigurations": [{"TopicArn": "arn:aws:sns:r:a:t", "Events": ["s3:ObjectCreated:*"]}]},
        {"EventBridgeConfiguration": {}},
    ],
)
def test_a_destination_nobody_delivers_to_is_refused(tmp_path: Path, destination: dict[str, Any]) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        with pytest.raises(AwsError) as refused:
            await room("PutBucketNotificationConfiguration", Bucket="pictures", NotificationConfiguration=destination)
        assert (refused.value.code, refused.value.status) == ("NotImplemented", 501)

    in_room(tmp_path, scenario)
