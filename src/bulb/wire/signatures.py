"""Signature Version 4's arithmetic: canonical request, string to sign, signing key. Pure."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote, unquote

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
ALGORITHM = "AWS4-HMAC-SHA256"
_SPACES = re.compile(r"\s+")


@lru_cache(maxsize=1024)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key of one day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def sign(key: bytes, text: str) -> str:
    """The signature of `text`, in hex."""
    return hmac.digest(key, text.encode(), "sha256").hex()


def string_to_sign(amz_date: str, scope: str, canonical_request: str) -> str:
    """What is signed of a request."""
    return f"{ALGORITHM}\n{amz_date}\n{scope}\n{hashlib.sha256(canonical_request.encode()).hexdigest()}"


def canonical_requests(
    method: str, path: str, query: str, headers: Mapping[str, str], signed: tuple[str, ...], payload: str, is_s3: bool
) -> list[str]:
    """The canonical request, in the readings clients' signers differ in.

    First path and query in the encoding they were sent in, then encoded afresh: the same for nearly every client, but
    some send a character plain that they signed encoded (but no slash: that would be another path). Only S3 does not
    encode the path twice.
    """
    lines = "".join(f"{name}:{_SPACES.sub(' ', headers.get(name, '').strip())}\n" for name in signed)
    end = f"{lines}\n{';'.join(signed)}\n{payload}"
    sent = f"{method}\n{_canonical_path(path, is_s3)}\n{_canonical_query(query)}\n{end}"
    fresh_path = "/".join(quote(unquote(segment), safe="~") for segment in path.split("/"))
    fresh = f"{method}\n{_canonical_path(fresh_path, is_s3)}\n{_canonical_query(query, afresh=True)}\n{end}"
    return [sent] if fresh == sent else [sent, fresh]


def _canonical_path(path: str, is_s3: bool) -> str:
    if is_s3:
        return path or "/"
    return quote(_without_dot_segments(path), safe="/~")


def _without_dot_segments(path: str) -> str:
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    slash = "/" if path.endswith("/") and kept else ""
    return "/" + "/".join(kept) + slash


def _canonical_query(query: str, afresh: bool = False) -> str:
    pairs = []
    for item in query.split("&") if query else ():
        name, _, value = item.partition("=")
        if name == "X-Amz-Signature":
            continue
        if afresh:
            name, value = (quote(unquote(part.replace("+", " ")), safe="-_.~") for part in (name, value))
        pairs.append((name, value))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def chunk_string_to_sign(amz_date: str, scope: str, previous: str, chunk_sha256: str) -> str:
    """What is signed of one chunk of a signed stream."""
    return f"{ALGORITHM}-PAYLOAD\n{amz_date}\n{scope}\n{previous}\n{EMPTY_SHA256}\n{chunk_sha256}"


def trailer_string_to_sign(amz_date: str, scope: str, previous: str, trailers: Mapping[str, str]) -> str:
    """What is signed of the trailers of a signed stream."""
    lines = "".join(f"{name}:{value}\n" for name, value in sorted(trailers.items()))
    return f"{ALGORITHM}-TRAILER\n{amz_date}\n{scope}\n{previous}\n{hashlib.sha256(lines.encode()).hexdigest()}"
