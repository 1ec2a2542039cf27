"""Signature Version 2 as S3 still takes it: boto3 presigns URLs and form policies with it unless told otherwise."""

import base64
import hmac
from collections.abc import Mapping

from bulb.http.message import Request
from bulb.wire.hosts import effective_path
from bulb.wire.querystring import parse_query

# The query items that are part of the resource, and so of what is signed; and every `response-...` item.
_SIGNED_ITEMS = frozenset(
    (
        *("accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location"),
        *("logging", "metrics", "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment"),
        *("restore", "select", "select-type", "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId"),
        *("versioning", "versions", "website"),
    )
)


def signature(secret: str, text: str) -> str:
    """The signature of `text`, in base64."""
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode("ascii")


def presigned_string_to_sign(request: Request) -> str:
    """What is signed of a presigned request: headers it states in its query string count as headers."""
    query = {name: values[0] for name, values in parse_query(request.query).items()}
    headers = {**{name.lower(): value for name, value in query.items()}, **request.headers}
    amz = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers) if name.startswith("x-amz-"))
    start = (request.method, headers.get("content-md5", ""), headers.get("content-type", ""), query["Expires"])
    return "\n".join(start) + "\n" + amz + _resource(request, query)


def _resource(request: Request, query: Mapping[str, str]) -> str:
    path = effective_path(request.path, request.headers.get("host", ""))
    signed = sorted(name for name in query if name in _SIGNED_ITEMS or name.startswith("response-"))
    items = [f"{name}={query[name]}" if query[name] else name for name in signed]
    return f"{path}?{'&'.join(items)}" if items else path
