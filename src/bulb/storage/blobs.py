"""Content-addressed files: `blobs/ab/cdef...`, named by the SHA-256 of what is in them.

Rules:
1. A file is whole and on disk (contents, name and folder synced) before `finish` returns, so before any row names it.
2. Rows count references, in the transactions that create and delete whatever refers to the blob.
3. `reference` is only for a blob that `finish` just gave, or that is referenced already in the same transaction. From
   `finish` to the commit of `reference` it may take up to the grace time.
4. `sweep` removes files that nobody refers to once they are older than the grace time. It unlinks inside a write
   transaction, so no reference can slip in between, and a writer that finds its blob already there makes it young
   again under the same lock under which the sweep looks at the age.

All file work and hashing is done in threads. Digests are lower-case hex.
"""

import asyncio
import hashlib
import os
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

from sqlalchemy import Connection, delete, select, update

from bulb.core.clock import Clock
from bulb.core.ids import hex_id
from bulb.storage.database import Database
from bulb.storage.errors import BlobMissingError
from bulb.storage.schema.storage import storage_blobs

PIECE_BYTES = 262_144  # how much is read at a time, and gathered before it is written
GRACE_S = 3_600.0
_THREADS = 8

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes on disk: their SHA-256 in hex and their number."""

    digest: str
    size: int


class BlobStore:
    """The blobs of one data folder. Made by `BlobStore.open`."""

    def __init__(self, folder: Path, database: Database, clock: Clock, grace_s: float) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._database = database
        self._clock = clock
        self._grace_s = grace_s
        self._age = threading.Lock()  # held while a file's age is changed, or looked at to unlink it
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="bulb-blobs")

    @classmethod
    async def open(cls, folder: Path, database: Database, clock: Clock, *, grace_s: float = GRACE_S) -> Self:
        """The store in `folder` (made when absent); the counts are in `database`."""
        store = cls(folder, database, clock, grace_s)
        await store._in_thread(store._make_folders)
        return store

    def close(self) -> None:
        """Finish what the threads are doing."""
        self._executor.shutdown()

    def writer(self) -> "BlobWriter":
        """A blob to be written: `async with store.writer() as w: await w.write(chunk); blob = await w.finish()`."""
        return BlobWriter(self._in_thread, self._incoming / hex_id(), self._adopt)

    async def add(self, data: bytes) -> Blob:
        """Store `data`, which is in memory already."""
        async with self.writer() as writer:
            await writer.write(data)
            return await writer.finish()

    def path(self, digest: str) -> Path:
        """The file of a blob. Read only: it is shared by all who refer to the digest."""
        return self._folder / digest[:2] / digest[2:]

    async def read(self, digest: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to but without `end`, in pieces. Raises BlobMissingError before the first piece."""
        left = None if end is None else max(0, end - start)
        file, piece = await self._in_thread(lambda: self._open(digest, start, left))
        try:
            while piece:
                yield piece
                if left is not None:
                    left -= len(piece)
                piece = b"" if file.closed else await self._in_thread(partial(_read_piece, file, left))
        finally:
            if not file.closed:
                file.close()

    async def read_all(self, digest: str) -> bytes:
        """The whole blob, for those known to be small. Raises BlobMissingError."""
        return b"".join([piece async for piece in self.read(digest)])

    @staticmethod
    def reference(connection: Connection, digest: str, size: int) -> None:
        """Count one more reference. See rule 3."""
        more = update(storage_blobs).where(storage_blobs.c.digest == digest)
        counted = connection.execute(more.values(reference_count=storage_blobs.c.reference_count + 1))
        if not counted.rowcount:
            row = {"digest": digest, "size": size, "reference_count": 1, "released_at": 0.0}
            connection.execute(storage_blobs.insert(), row)

    def release(self, connection: Connection, digest: str) -> None:
        """Count one reference less; without any the file goes once the grace time has passed."""
        less = update(storage_blobs).where(storage_blobs.c.digest == digest, storage_blobs.c.reference_count > 0)
        values = {"reference_count": storage_blobs.c.reference_count - 1, "released_at": self._clock.now()}
        connection.execute(less.values(values))

    async def sweep(self) -> int:
        """Remove what nobody refers to any more, and what a crash left half-written. How many files are gone."""
        before = self._clock.now() - self._grace_s
        removed = await self._in_thread(lambda: _remove_old(self._incoming, before))
        for prefix in await self._in_thread(self._prefixes):
            old = await self._in_thread(partial(self._old_digests, prefix, before))
            unwanted = old - await self._database.read(partial(_wanted, prefix=prefix, before=before)) if old else set()
            for digest in unwanted:
                removed += await self._database.write(partial(self._remove, digest=digest, before=before))
        return removed

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)

    def _make_folders(self) -> None:
        """Those of digests are made when they are needed. Synced anew: whoever made one may not have come to that."""
        self._incoming.mkdir(parents=True, exist_ok=True)
        _sync_folder(self._folder)
        _sync_folder(self._folder.parent)

    def _adopt(self, temporary: Path, digest: str) -> None:
        """Give a complete, synced file its name. The last step of writing; in a thread."""
        target = self.path(digest)
        with self._age:
            try:
                os.utime(target)
                temporary.unlink()
            except FileNotFoundError:
                self._make_folder(target.parent)
                temporary.rename(target)
        _sync_folder(target.parent)  # also when it was there: whoever wrote it may not have come to this line yet

    def _make_folder(self, folder: Path) -> None:
        """Under the lock: nobody may find the folder there before its name is on disk."""
        try:
            folder.mkdir()
        except FileExistsError:
            return
        _sync_folder(self._folder)

    def _prefixes(self) -> list[str]:
        return [entry.name for entry in os.scandir(self._folder) if entry.path != str(self._incoming)]

    def _open(self, digest: str, start: int, left: int | None) -> tuple[IO[bytes], bytes]:
        """The file and its first piece; closed already when that is all, which spares small blobs a second thread."""
        try:
            file = self.path(digest).open("rb", buffering=0)
        except FileNotFoundError as error:
            raise BlobMissingError(
                f"The blob {digest} is not in {self._folder}; restore the data folder from a backup as a whole."
            ) from error
        file.seek(start)
        piece = _read_piece(file, left)
        if not piece or len(piece) == left or file.tell() == os.fstat(file.fileno()).st_size:
            file.close()
        return file, piece

    def _old_digests(self, prefix: str, before: float) -> set[str]:
        entries = os.scandir(self._folder / prefix)
        return {prefix + entry.name for entry in entries if entry.stat().st_mtime < before}

    def _remove(self, connection: Connection, digest: str, before: float) -> bool:
        """In a write transaction: unlink `digest` unless somebody has referred to it or written it meanwhile."""
        if digest in _wanted(connection, digest, before) or not self._unlink_if_old(digest, before):
            return False
        connection.execute(delete(storage_blobs).where(storage_blobs.c.digest == digest))
        return True

    def _unlink_if_old(self, digest: str, before: float) -> bool:
        path = self.path(digest)
        with self._age:
            if path.stat().st_mtime >= before:
                return False
            path.unlink()
            return True


class BlobWriter:
    """One blob on its way to disk. Nothing is left of it unless `finish` returned."""

    def __init__(
        self, in_thread: Callable[[Callable[[], Any]], Any], path: Path, adopt: Callable[[Path, str], None]
    ) -> None:
        self._in_thread = in_thread
        self._path = path
        self._adopt = adopt
        self._hash = hashlib.sha256()
        self._size = 0
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._file: IO[bytes] | None = None
        self._busy = threading.Lock()  # a cancelled caller discards while its last thread may still be at work
        self._started = False
        self._finished = False

    async def __aenter__(self) -> Self:
        """Nothing touches the disk before the first full piece."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Throw away what was not finished."""
        if self._started and not self._finished:
            await self._in_thread(self._discard)

    async def write(self, chunk: bytes) -> None:
        """Add `chunk`. It may be any size; small ones are gathered."""
        self._waiting.append(chunk)
        self._waiting_bytes += len(chunk)
        if self._waiting_bytes >= PIECE_BYTES:
            self._started = True
            await self._in_thread(self._flush)

    async def finish(self) -> Blob:
        """Put the blob on disk under its name. It may be referred to for the grace time."""
        self._started = True
        blob: Blob = await self._in_thread(self._finish)
        return blob

    def _flush(self) -> None:
        with self._busy:
            self._append()

    def _finish(self) -> Blob:
        with self._busy:
            file = self._append()
            os.fdatasync(file.fileno())
            file.close()
            digest = self._hash.hexdigest()
            self._adopt(self._path, digest)
            self._finished = True
            return Blob(digest, self._size)

    def _append(self) -> IO[bytes]:
        if self._file is None:
            self._file = self._path.open("xb", buffering=0)
        data = memoryview(b"".join(self._waiting))
        self._waiting, self._waiting_bytes = [], 0
        self._hash.update(data)
        self._size += len(data)
        while data:
            data = data[self._file.write(data) :]
        return self._file

    def _discard(self) -> None:
        with self._busy:
            if self._file is not None and not self._finished:
                self._file.close()
                self._path.unlink(missing_ok=True)


def _read_piece(file: IO[bytes], left: int | None) -> bytes:
    return file.read(PIECE_BYTES if left is None else min(PIECE_BYTES, left))


def _wanted(connection: Connection, prefix: str, before: float) -> set[str]:
    """The digests beginning with `prefix` that are referred to, or were at some time since `before`."""
    columns = storage_blobs.c
    query = select(columns.digest).where(
        columns.digest >= prefix,
        columns.digest < prefix + "g",  # the letter after the last hex digit
        (columns.reference_count > 0) | (columns.released_at >= before),
    )
    return set(connection.execute(query).scalars())


def _remove_old(folder: Path, before: float) -> int:
    removed = 0
    for entry in os.scandir(folder):
        if entry.stat().st_mtime < before:
            Path(entry.path).unlink(missing_ok=True)
            removed += 1
    return removed


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
