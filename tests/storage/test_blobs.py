"""Blobs: whole or not there, counted with their rows, swept without a race."""

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bulb.storage.blobs import PIECE_BYTES, Blob, BlobStore
from bulb.storage.database import Database
from bulb.storage.errors import BlobMissingError
from tests.support.clock import MovableClock

GRACE = 3600.0
Body = Callable[[BlobStore, Database, MovableClock], Awaitable[None]]


def with_store(location: str | Path, folder: Path, body: Body) -> None:
    async def main() -> None:
        database, clock = await Database.open(location), MovableClock()
        store = await BlobStore.open(folder / "blobs", database, clock, grace_s=GRACE)
        try:
            await body(store, database, clock)
        finally:
            store.close()
            await database.close()

    asyncio.run(main())


def files(folder: Path) -> set[str]:
    return {path.parent.name + path.name for path in (folder / "blobs").rglob("*") if path.is_file()}


async def pieces(store: BlobStore, digest: str, *span: int) -> list[bytes]:
    return [piece async for piece in store.read(digest, *span)]


@pytest.mark.parametrize("size", [0, 1, 1024, PIECE_BYTES, 3 * PIECE_BYTES + 17])
def test_what_was_written_is_read(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)

    async def body(store: BlobStore, database: Database, clock: MovableClock) -> None:
        async with store.writer() as writer:
            for start in range(0, size, 100_000):
                await writer.write(data[start : start + 100_000])
            blob = await writer.finish()
        assert blob == Blob(hashlib.sha256(data).hexdigest(), size)
        assert store.path(blob.digest).read_bytes() == data
        read = await pieces(store, blob.digest)
        assert b"".join(read) == data
        assert all(0 < len(piece) <= PIECE_BYTES for piece in read)
        for start, end in [
            (0, size),
            (0, 0),
            (1, size - 1),
            (size // 2, size + 5),
            (size, size),
            (size + 9, size + 20),
        ]:
            assert b"".join(await pieces(store, blob.digest, start, end)) == data[start : max(start, end)]
        assert files(tmp_path) == {blob.digest}

    with_store(tmp_path / "bulb.db", tmp_path, body)


def test_equal_contents_are_one_file(tmp_path: Path) -> None:
    async def body(store: BlobStore, database: Database, clock: MovableClock) -> None:
        blobs = await asyncio.gather(*(store.add(b"the same") for _ in range(20)))
        assert len(set(blobs)) == 1
        assert files(tmp_path) == {blobs[0].digest}

    with_store(tmp_path / "bulb.db", tmp_path, body)


def test_what_was_not_finished_leaves_nothing(tmp_path: Path) -> None:
    async def body(store: BlobStore, database: Database, clock: MovableClock) -> None:
        with pytest.raises(ConnectionError):
            async with store.writer() as writer:
                await writer.write(b"x" * PIECE_BYTES)
                raise ConnectionError("the client went away")
        async with store.writer() as writer:
            await writer.write(b"only in memory")
        assert files(tmp_path) == set()

        async def upload() -> None:
            async with store.writer() as writer:
                for _ in range(1000):
                    await writer.write(os.urandom(PIECE_BYTES))

        task = asyncio.ensure_future(upload())
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert files(tmp_path) == set()

    with_store(tmp_path / "bulb.db", tmp_path, body)


def test_a_missing_blob_says_so_before_the_first_byte(tmp_path: Path) -> None:
    async def body(store: BlobStore, database: Database, clock: MovableClock) -> None:
        with pytest.raises(BlobMissingError, match="backup"):
            await pieces(store, "ab" * 32)

    with_store(tmp_path / "bulb.db", tmp_path, body)


def test_a_blob_lives_as_long_as_it_is_referred_to(location: str | Path, tmp_path: Path) -> None:
    async def body(store: BlobStore, database: Database, clock: MovableClock) -> None:
        blob, other = await store.add(b"wanted twice"), await store.add(b"never wanted")
        for _ in range(2):
            await database.write(lambda c: store.reference(c, blob.digest, blob.size))
        assert await store.sweep() == 0
        clock.advance(GRACE + 5)
        assert await store.sweep() == 1
        assert files(tmp_path) == {blob.digest} != {other.digest}
        await database.write(lambda c: store.release(c, blob.digest))
        clock.advance(GRACE + 5)
        assert await store.sweep() == 0
        await database.write(lambda c: store.release(c, blob.digest))
        assert await store.sweep() == 0, "readers that know the digest still have the grace time"
        clock.advance(GRACE + 5)
        assert await store.sweep() == 1
        assert files(tmp_path) == set()

    with_store(location, tmp_path, body)


def test_a_reference_falls_with_its_transaction(location: str | Path, tmp_path: Path) -> None:
    async def body(store: BlobStore, database: Database, clock: MovableClock) -> None:
        blob = await store.add(b"wanted for a moment")

        def refused(connection: object) -> None:
            store.reference(connection, blob.digest, blob.size)
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await database.write(refused)
        clock.advance(GRACE + 5)
        assert await store.sweep() == 1

    with_store(location, tmp_path, body)


def test_a_writer_that_finds_its_blob_there_keeps_it_from_the_sweep(tmp_path: Path) -> None:
    async def body(store: BlobStore, database: Database, clock: MovableClock) -> None:
        first = await store.add(b"unwanted, then wanted again")
        old = store.path(first.digest).stat().st_mtime - 2 * GRACE
        os.utime(store.path(first.digest), (old, old))
        assert await store.add(b"unwanted, then wanted again") == first
        assert await store.sweep() == 0
        await database.write(lambda c: store.reference(c, first.digest, first.size))
        clock.advance(GRACE + 5)
        assert await store.sweep() == 0
        assert await store.read_all(first.digest) == b"unwanted, then wanted again"

    with_store(tmp_path / "bulb.db", tmp_path, body)


def test_sweeping_while_the_same_blobs_are_written_loses_none(tmp_path: Path) -> None:
    """Old, unwanted copies of each blob lie there; writers want them again while sweeps run."""

    async def body(store: BlobStore, database: Database, clock: MovableClock) -> None:
        contents = [f"blob {n}".encode() for n in range(60)]
        for content in contents:
            blob = await store.add(content)
            old = store.path(blob.digest).stat().st_mtime - 2 * GRACE
            os.utime(store.path(blob.digest), (old, old))

        async def want(content: bytes) -> Blob:
            blob = await store.add(content)
            await database.write(lambda c: store.reference(c, blob.digest, blob.size))
            return blob

        sweep = asyncio.ensure_future(store.sweep())
        blobs = []
        for content in contents:
            blobs.append(await want(content))
        await sweep
        await store.sweep()
        for blob, content in zip(blobs, contents, strict=True):
            assert await store.read_all(blob.digest) == content

    with_store(tmp_path / "bulb.db", tmp_path, body)


def test_what_a_crash_left_half_written_is_swept(tmp_path: Path) -> None:
    async def body(store: BlobStore, database: Database, clock: MovableClock) -> None:
        (tmp_path / "blobs" / "incoming" / "left").write_bytes(b"half")
        assert await store.sweep() == 0
        clock.advance(GRACE + 5)
        assert await store.sweep() == 1
        assert files(tmp_path) == set()

    with_store(tmp_path / "bulb.db", tmp_path, body)
