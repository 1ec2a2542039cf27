"""Objects written, read, replaced, copied and removed; without HTTP."""

import asyncio
import hashlib
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bulb.core.errors import AwsError
from bulb.http.message import chunks
from bulb.storage.schema.s3 import objects
from bulb.storage.schema.storage import storage_blobs
from tests.services.s3.room import Room, in_room


async def references(room: Room) -> dict[str, int]:
    """The blobs in use."""
    query = select(storage_blobs.c.digest, storage_blobs.c.reference_count).where(storage_blobs.c.reference_count > 0)
    return await room.database.read(lambda connection: {row[0]: row[1] for row in connection.execute(query)})


def test_what_is_put_is_got_back(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        body = b"x" * 700_000
        put = await room(
            "PutObject",
            Bucket="pictures",
            Key="a b/ü.png",
            Body=chunks([body[:10], body[10:]]),
            ContentType="image/png",
            Metadata={"Who": "me"},
            Tagging="a=1&b=2",
            StorageClass="STANDARD_IA",
        )
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        assert put == {"ETag": etag}
        got = await room("GetObject", Bucket="pictures", Key="a b/ü.png")
        assert (got["ETag"], got["ContentType"], got["Metadata"]) == (etag, "image/png", {"who": "me"})
        assert (got["TagCount"], got["StorageClass"], got["ContentLength"]) == (2, "STANDARD_IA", 700_000)
        assert await room.read(Bucket="pictures", Key="a b/ü.png") == body
        head = await room("HeadObject", Bucket="pictures", Key="a b/ü.png")
        assert head == {name: value for name, value in got.items() if name != "Body"}

    in_room(tmp_path, scenario)


def test_an_empty_object(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        await room("PutObject", Bucket="pictures", Key="empty", Body=b"")
        assert await room.read(Bucket="pictures", Key="empty") == b""
        with pytest.raises(AwsError, match="InvalidRange"):
            await room("GetObject", Bucket="pictures", Key="empty", Range="bytes=0-")

    in_room(tmp_path, scenario)


@pytest.mark.parametrize(
    ("header", "expected", "content_range"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=-50", b"0123456789", "bytes 0-9/10"),
        ("bytes=5-500", b"56789", "bytes 5-9/10"),
        ("bytes=5-4", b"0123456789", None),
        ("lines=1-2", b"0123456789", None),
        ("bytes=0-1,3-4", b"0123456789", None),
    ],
)
def test_ranges(tmp_path: Path, header: str, expected: bytes, content_range: str | None) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        await room("PutObject", Bucket="pictures", Key="k", Body=b"0123456789")
        got = await room("GetObject", Bucket="pictures", Key="k", Range=header)
        assert got.get("ContentRange") == content_range
        assert got.get("ResponseStatus") == (206 if content_range else None)
        assert await room.read(Bucket="pictures", Key="k", Range=header) == expected
        assert got["ContentLength"] == len(expected)

    in_room(tmp_path, scenario)


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=-0", "bytes=99-100"])
def test_a_range_behind_the_end_is_416(tmp_path: Path, header: str) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        await room("PutObject", Bucket="pictures", Key="k", Body=b"0123456789")
        with pytest.raises(AwsError) as refused:
            await room("GetObject", Bucket="pictures", Key="k", Range=header)
        assert (refused.value.code, refused.value.status) == ("InvalidRange", 416)
        assert refused.value.members["ActualObjectSize"] == "10"

    in_room(tmp_path, scenario)


def test_conditions_of_a_read(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        etag = (await room("PutObject", Bucket="pictures", Key="k", Body=b"1"))["ETag"]
        now = datetime.now(UTC)
        before, after = now - timedelta(hours=1), now + timedelta(hours=1)
        good = [
            {"IfMatch": etag},
            {"IfMatch": "*"},
            {"IfNoneMatch": '"other"'},
            {"IfModifiedSince": before},
            {"IfUnmodifiedSince": after},
            {"IfMatch": etag, "IfUnmodifiedSince": before},
            {"IfNoneMatch": '"other"', "IfModifiedSince": after},
        ]
        for conditions in good:
            await room("HeadObject", Bucket="pictures", Key="k", **conditions)
        for conditions, status in [
            ({"IfMatch": '"other"'}, 412),
            ({"IfUnmodifiedSince": before}, 412),
            ({"IfNoneMatch": etag}, 304),
            ({"IfNoneMatch": etag, "IfModifiedSince": before}, 304),
            ({"IfModifiedSince": after}, 304),
        ]:
            with pytest.raises(AwsError) as refused:
                await room("GetObject", Bucket="pictures", Key="k", **conditions)
            assert refused.value.status == status, conditions

    in_room(tmp_path, scenario)


def test_conditions_of_a_write_let_exactly_one_of_many_through(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        puts = [room("PutObject", Bucket="pictures", Key="k", Body=b"%d" % n, IfNoneMatch="*") for n in range(20)]
        outcomes = await asyncio.gather(*puts, return_exceptions=True)
        refused = [each for each in outcomes if isinstance(each, AwsError)]
        assert len(refused) == 19
        assert {each.code for each in refused} == {"PreconditionFailed"}
        etag = next(each["ETag"] for each in outcomes if isinstance(each, dict))
        await room("PutObject", Bucket="pictures", Key="k", Body=b"new", IfMatch=etag)
        with pytest.raises(AwsError, match="PreconditionFailed"):
            await room("PutObject", Bucket="pictures", Key="k", Body=b"newer", IfMatch=etag)
        with pytest.raises(AwsError, match="NoSuchKey"):
            await room("PutObject", Bucket="pictures", Key="absent", Body=b"", IfMatch=etag)
        assert await room.read(Bucket="pictures", Key="k") == b"new"

    in_room(tmp_path, scenario)


def test_what_is_replaced_or_deleted_lets_go_of_its_blob(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        digest = {body: hashlib.sha256(body).hexdigest() for body in (b"one", b"two")}
        for key in ("a", "b"):
            await room("PutObject", Bucket="pictures", Key=key, Body=b"one")
        assert await references(room) == {digest[b"one"]: 2}
        await room("PutObject", Bucket="pictures", Key="a", Body=b"two")
        assert await references(room) == {digest[b"one"]: 1, digest[b"two"]: 1}
        await room("DeleteObject", Bucket="pictures", Key="b")
        await room("DeleteObject", Bucket="pictures", Key="b")
        assert await references(room) == {digest[b"two"]: 1}
        await room("DeleteObject", Bucket="pictures", Key="a")
        await room("DeleteBucket", Bucket="pictures")
        assert await references(room) == {}
        assert await room.database.read(lambda connection: connection.execute(select(objects)).first()) is None

    in_room(tmp_path, scenario)


def test_a_body_that_breaks_off_leaves_the_old_object(tmp_path: Path) -> None:
    async def broken():
        yield b"half"
        raise ConnectionError

    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        await room("PutObject", Bucket="pictures", Key="k", Body=b"old")
        with pytest.raises(ConnectionError):
            await room("PutObject", Bucket="pictures", Key="k", Body=broken())
        assert await room.read(Bucket="pictures", Key="k") == b"old"

    in_room(tmp_path, scenario)


def test_delete_objects(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        for key in "abc":
            await room("PutObject", Bucket="pictures", Key=key, Body=b"")
        entries = [{"Key": "a"}, {"Key": "absent"}, {"Key": "b", "ETag": '"wrong"'}, {"Key": "x" * 2000}]
        answer = await room("DeleteObjects", Bucket="pictures", Delete={"Objects": entries})
        assert answer["Deleted"] == [{"Key": "a"}, {"Key": "absent"}]
        assert [each["Code"] for each in answer["Errors"]] == ["PreconditionFailed", "KeyTooLongError"]
        quiet = await room("DeleteObjects", Bucket="pictures", Delete={"Objects": [{"Key": "c"}], "Quiet": True})
        assert quiet == {}
        left = await room("ListObjectsV2", Bucket="pictures")
        assert [each["Key"] for each in left["Contents"]] == ["b"]
        with pytest.raises(AwsError, match="MalformedXML"):
            await room("DeleteObjects", Bucket="pictures", Delete={"Objects": [{"Key": "k"}] * 1001})

    in_room(tmp_path, scenario)


def test_copies(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        for bucket in ("from-here", "to-there"):
            await room("CreateBucket", Bucket=bucket)
        await room(
            "PutObject", Bucket="from-here", Key="a+b c", Body=b"data", ContentType="text/x", Metadata={"m": "1"},
            Tagging="t=1",
        )  # fmt: skip
        await room("CopyObject", Bucket="to-there", Key="copy", CopySource="from-here/a%2Bb%20c")
        got = await room("GetObject", Bucket="to-there", Key="copy")
        assert (got["ContentType"], got["Metadata"], got["TagCount"]) == ("text/x", {"m": "1"}, 1)
        await room(
            "CopyObject", Bucket="to-there", Key="copy2", CopySource="/from-here/a%2Bb%20c",
            MetadataDirective="REPLACE", TaggingDirective="REPLACE", Metadata={"m": "2"}, Tagging="t=2&u=3",
        )  # fmt: skip
        got = await room("GetObject", Bucket="to-there", Key="copy2")
        assert (got["ContentType"], got["Metadata"], got["TagCount"]) == ("binary/octet-stream", {"m": "2"}, 2)
        await room("DeleteObject", Bucket="from-here", Key="a+b c")
        assert await room.read(Bucket="to-there", Key="copy") == b"data"
        with pytest.raises(AwsError, match="copy an object to itself"):
            await room("CopyObject", Bucket="to-there", Key="copy", CopySource="to-there/copy")
        await room("CopyObject", Bucket="to-there", Key="copy", CopySource="to-there/copy", MetadataDirective="REPLACE")
        assert await room.read(Bucket="to-there", Key="copy") == b"data"
        for source, code in [("nowhere/k", "NoSuchBucket"), ("to-there/absent", "NoSuchKey"), ("to-there", "Invalid")]:
            with pytest.raises(AwsError, match=code):
                await room("CopyObject", Bucket="to-there", Key="k", CopySource=source)
        with pytest.raises(AwsError, match="PreconditionFailed"):
            await room(
                "CopyObject", Bucket="to-there", Key="k", CopySource="to-there/copy", CopySourceIfMatch='"other"'
            )

    in_room(tmp_path, scenario)


def test_another_account_is_kept_out(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        await room("PutObject", Bucket="pictures", Key="k", Body=b"")
        for operation in ("GetObject", "PutObject", "DeleteObject"):
            with pytest.raises(AwsError, match="AccessDenied"):
                await room(operation, account="111111111111", Bucket="pictures", Key="k")
        with pytest.raises(AwsError, match="BucketAlreadyExists"):
            await room("CreateBucket", account="111111111111", Bucket="pictures")
        with pytest.raises(AwsError, match="AccessDenied"):
            await room("GetObject", Bucket="pictures", Key="k", ExpectedBucketOwner="111111111111")

    in_room(tmp_path, scenario)


@pytest.mark.parametrize(
    "params",
    [
        {"ACL": "public-read"},
        {"ObjectLockMode": "GOVERNANCE"},
        {"SSECustomerKey": "k"},
        {"ServerSideEncryption": "aws:kms"},
        {"StorageClass": "GLACIER"},
        {"WebsiteRedirectLocation": "/x"},
        {"GrantRead": "id=1"},
        {"ChecksumSHA512": "x"},
    ],
)
def test_a_header_nobody_acts_on_is_refused(tmp_path: Path, params: dict[str, str]) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        with pytest.raises(AwsError) as refused:
            await room("PutObject", Bucket="pictures", Key="k", Body=b"", **params)
        assert (refused.value.code, refused.value.status) == ("NotImplemented", 501)

    in_room(tmp_path, scenario)


@pytest.mark.parametrize("key", ["", "x" * 1025, "ü" * 513, "a\0b"])
def test_a_key_that_cannot_be(tmp_path: Path, key: str) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        with pytest.raises(AwsError) as refused:
            await room("PutObject", Bucket="pictures", Key=key, Body=b"")
        assert refused.value.status == 400

    in_room(tmp_path, scenario)


def test_a_large_object_is_never_in_memory(tmp_path: Path) -> None:
    async def pieces():
        for _ in range(1024):
            yield bytes(128 * 1024)

    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        await room("PutObject", Bucket="pictures", Key="warm", Body=b"1")
        tracemalloc.start()
        await room("PutObject", Bucket="pictures", Key="large", Body=pieces())
        body = (await room("GetObject", Bucket="pictures", Key="large"))["Body"]
        size = 0
        async for chunk in body:
            size += len(chunk)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert size == 128 * 1024**2
        assert peak < 8 * 1024**2

    in_room(tmp_path, scenario)
