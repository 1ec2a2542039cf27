"""Requests no SDK would send: each is answered 4xx in S3's shape, and the next request works."""

import http.client
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.services.s3.conftest import Served


def send(url: str, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Any:
    """Status and body of a request whose path is sent as it is."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("method", "path", "body", "headers"),
    [
        ("PUT", "/{b}/" + "k" * 1025, b"", {}),
        ("PUT", "/{b}/%00", b"", {}),
        ("PUT", "/{b}/%ff%fe", b"", {}),
        ("GET", "/{b}/%ff", b"", {}),
        ("GET", "/..%2f..%2fetc%2fpasswd", b"", {}),
        ("GET", "/{b}/../../etc/passwd", b"", {}),
        ("GET", "/{b}?list-type=2&max-keys=-1", b"", {}),
        ("GET", "/{b}?list-type=2&max-keys=many", b"", {}),
        ("GET", "/{b}?list-type=2&continuation-token=%ff", b"", {}),
        ("POST", "/{b}?delete", b"<Delete>", {}),
        ("POST", "/{b}?delete", b"<!DOCTYPE x [<!ENTITY a 'b'>]><Delete>&a;</Delete>", {}),
        ("POST", "/{b}?delete", b"<Delete></Delete>", {}),
        ("POST", "/{b}?delete", b"<Delete><Object></Object></Delete>", {}),
        ("PUT", "/{b}?versioning", b"<VersioningConfiguration><Status>Maybe</Status></VersioningConfiguration>", {}),
        ("PUT", "/{b}?versioning", b"", {}),
        ("PUT", "/{b}?notification", b"nonsense", {}),
        ("PUT", "/{b}?tagging", b"<Tagging><TagSet><Tag/></TagSet></Tagging>", {}),
        ("PUT", "/{b}/k", b"x", {"x-amz-copy-source": "%"}),
        ("PUT", "/{b}/k", b"x", {"x-amz-copy-source": "/" + "a" * 3000}),
        ("PUT", "/{b}/k", b"x", {"content-md5": "nonsense"}),
        ("PUT", "/{b}/k", b"x", {"x-amz-checksum-crc32": "nonsense"}),
        ("PUT", "/{b}/k", b"x", {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}),
        ("PUT", "/{b}/k", b"x", {"x-amz-meta-a": "v" * 3000}),
        ("PUT", "/{b}/k", b"x", {"x-amz-tagging": "a=1&a=2"}),
        ("PUT", "/{b}/k?partNumber=0&uploadId=x", b"x", {}),
        ("PUT", "/{b}/k?partNumber=x&uploadId=x", b"x", {}),
        ("PUT", "/{b}/k?partNumber=1&uploadId=absent", b"x", {}),
        ("POST", "/{b}/k?uploadId=absent", b"<CompleteMultipartUpload/>", {}),
        ("POST", "/{b}/k?uploadId=absent", b"\x00\x01", {}),
        ("GET", "/{b}/absent", b"", {"range": "bytes=9999999999999999999999-"}),
        ("GET", "/{b}/there", b"", {"range": "bytes=9999999999999999999999-"}),
        ("GET", "/{b}/there?partNumber=99", b"", {}),
        ("GET", "/{b}/there?versionId=%00", b"", {}),
        ("POST", "/{b}", b"", {"content-type": "multipart/form-data"}),
        ("POST", "/{b}", b"--x", {"content-type": "multipart/form-data; boundary=x"}),
        ("POST", "/{b}", b"\xff" * 50_000, {"content-type": "multipart/form-data; boundary=x"}),
    ],
)
def test_nonsense(
    served: Served, s3: Any, bucket: str, method: str, path: str, body: bytes, headers: dict[str, str]
) -> None:
    s3.put_object(Bucket=bucket, Key="there", Body=b"1")
    status, answer = send(served.url, method, path.replace("{b}", bucket), body, headers)
    assert 400 <= status < 500, (status, answer)
    assert b"<Code>" in answer
    assert s3.get_object(Bucket=bucket, Key="there")["Body"].read() == b"1"
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_a_body_that_ends_too_early_stores_nothing(served: Served, s3: Any, bucket: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=20)
    connection.putrequest("PUT", f"/{bucket}/k")
    connection.putheader("content-length", "5000000")
    connection.endheaders(b"only this")
    connection.close()
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
