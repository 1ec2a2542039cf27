"""kill -9 while objects are written: what was answered is whole and has told; nothing is half there."""

import asyncio
import hashlib
import random
import signal
import subprocess
import sys
from pathlib import Path

from tests.services.s3.room import Room, in_room, opened
from tests.services.s3.test_notifications import configuration, listen, told
from tests.services.s3.test_objects import references

WRITERS = 8


def body_of(key: str) -> bytes:
    """What is put under `key`."""
    return hashlib.sha256(key.encode()).digest() * (1 + len(key) * 97 % 3000)


async def write_for_ever(folder: Path) -> None:
    """Put objects, print each key once it is answered, until killed."""

    async def writer(room: Room, name: int) -> None:
        for number in range(10_000):
            key = f"{name}-{number}-{random.random()}"
            await room("PutObject", Bucket="pictures", Key=key, Body=body_of(key))
            print(key, flush=True)

    async with opened(folder) as room:
        await asyncio.gather(*(writer(room, name) for name in range(WRITERS)))


def test_what_was_answered_survives(tmp_path: Path) -> None:
    async def prepare(room: Room) -> None:
        await room("CreateBucket", Bucket="pictures")
        await listen(room, configuration("s3:ObjectCreated:*"))

    in_room(tmp_path, prepare)
    answered: set[str] = set()
    for _ in range(3):
        command = [sys.executable, "-m", "tests.services.s3.test_crash", str(tmp_path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(random.randint(1, 60)):
            answered.add(process.stdout.readline().strip())
        process.send_signal(signal.SIGKILL)
        answered |= set(process.stdout.read().split())
        process.wait()

    async def look(room: Room) -> None:
        there: set[str] = set()
        start = ""
        while True:
            page = await room("ListObjectsV2", Bucket="pictures", StartAfter=start, MaxKeys=1000)
            there |= {each["Key"] for each in page.get("Contents", [])}
            if not page["IsTruncated"]:
                break
            start = page["Contents"][-1]["Key"]
        assert answered <= there
        for key in there:
            assert await room.read(Bucket="pictures", Key=key) == body_of(key)
        assert sorted(record["s3"]["object"]["key"] for record in await told(room)) == sorted(there)
        assert sum((await references(room)).values()) == len(there)

    in_room(tmp_path, look)


if __name__ == "__main__":
    asyncio.run(write_for_ever(Path(sys.argv[1])))
