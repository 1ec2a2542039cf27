"""Notifications: which are accepted, and that each change leaves its event in the outbox, in the same transaction."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from bulb.core.clock import iso_millis
from bulb.core.errors import AwsError
from bulb.delivery.model import Refusal
from bulb.wire.errors import HOST_ID
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
        assert (first["key"], first["size"], first["eTag"]) == ("in/a+b", 4, put["ETag"].strip('"'))
        assert "versionId" not in first
        assert set(last) == {"key", "eTag", "versionId", "sequencer"}
        assert last["eTag"] == "d41d8cd98f00b204e9800998ecf8427e"  # a delete marker's, on AWS as well
        tagging = [record for record in records if record["eventName"].startswith("ObjectTagging")]
        assert {record["eventVersion"] for record in tagging} == {"2.3"}
        assert all(set(record["s3"]["object"]) == {"key", "eTag"} for record in tagging)
        others = [record for record in records if record not in tagging]
        assert {record["eventVersion"] for record in others} == {"2.1"}
        order = [record["s3"]["object"]["sequencer"] for record in others]
        assert order == sorted(set(order))
        deleted = next(record for record in records if record["eventName"] == "ObjectRemoved:Delete")
        assert set(deleted["s3"]["object"]) == {"key", "sequencer"}
        entry = (await room.pending())[0]
        assert entry.destination_arn == FUNCTION
        assert entry.attributes == {
            "source": "s3",
            "source_arn": "arn:aws:s3:::pictures",
            "account": "000000000000",
            "trace_header": None,
            "about": "ObjectCreated:Put in/a b",
            "subject": "Amazon S3 Notification",
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
        for suffix in (".jpg", ""):
            entry = configuration("s3:ObjectCreated:Put", Prefix="in/", Suffix=suffix) | {"Id": "mine"}
            await listen(room, entry)
            answer = await room("GetBucketNotificationConfiguration", Bucket="pictures")
            assert answer == {"LambdaFunctionConfigurations": [entry]}
        await room("PutBucketNotificationConfiguration", Bucket="pictures", NotificationConfiguration={})
        assert await room("GetBucketNotificationConfiguration", Bucket="pictures") == {}
        await room("PutObject", Bucket="pictures", Key="in/a.jpg", Body=b"")
        assert await told(room) == []

    in_room(tmp_path, scenario)


QUEUE = "arn:aws:sqs:us-east-1:000000000000:told"
TOPIC = "arn:aws:sns:us-east-1:000000000000:told"


async def put(room: Room, configuration: dict[str, Any], **params: Any) -> None:
    await room(
        "PutBucketNotificationConfiguration", Bucket="pictures", NotificationConfiguration=configuration, **params
    )


def to(arn: str, *events: str) -> dict[str, Any]:
    """One configuration under the member of its kind."""
    kind = {"sqs": "Queue", "sns": "Topic", "lambda": "LambdaFunction"}[arn.split(":")[2]]
    return {f"{kind}Configurations": [{f"{kind}Arn": arn, "Events": list(events or ["s3:ObjectCreated:*"])}]}


@pytest.mark.parametrize(
    ("arn", "code", "reason"),
    [
        (FUNCTION, "NO_PERMISSIONS", f"Not authorized to invoke function [{FUNCTION}]"),
        (FUNCTION, "NO_RESOURCE", f"Not authorized to invoke function [{FUNCTION}]"),
        (QUEUE, "NO_RESOURCE", "The destination queue does not exist"),
        (
            QUEUE,
            "NO_PERMISSIONS",
            "Permissions on the destination queue do not allow S3 to publish notifications from this bucket",
        ),
        (TOPIC, "NO_RESOURCE", "The destination topic does not exist"),
        (
            TOPIC,
            "NO_PERMISSIONS",
            "Permissions on the destination topic do not allow S3 to publish notifications from this bucket",
        ),
        (TOPIC, "THROTTLING", "as it says"),
    ],
)
def test_a_destination_that_takes_nothing_is_not_stored(tmp_path: Path, arn: str, code: str, reason: str) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        room.targets.refused[arn] = Refusal(code, "as it says")
        with pytest.raises(AwsError) as refused:
            await put(room, to(arn))
        assert refused.value.code == "InvalidArgument"
        assert refused.value.message == "Unable to validate the following destination configurations"
        named = f"{arn}, null" if arn == FUNCTION else arn  # AWS's own way to name functions here
        assert refused.value.members == {"ArgumentName1": named, "ArgumentValue1": reason}
        assert await room("GetBucketNotificationConfiguration", Bucket="pictures") == {}
        room.targets.tried.clear()
        await put(room, to(arn), SkipDestinationValidation=True)
        assert room.targets.tried == []

    in_room(tmp_path, scenario)


def test_all_destinations_that_refuse_are_named(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        for arn in (QUEUE, FUNCTION):
            room.targets.refused[arn] = Refusal("NO_RESOURCE", "")
        with pytest.raises(AwsError) as refused:
            await put(
                room,
                {
                    **to(FUNCTION, "s3:ObjectRemoved:*"),
                    **to(TOPIC, "s3:ObjectTagging:*"),
                    **to(QUEUE, "s3:ObjectCreated:*"),
                },
            )
        assert refused.value.members == {
            "ArgumentName1": QUEUE,
            "ArgumentValue1": "The destination queue does not exist",
            "ArgumentName2": f"{FUNCTION}, null",
            "ArgumentValue2": f"Not authorized to invoke function [{FUNCTION}]",
        }

    in_room(tmp_path, scenario)


@pytest.mark.parametrize("arn", [QUEUE, TOPIC])
def test_queues_and_topics_are_sent_a_test_event(tmp_path: Path, arn: str) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        await put(room, to(arn))
        [tried] = room.targets.tried
        assert json.loads(tried.payload) == {
            "Service": "Amazon S3",
            "Event": "s3:TestEvent",
            "Time": iso_millis(tried.created_at),
            "Bucket": "pictures",
            "RequestId": "REQUEST",
            "HostId": HOST_ID,
        }
        assert tried.destination_arn == arn
        assert tried.attributes["source_arn"] == "arn:aws:s3:::pictures"
        await room("PutObject", Bucket="pictures", Key="k", Body=b"")
        [entry] = await room.pending()
        assert entry.destination_arn == arn
        assert json.loads(entry.payload)["Records"][0]["eventName"] == "ObjectCreated:Put"

    in_room(tmp_path, scenario)


def test_all_kinds_together_come_back_as_given(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        given: dict[str, Any] = {"EventBridgeConfiguration": {}}
        for number, (arn, event) in enumerate(((TOPIC, "Put"), (QUEUE, "Copy"), (FUNCTION, "Post"))):
            given |= to(arn, f"s3:ObjectCreated:{event}")
            [[entry]] = [
                v for k, v in given.items() if k not in ("EventBridgeConfiguration",) and v[0].get("Id") is None
            ]
            entry["Id"] = str(number)
        await put(room, given)
        assert await room("GetBucketNotificationConfiguration", Bucket="pictures") == given
        await put(room, {})
        assert await room("GetBucketNotificationConfiguration", Bucket="pictures") == {}

    in_room(tmp_path, scenario)


def test_the_default_bus_is_told_of_everything(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        await put(room, {"EventBridgeConfiguration": {}})
        etag = (await room("PutObject", Bucket="pictures", Key="a b/ü", Body=b"data"))["ETag"].strip('"')
        tags = {"TagSet": [{"Key": "a", "Value": ""}]}
        await room("PutObjectTagging", Bucket="pictures", Key="a b/ü", Tagging=tags)
        await room("DeleteObjectTagging", Bucket="pictures", Key="a b/ü")
        await room("DeleteObject", Bucket="pictures", Key="a b/ü")
        await room("PutBucketVersioning", Bucket="pictures", VersioningConfiguration={"Status": "Enabled"})
        version = (await room("PutObject", Bucket="pictures", Key="k", Body=b""))["VersionId"]
        marker = (await room("DeleteObject", Bucket="pictures", Key="k"))["VersionId"]
        await room("DeleteObject", Bucket="pictures", Key="k", VersionId=version)
        entries = await room.pending()
        assert {entry.destination_arn for entry in entries} == {
            "arn:aws:events:us-east-1:000000000000:event-bus/default"
        }
        documents = [json.loads(entry.payload) for entry in entries]
        first = documents[0]
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", first.pop("id"))
        sequencer = first["detail"]["object"]["sequencer"]
        assert re.fullmatch("[0-9A-F]{18}", sequencer)
        assert first == {
            "version": "0",
            "detail-type": "Object Created",
            "source": "aws.s3",
            "account": "000000000000",
            "time": iso_millis(entries[0].created_at)[:19] + "Z",
            "region": "us-east-1",
            "resources": ["arn:aws:s3:::pictures"],
            "detail": {
                "version": "0",
                "bucket": {"name": "pictures"},
                "object": {"key": "a b/ü", "size": 4, "etag": etag, "sequencer": sequencer},
                "request-id": "REQUEST",
                "requester": "000000000000",
                "source-ip-address": "127.0.0.1",
                "reason": "PutObject",
            },
        }
        told = []
        for document in documents[1:]:
            detail = document["detail"]
            detail["object"].pop("sequencer", None)
            told.append((document["detail-type"], detail["object"], detail.get("reason"), detail.get("deletion-type")))
        empty = "d41d8cd98f00b204e9800998ecf8427e"
        assert told == [
            ("Object Tags Added", {"key": "a b/ü", "etag": etag}, None, None),
            ("Object Tags Deleted", {"key": "a b/ü", "etag": etag}, None, None),
            ("Object Deleted", {"key": "a b/ü"}, "DeleteObject", "Permanently Deleted"),
            ("Object Created", {"key": "k", "size": 0, "etag": empty, "version-id": version}, "PutObject", None),
            (
                "Object Deleted",
                {"key": "k", "etag": empty, "version-id": marker},
                "DeleteObject",
                "Delete Marker Created",
            ),
            ("Object Deleted", {"key": "k", "version-id": version}, "DeleteObject", "Permanently Deleted"),
        ]

    in_room(tmp_path, scenario)


UNPARSED = "The ARN could not be parsed"


@pytest.mark.parametrize(
    ("configuration", "code", "message"),
    [
        (
            {"LambdaFunctionConfigurations": [configuration("s3:ObjectCreated:*", arn="no")]},
            "InvalidArgument",
            UNPARSED,
        ),
        (
            {"LambdaFunctionConfigurations": [configuration("s3:ObjectCreated:*", arn=QUEUE)]},
            "InvalidArgument",
            UNPARSED,
        ),
        ({"QueueConfigurations": [{"QueueArn": TOPIC, "Events": ["s3:ObjectCreated:*"]}]}, "InvalidArgument", UNPARSED),
        ({"TopicConfigurations": [{"TopicArn": "x", "Events": ["s3:ObjectCreated:*"]}]}, "InvalidArgument", UNPARSED),
        (to(f"{QUEUE}.fifo"), "InvalidArgument", "FIFO SQS queues are not supported"),
        (to(f"{TOPIC}.fifo"), "InvalidArgument", "FIFO SNS topics are not supported"),
        (to(QUEUE.replace("us-east-1", "eu-west-1")), "InvalidArgument", "region is not valid for the bucket"),
        (to(QUEUE, "s3:ObjectCreated:*", "s3:Nothing"), "InvalidArgument", "A specified event is not supported"),
        (to(QUEUE, "s3:ObjectRestore:Post"), "NotImplemented", "s3:ObjectRestore:Post"),
        (to(FUNCTION) | to(QUEUE, "s3:ObjectCreated:Put"), "InvalidArgument", "overlap"),
        (
            {
                "LambdaFunctionConfigurations": [
                    configuration("s3:ObjectCreated:*"),
                    configuration("s3:ObjectCreated:Put"),
                ]
            },
            "InvalidArgument",
            "overlap",
        ),
        (
            {"LambdaFunctionConfigurations": [configuration("s3:ObjectCreated:*", middle="x")]},
            "InvalidArgument",
            "prefix or suffix",
        ),
        (
            {"LambdaFunctionConfigurations": [configuration("s3:ObjectCreated:*", prefix="x", Prefix="y")]},
            "InvalidArgument",
            "more than one prefix",
        ),
        ({"LambdaFunctionConfigurations": [configuration()]}, "MalformedXML", "XML"),
    ],
)
def test_what_is_refused(tmp_path: Path, configuration: dict[str, Any], code: str, message: str) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        with pytest.raises(AwsError, match=message) as refused:
            await put(room, configuration)
        assert refused.value.code == code
        assert room.targets.tried == []

    in_room(tmp_path, scenario)


def test_refusals_quote_what_was_given(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        created, put_ = "s3:ObjectCreated:*", "s3:ObjectCreated:Put"
        for entries, argument, value in (
            ([configuration(created, arn="no")], "CloudFunction", "no"),
            ([configuration(created, MIDDLE="x")], "FilterRule.Name", "MIDDLE"),
            ([configuration(created), configuration(put_)], "Event", f"{created}, {put_}"),
        ):
            with pytest.raises(AwsError) as refused:
                await listen(room, *entries)
            assert refused.value.members == {"ArgumentName": argument, "ArgumentValue": value}
        with pytest.raises(AwsError, match="Configuration is ambiguously defined"):
            await listen(room, configuration(created), configuration(put_, prefix="in/"))
        await listen(room, configuration(created, prefix="in/"), configuration(put_, prefix="out/"))

    in_room(tmp_path, scenario)
