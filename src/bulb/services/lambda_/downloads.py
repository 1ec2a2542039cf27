"""Links to a function's code: `Code.Location` of GetFunction.

A link is `/_bulb/code?digest=..&expires=..&signature=..` on our own front door, valid for ten minutes like AWS's
presigned ones. It needs no credentials, so the signature covers everything it says.
"""

import hashlib
import hmac
from urllib.parse import parse_qsl, urlencode

from bulb.core.calls import Answer
from bulb.core.clock import Clock
from bulb.http.message import Request, Response
from bulb.services.lambda_.model import Code
from bulb.storage.blobs import BlobStore

PATH = "/_bulb/code"
VALID_S = 600


class CodeDownloads:
    """Makes links and serves them. Register `serve` at `PATH`."""

    def __init__(self, blobs: BlobStore, key: bytes, clock: Clock) -> None:
        self._blobs = blobs
        self._key = key
        self._clock = clock

    def url(self, base_url: str, code: Code) -> str:
        """A link to the package that works for ten minutes. `base_url` is how the caller reaches us."""
        expires = str(int(self._clock.now()) + VALID_S)
        size = str(code.size)
        query = {"digest": code.digest, "size": size, "expires": expires}
        query["signature"] = self._signature(code.digest, size, expires)
        return f"{base_url.rstrip('/')}{PATH}?{urlencode(query)}"

    def location(self, base_url: str, code: Code) -> Answer:
        """The members of an answer that say where the package is: with us, or still in its owner's bucket."""
        if (source := code.source) is None:
            return {"Location": self.url(base_url, code)}
        return {"ResolvedS3Object": {"S3Bucket": source.bucket, "S3Key": source.key, "S3ObjectVersion": source.version}}

    async def serve(self, request: Request) -> Response:
        """The zip, or 403 for a link that is not ours or too old, 404 when the code is gone, 405 for other methods."""
        if request.method not in ("GET", "HEAD"):
            return _refusal(405, "Only GET and HEAD.")
        query = dict(parse_qsl(request.query))
        digest, size, expires = query.get("digest", ""), query.get("size", ""), query.get("expires", "")
        signature = self._signature(digest, size, expires)
        if not hmac.compare_digest(signature.encode(), query.get("signature", "").encode()):
            return _refusal(403, "The link is not valid.")
        if int(expires) < self._clock.now():
            return _refusal(403, "The link has expired: call GetFunction for a new one.")
        if not self._blobs.path(digest).exists():
            return _refusal(404, "The code is gone: the function was changed or deleted.")
        headers = [("content-type", "application/zip"), ("content-length", size)]
        return Response(200, headers, b"" if request.method == "HEAD" else self._blobs.read(digest, 0, int(size)))

    def _signature(self, digest: str, size: str, expires: str) -> str:
        return hmac.new(self._key, f"{digest}\n{size}\n{expires}".encode(), hashlib.sha256).hexdigest()


def _refusal(status: int, text: str) -> Response:
    return Response(status, [("content-type", "text/plain")], f"{text}\n".encode())
