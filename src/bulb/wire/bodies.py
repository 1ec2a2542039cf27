"""S3 bodies on their way in: aws-chunked undone, and every hash, signature and checksum the client stated held against
what arrived, while it streams. A mismatch is raised at the end of the iteration, so nobody may act on a body before it
has ended.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from bulb.core.errors import AwsError
from bulb.http.message import Request
from bulb.wire import checksums
from bulb.wire.chunked import ChunkDecoder
from bulb.wire.signatures import chunk_string_to_sign, sign, signing_key, trailer_string_to_sign

SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_MODES = frozenset({SIGNED_CHUNKS, SIGNED_TRAILER, UNSIGNED_TRAILER})
_SHA256_HEX = 64
_MD5_BYTES = 16
# Hashing more than this at once takes longer than a turn of the event loop should.
_THREAD_BYTES = 262_144


class Signed(Protocol):
    """What chunk signatures continue from."""

    @property
    def amz_date(self) -> str: ...  # noqa: D102
    @property
    def date(self) -> str: ...  # noqa: D102
    @property
    def region(self) -> str: ...  # noqa: D102
    @property
    def service(self) -> str: ...  # noqa: D102
    @property
    def signature(self) -> str: ...  # noqa: D102
    @property
    def scope(self) -> str: ...  # noqa: D102
    @property
    def expires(self) -> int | None: ...  # noqa: D102


def decode_body(authorization: Signed | None, request: Request, secret: str | None) -> "DecodedBody":
    """The request's body as it was before it was encoded for the way.

    `secret` is given where signatures are enforced: chunk signatures are then checked too. Raises AwsError 4xx for
    headers that contradict themselves; what the bytes themselves get wrong is raised at the end of the iteration.
    """
    return DecodedBody(request, _chunk_signatures(authorization, request, secret))


class DecodedBody:
    """A BodyStream. After its end `checksums` has the verified checksums, base64 by algorithm (`CRC32`), and `trailers`
    the trailers that came, names in lower case.
    """

    def __init__(self, request: Request, signatures: "_ChunkSignatures | None") -> None:
        headers = request.headers
        self._body = request.body
        mode = headers.get("x-amz-content-sha256", "")
        if mode.startswith("STREAMING-") and mode not in _MODES:
            raise AwsError("InvalidRequest", "The value of x-amz-content-sha256 header is invalid.", status=400)
        is_chunked = mode in _MODES or "aws-chunked" in headers.get("content-encoding", "")
        self._decoder = ChunkDecoder(signatures or _Unsigned()) if is_chunked else None
        self.length = _decoded_length(headers) if is_chunked else request.body.length
        self.checksums: dict[str, str] = {}
        self.trailers: dict[str, str] = {}
        self._checks = _checks(request)
        self._trailing = _trailing(headers) if is_chunked else {}

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The decoded bytes. Raises AwsError at the end when they are not what the client said they would be."""
        return self._iterate()

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises AwsError 413 when it is longer than `limit` bytes."""
        parts = []
        size = 0
        async for part in self:
            size += len(part)
            if size > limit:
                raise AwsError("EntityTooLarge", "Your request was too big.", status=413)
            parts.append(part)
        return b"".join(parts)

    async def _iterate(self) -> AsyncIterator[bytes]:
        size = 0
        async for raw in self._body:
            for piece in self._decoder.feed(raw) if self._decoder is not None else (raw,):
                size += len(piece)
                if self.length is not None and size > self.length:
                    raise _incomplete()
                await self._take(piece)
                yield piece
        self._finish(size)

    async def _take(self, piece: bytes) -> None:
        if not self._checks and not self._trailing:
            return
        if len(piece) > _THREAD_BYTES:
            await asyncio.to_thread(self._update, piece)
        else:
            self._update(piece)

    def _update(self, piece: bytes) -> None:
        for check in self._checks:
            check.checksum.update(piece)
        for checksum in self._trailing.values():
            checksum.update(piece)

    def _finish(self, size: int) -> None:
        if self._decoder is not None:
            self._decoder.finish()
            self.trailers = self._decoder.trailers
        if self.length is not None and size != self.length:
            raise _incomplete()
        for check in self._checks:
            if not hmac.compare_digest(check.checksum.digest(), check.expected):
                raise check.mismatch()
            if check.algorithm is not None:
                self.checksums[check.algorithm] = checksums.text(check.checksum)
        self._check_trailers()

    def _check_trailers(self) -> None:
        for algorithm, checksum in self._trailing.items():
            header = checksums.HEADER_PREFIX + algorithm.lower()
            stated = self.trailers.get(header)
            if stated is None:
                raise AwsError("MalformedTrailerError", f"The trailer {header} is missing.", status=400)
            if not hmac.compare_digest(_decode(stated, header), checksum.digest()):
                raise _bad_checksum(algorithm)
            self.checksums[algorithm] = stated


class _Check:
    """One value stated before the body, and what it turned out to be."""

    def __init__(
        self,
        checksum: checksums.Checksum,
        expected: bytes,
        mismatch: Callable[[], AwsError],
        algorithm: str | None = None,
    ) -> None:
        self.checksum = checksum
        self.expected = expected
        self.mismatch = mismatch
        self.algorithm = algorithm


def _checks(request: Request) -> list[_Check]:
    headers = request.headers
    found = []
    stated_hash = headers.get("x-amz-content-sha256", "")
    if len(stated_hash) == _SHA256_HEX:
        found.append(_Check(hashlib.sha256(), _from_hex(stated_hash), _bad_sha256))
    if (stated_md5 := headers.get("content-md5")) is not None:
        found.append(_Check(hashlib.md5(usedforsecurity=False), _md5(stated_md5), _bad_md5))
    if _states_object_checksum(request):
        return found
    for name, value in headers.items():
        if (algorithm := checksums.algorithm_of(name)) is not None:
            checksum = checksums.ALGORITHMS[algorithm]()
            expected = _decode(value, name)
            if len(expected) != len(checksum.digest()):
                raise _invalid_value(name)
            found.append(_Check(checksum, expected, lambda found=algorithm: _bad_checksum(found), algorithm))  # type: ignore[misc]
    return found


def _states_object_checksum(request: Request) -> bool:
    """CompleteMultipartUpload's checksum headers are about the object, not about its body."""
    return request.method == "POST" and "uploadId=" in request.query


def _trailing(headers: dict[str, str]) -> dict[str, checksums.Checksum]:
    """A checksum for each one the client announces for the end, started at the beginning."""
    announced = [name.strip().lower() for name in headers.get("x-amz-trailer", "").split(",")]
    algorithms = [algorithm for name in announced if (algorithm := checksums.algorithm_of(name)) is not None]
    return {algorithm: checksums.ALGORITHMS[algorithm]() for algorithm in algorithms}


def _decoded_length(headers: dict[str, str]) -> int | None:
    text = headers.get("x-amz-decoded-content-length")
    if text is None:
        raise AwsError("MissingContentLength", "You must provide the Content-Length HTTP header.", status=411)
    if not (text.isascii() and text.isdigit()):
        raise AwsError("InvalidArgument", "x-amz-decoded-content-length is not a number.", status=400)
    return int(text[:20])


class _Unsigned:
    """Chunks nobody checks."""

    def data(self, data: bytes) -> None:
        pass

    def end(self, signature: str | None) -> None:
        pass

    def trailers(self, trailers: dict[str, str]) -> None:
        pass


class _ChunkSignatures:
    """Each chunk's signature covers the one before it, the first the request's."""

    def __init__(self, authorization: Signed, secret: str) -> None:
        key = (secret, authorization.date, authorization.region, authorization.service)
        self._authorization = authorization
        self._key = signing_key(*key)
        self._previous = authorization.signature
        self._hash = hashlib.sha256()

    def data(self, data: bytes) -> None:
        self._hash.update(data)

    def end(self, signature: str | None) -> None:
        authorization = self._authorization
        text = chunk_string_to_sign(authorization.amz_date, authorization.scope, self._previous, self._hash.hexdigest())
        self._accept(text, signature)
        self._hash = hashlib.sha256()

    def trailers(self, trailers: dict[str, str]) -> None:
        signature = trailers.get("x-amz-trailer-signature")
        if signature is None and not trailers:
            return
        covered = {name: value for name, value in trailers.items() if name != "x-amz-trailer-signature"}
        authorization = self._authorization
        text = trailer_string_to_sign(authorization.amz_date, authorization.scope, self._previous, covered)
        self._accept(text, signature)

    def _accept(self, text: str, signature: str | None) -> None:
        if signature is None or not hmac.compare_digest(sign(self._key, text).encode(), signature.encode()):
            message = (
                "The request signature we calculated does not match the signature you provided. Check your key and "
                "signing method."
            )
            raise AwsError("SignatureDoesNotMatch", message, status=403)
        self._previous = signature


def _chunk_signatures(authorization: Signed | None, request: Request, secret: str | None) -> _ChunkSignatures | None:
    mode = request.headers.get("x-amz-content-sha256")
    if authorization is None or secret is None or mode not in (SIGNED_CHUNKS, SIGNED_TRAILER):
        return None
    return _ChunkSignatures(authorization, secret)


def _decode(text: str, header: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _invalid_value(header) from None


def _md5(text: str) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != _MD5_BYTES:
        raise AwsError("InvalidDigest", "The Content-MD5 you specified was invalid.", status=400)
    return value


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise AwsError("InvalidArgument", "x-amz-content-sha256 must be a valid SHA-256.", status=400) from None


def _incomplete() -> AwsError:
    message = "You did not provide the number of bytes specified by the Content-Length HTTP header"
    return AwsError("IncompleteBody", message, status=400)


def _invalid_value(header: str) -> AwsError:
    return AwsError("InvalidRequest", f"Value for {header} header is invalid.", status=400)


def _bad_sha256() -> AwsError:
    message = "The provided 'x-amz-content-sha256' header does not match what was computed."
    return AwsError("XAmzContentSHA256Mismatch", message, status=400)


def _bad_md5() -> AwsError:
    return AwsError("BadDigest", "The Content-MD5 you specified did not match what we received.", status=400)


def _bad_checksum(algorithm: str) -> AwsError:
    return AwsError("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.", status=400)
