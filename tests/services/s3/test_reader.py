"""ObjectReader: what other rooms get, and what they are refused."""

from pathlib import Path
from typing import Any

import pytest

from bulb.core.errors import AwsError
from bulb.services.s3 import ObjectReader
from tests.services.s3.room import ACCOUNT, Room, in_room

GOOD: dict[str, Any] = {
    "account": ACCOUNT,
    "region": "us-east-1",
    "bucket": "code",
    "key": "f.zip",
    "version_id": None,
    "limit": 100,
}


def test_the_object_is_read(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="code")
        await room("PutBucketVersioning", Bucket="code", VersioningConfiguration={"Status": "Enabled"})
        old = (await room("PutObject", Bucket="code", Key="f.zip", Body=b"old"))["VersionId"]
        await room("PutObject", Bucket="code", Key="f.zip", Body=b"new")
        reader = ObjectReader(room.store)
        assert await reader.fetch(**GOOD) == b"new"
        assert await reader.fetch(**GOOD | {"version_id": old}) == b"old"

    in_room(tmp_path, scenario)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"bucket": "absent"}, "NoSuchBucket"),
        ({"key": "absent"}, "NoSuchKey"),
        ({"version_id": "absent"}, "NoSuchVersion"),
        ({"account": "111111111111"}, "AccessDenied"),
        ({"region": "eu-west-1"}, "PermanentRedirect"),
        ({"limit": 2}, "EntityTooLarge"),
    ],
)
def test_what_is_refused(tmp_path: Path, change: dict[str, Any], code: str) -> None:
    async def scenario(room: Room) -> None:
        await room("CreateBucket", Bucket="code")
        await room("PutObject", Bucket="code", Key="f.zip", Body=b"new")
        with pytest.raises(AwsError) as refused:
            await ObjectReader(room.store).fetch(**GOOD | change)
        assert refused.value.code == code

    in_room(tmp_path, scenario)
