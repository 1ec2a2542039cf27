"""The statements that could differ between the engines, once over PostgreSQL."""

import asyncio
from pathlib import Path

from tests.services.s3.room import Room, opened
from tests.services.s3.test_notifications import configuration, listen, told
from tests.services.s3.test_objects import references


def test_the_room_over_postgresql(tmp_path: Path, postgresql_location: str) -> None:
    async def run() -> None:
        async with opened(tmp_path, postgresql_location) as room:
            await scenario(room)

    asyncio.run(run())


async def scenario(room: Room) -> None:
    """Versions, parts, listings in byte order, conditions, events, references."""
    await room("CreateBucket", Bucket="pictures")
    await listen(room, configuration("s3:ObjectCreated:*"))
    keys = ["B", "a", "a/1", "a/2", "b", "\u00fc", "\U0001f600"]
    for key in reversed(keys):
        await room("PutObject", Bucket="pictures", Key=key, Body=key.encode())
    listed = await room("ListObjectsV2", Bucket="pictures")
    assert [each["Key"] for each in listed["Contents"]] == keys
    rolled = await room("ListObjectsV2", Bucket="pictures", Delimiter="/", MaxKeys=3)
    assert [each["Key"] for each in rolled["Contents"]] == ["B", "a"]
    assert rolled["CommonPrefixes"] == [{"Prefix": "a/"}]
    await room("PutBucketVersioning", Bucket="pictures", VersioningConfiguration={"Status": "Enabled"})
    version = (await room("PutObject", Bucket="pictures", Key="a", Body=b"two"))["VersionId"]
    await room("DeleteObject", Bucket="pictures", Key="a")
    versions = await room("ListObjectVersions", Bucket="pictures", Prefix="a", Delimiter="/")
    assert [each["VersionId"] for each in versions["Versions"]] == [version, "null"]
    assert await room.read(Bucket="pictures", Key="a", VersionId=version) == b"two"
    upload = (await room("CreateMultipartUpload", Bucket="pictures", Key="large"))["UploadId"]
    named = {"Bucket": "pictures", "Key": "large", "UploadId": upload}
    for body in (b"first try", b"part"):
        part = await room("UploadPart", **named, PartNumber=1, Body=body)
    assert len((await room("ListMultipartUploads", Bucket="pictures"))["Uploads"]) == 1
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    await room("CompleteMultipartUpload", **named, MultipartUpload=parts)
    assert await room.read(Bucket="pictures", Key="large") == b"part"
    assert len(await told(room)) == len(keys) + 2
    listed = await room("ListObjectVersions", Bucket="pictures")
    entries = [
        {"Key": each["Key"], "VersionId": each["VersionId"]} for each in listed["Versions"] + listed["DeleteMarkers"]
    ]
    await room("DeleteObjects", Bucket="pictures", Delete={"Objects": entries})
    await room("DeleteBucket", Bucket="pictures")
    assert await references(room) == {}
