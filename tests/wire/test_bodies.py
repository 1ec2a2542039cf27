"""Encoded bodies: what clients send is decoded, what they stated is checked, at any cut of the stream."""

import asyncio
import base64
import dataclasses
import hashlib
import io
import zlib
from collections.abc import AsyncIterator

import pytest
from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum

from bulb.core.errors import AwsError
from bulb.http.message import BufferedBody, Request
from bulb.wire import checksums
from bulb.wire.signatures import chunk_string_to_sign, sign, signing_key, trailer_string_to_sign
from bulb.wire.sigv4 import Authorization, decode_body

PAYLOAD = bytes(range(256)) * 40
SECRET = "secret"
AUTHORIZATION = Authorization(
    "AKID", "20260101", "eu-west-1", "s3", ("host",), "5eed" * 16, None, "20260101T000000Z", 0.0, None, None
)


@dataclasses.dataclass
class Cut:
    """A body that arrives in pieces of `size`."""

    content: bytes
    size: int
    buffered: None = None

    @property
    def length(self) -> int:
        return len(self.content)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.content), self.size):
            yield self.content[start : start + self.size]


def request(content: bytes, headers: dict[str, str], cut: int = 1000, method: str = "PUT", query: str = "") -> Request:
    return Request(method, "/b/k", query, headers, Cut(content, cut), ("127.0.0.1", 1))


def decoded(request_: Request, secret: str | None = None) -> tuple[bytes, dict[str, str], dict[str, str]]:
    async def run() -> tuple[bytes, dict[str, str], dict[str, str]]:
        body = decode_body(AUTHORIZATION, request_, secret)
        return await body.read(10**6), body.checksums, body.trailers

    return asyncio.run(run())


def refused(request_: Request, code: str, secret: str | None = None) -> None:
    with pytest.raises(AwsError, match=code) as caught:
        decoded(request_, secret)
    assert 400 <= caught.value.status < 500


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


CRC32 = b64(zlib.crc32(PAYLOAD).to_bytes(4, "big"))
TRAILER = {
    "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "x-amz-trailer": "x-amz-checksum-crc32",
    "x-amz-decoded-content-length": str(len(PAYLOAD)),
    "content-encoding": "aws-chunked",
}


@pytest.mark.parametrize("cut", [1, 7, 1000, 10**6])
def test_botocores_own_trailer_encoding(cut: int) -> None:
    encoded = AwsChunkedWrapper(io.BytesIO(PAYLOAD), Crc32Checksum, "x-amz-checksum-crc32", chunk_size=4096).read()
    body, found, trailers = decoded(request(encoded, TRAILER, cut))
    assert body == PAYLOAD
    assert found == {"CRC32": CRC32}
    assert trailers == {"x-amz-checksum-crc32": CRC32}


def test_trailers_that_lie_or_are_missing() -> None:
    encoded = b"%x\r\n%s\r\n0\r\n" % (len(PAYLOAD), PAYLOAD)
    refused(request(encoded + b"x-amz-checksum-crc32:AAAAAA==\r\n\r\n", TRAILER), "BadDigest")
    refused(request(encoded + b"x-amz-checksum-crc32:~~~\r\n\r\n", TRAILER), "InvalidRequest")
    refused(request(encoded + b"\r\n", TRAILER), "MalformedTrailerError")


@pytest.mark.parametrize("end", range(0, 60, 7))
def test_truncated_streams(end: int) -> None:
    headers = {**TRAILER, "x-amz-decoded-content-length": "10"}
    encoded = b"5\r\nhello\r\n5\r\nworld\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n"
    refused(request(encoded[: min(end, 25)], headers), "IncompleteBody")


@pytest.mark.parametrize(
    "content",
    [b"zz\r\n", b"-1\r\nx", b"fffffffffffffffffff\r\n", b"3\r\nhello\r\n", b"\r\n\r\n", b"5\r\nhelloXX", b"A" * 5000],
)
def test_what_is_not_aws_chunked(content: bytes) -> None:
    headers = {**TRAILER, "x-amz-decoded-content-length": "5"}
    refused(request(content, headers), "InvalidChunkSizeError|InvalidRequest|IncompleteBody")


def signed_chunks(trailers: dict[str, str] | None = None) -> bytes:
    key = signing_key(SECRET, "20260101", "eu-west-1", "s3")
    previous = AUTHORIZATION.signature
    out = b""
    for chunk in (PAYLOAD[:5000], PAYLOAD[5000:], b""):
        text = chunk_string_to_sign(
            "20260101T000000Z", AUTHORIZATION.scope, previous, hashlib.sha256(chunk).hexdigest()
        )
        previous = sign(key, text)
        out += b"%x;chunk-signature=%s\r\n" % (len(chunk), previous.encode()) + chunk + (b"\r\n" if chunk else b"")
    if trailers:
        signature = sign(key, trailer_string_to_sign("20260101T000000Z", AUTHORIZATION.scope, previous, trailers))
        for name, value in {**trailers, "x-amz-trailer-signature": signature}.items():
            out += f"{name}:{value}\r\n".encode()
    return out + b"\r\n"


SIGNED = {
    "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "x-amz-decoded-content-length": str(len(PAYLOAD)),
}


def test_signed_chunks() -> None:
    content = signed_chunks()
    assert decoded(request(content, SIGNED), SECRET)[0] == PAYLOAD
    refused(request(content, SIGNED), "SignatureDoesNotMatch", "another secret")
    flipped = content[:200] + bytes([content[200] ^ 1]) + content[201:]
    refused(request(flipped, SIGNED), "SignatureDoesNotMatch", SECRET)
    assert decoded(request(flipped, SIGNED))[0] != PAYLOAD  # Nothing is enforced without a secret.


def test_signed_trailers() -> None:
    headers = {**SIGNED, **{k: v for k, v in TRAILER.items() if k == "x-amz-trailer"}}
    headers["x-amz-content-sha256"] += "-TRAILER"
    content = signed_chunks({"x-amz-checksum-crc32": CRC32})
    assert decoded(request(content, headers), SECRET)[1] == {"CRC32": CRC32}
    refused(request(content.replace(b"trailer-signature:", b"trailer-signature:0"), headers), "SignatureDoes", SECRET)


def test_signatures_like_awss_published_example() -> None:
    """The worked example AWS publishes under "Transferring Payload in Multiple Chunks"."""
    key = signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524", "us-east-1", "s3")
    seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    chunk = hashlib.sha256(b"a" * 65536).hexdigest()
    text = chunk_string_to_sign("20130524T000000Z", "20130524/us-east-1/s3/aws4_request", seed, chunk)
    assert sign(key, text) == "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"


STATED = {
    "content-md5": b64(hashlib.md5(PAYLOAD).digest()),
    "x-amz-content-sha256": hashlib.sha256(PAYLOAD).hexdigest(),
    "x-amz-checksum-crc32": CRC32,
    "x-amz-checksum-sha1": b64(hashlib.sha1(PAYLOAD).digest()),
    "x-amz-checksum-sha256": b64(hashlib.sha256(PAYLOAD).digest()),
}


def test_stated_values_hold() -> None:
    body, found, _ = decoded(request(PAYLOAD, STATED))
    assert body == PAYLOAD
    assert set(found) == {"CRC32", "SHA1", "SHA256"}


@pytest.mark.parametrize("header", STATED)
def test_stated_values_that_do_not_hold(header: str) -> None:
    code = "XAmzContentSHA256Mismatch" if header == "x-amz-content-sha256" else "BadDigest"
    refused(request(PAYLOAD[:-1] + b"!", {header: STATED[header]}), code)


def test_check_values_of_all_algorithms() -> None:
    """The published check values: each algorithm over "123456789"."""
    expected = {"CRC32": "cbf43926", "CRC32C": "e3069283", "CRC64NVME": "ae8b14860a799888"}
    for name, value in expected.items():
        checksum = checksums.ALGORITHMS[name]()
        for part in (b"1234", b"", b"56789"):
            checksum.update(part)
        assert checksum.digest().hex() == value


def test_headers_that_cannot_be() -> None:
    refused(request(b"", {"content-md5": "x"}), "InvalidDigest")
    refused(request(b"", {"x-amz-checksum-crc32": "AAAA"}), "InvalidRequest")
    refused(request(b"", {"x-amz-content-sha256": "STREAMING-NONSENSE"}), "InvalidRequest")
    refused(request(b"", {"content-encoding": "aws-chunked"}), "MissingContentLength")
    refused(request(b"", {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": "x"}), "InvalidArgument")


def test_a_multipart_uploads_checksum_is_not_its_last_requests() -> None:
    headers = {"x-amz-checksum-crc32": "AAAAAA=="}
    assert decoded(request(PAYLOAD, headers, method="POST", query="uploadId=1"))[0] == PAYLOAD


def test_read_refuses_more_than_its_limit() -> None:
    async def run() -> None:
        await decode_body(None, Request("PUT", "/b/k", "", {}, BufferedBody(b"12345"), ("h", 1)), None).read(4)

    with pytest.raises(AwsError) as caught:
        asyncio.run(run())
    assert caught.value.status == 413
