"""Bytes: from a request into a blob, and from blobs out again, a piece at a time. Never touches the database."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from bulb.core.calls import BodyStream
from bulb.core.errors import AwsError
from bulb.services.s3.model import ObjectVersion, Part
from bulb.storage.blobs import BlobStore

# Below this a hash takes less time than handing it to a thread.
_INLINE_BYTES = 32 * 1024
_GATHERED_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes that are on disk and not yet named by a row. `checksums` are verified, base64 by algorithm (`CRC32`)."""

    digest: str
    size: int
    etag: str
    checksums: dict[str, str] = field(default_factory=dict)


class ContentStore:
    """Reads and writes the bytes of objects."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def receive(self, body: BodyStream | AsyncIterator[bytes] | bytes, limit: int) -> Received:
        """Write `body` to a blob. Raises EntityTooLarge beyond `limit` bytes, and what the body itself raises."""
        md5 = hashlib.md5(usedforsecurity=False)
        size = 0
        async with self._blobs.writer() as writer:
            async for chunk in _gathered(body):
                size += len(chunk)
                if size > limit:
                    raise too_large(limit, size)
                if len(chunk) <= _INLINE_BYTES:
                    md5.update(chunk)
                    await writer.write(chunk)
                else:
                    await asyncio.gather(asyncio.to_thread(md5.update, chunk), writer.write(chunk))
            blob = await writer.finish()
        return Received(blob.digest, blob.size, md5.hexdigest(), _verified(body))

    def read(self, version: ObjectVersion, parts: Sequence[Part], start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes `start` to `end` (exclusive) of an object; `parts` are its parts when it has no blob of its own."""
        if version.digest is not None:
            return self._blobs.read(version.digest, start, end)
        return self._across(parts, start, end)

    async def _across(self, parts: Sequence[Part], start: int, end: int) -> AsyncIterator[bytes]:
        offset = 0
        for part in parts:
            first, last = max(start - offset, 0), min(end - offset, part.size)
            offset += part.size
            if first < last:
                async for chunk in self._blobs.read(part.digest, first, last):
                    yield chunk


def too_large(limit: int, size: int) -> AwsError:
    """EntityTooLarge."""
    return AwsError(
        "EntityTooLarge",
        "Your proposed upload exceeds the maximum allowed size",
        members={"ProposedSize": str(size), "MaxSizeAllowed": str(limit)},
    )


async def _gathered(body: BodyStream | AsyncIterator[bytes] | bytes) -> AsyncIterator[bytes]:
    """The body in chunks worth a thread: the network hands it over in pieces of a few KB."""
    if isinstance(body, bytes):
        yield body
        return
    waiting: list[bytes] = []
    size = 0
    async for chunk in body:
        waiting.append(chunk)
        size += len(chunk)
        if size >= _GATHERED_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def _verified(body: object) -> dict[str, str]:
    """The checksums the wire verified while the body streamed."""
    return dict(getattr(body, "checksums", None) or {})
