"""Signatures: who signed a request, and whether they really did. Version 4, and S3's presigned URLs of version 2.

`parse_authorization` reads what a request claims and never needs a secret; `verify` holds it against one. Bodies whose
hash or chunks are signed are checked by `decode_body` while they stream. Errors carry S3's codes for S3 and the query
and JSON services' own for the others.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from bulb.core.errors import AwsError
from bulb.http.message import Request
from bulb.wire import sigv2, timestamps
from bulb.wire.bodies import DecodedBody, decode_body
from bulb.wire.catalog import SERVICES
from bulb.wire.malformed import Malformed
from bulb.wire.post_policy import verify_post_policy
from bulb.wire.querystring import parse_query
from bulb.wire.signatures import ALGORITHM, EMPTY_SHA256, canonical_requests, sign, signing_key, string_to_sign

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
_CREDENTIAL = re.compile(r"(.+)/(\d{8})/([^/]*)/([^/]+)/aws4_request")
_HEX_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_VERSION_2 = 2
_S3_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your key and signing method."
)
_OTHER_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_MAX_EXPIRES_S = 604_800
_S3_SKEW_S = 900
_OTHER_SKEW_S = 300
_S3_SERVICES = frozenset({"s3", "s3express", "s3-object-lambda"})
_QUERY_SERVICES = frozenset(f.signing_name for f in SERVICES.values() if f.protocols[0] == "query")


@dataclass(frozen=True, slots=True)
class Authorization:
    """What a request says of its signer.

    `timestamp` is the signing time in Unix seconds, `amz_date` the same as it was signed (`20260101T000000Z`).
    `expires` is a presigned URL's life in seconds, None for a signed header. `payload_hash` is the hash or the mode the
    signature covers (`UNSIGNED-PAYLOAD`, `STREAMING-...`), None where the body itself is to be hashed. A `version` 2
    signature names no region and no signing time: its `timestamp` is when it ends, and `expires` is 0.
    """

    access_key: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    session_token: str | None
    amz_date: str
    timestamp: float
    expires: int | None
    payload_hash: str | None
    version: int = 4

    @property
    def scope(self) -> str:
        """The credential's scope, without the access key."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"

    @property
    def is_s3(self) -> bool:
        """Signed by S3's rules."""
        return self.service in _S3_SERVICES


def parse_authorization(request: Request) -> Authorization | None:
    """The request's signature, or None when it has none. Raises AwsError 4xx when it has one that cannot be read."""
    header = request.headers.get("authorization")
    if header is not None:
        if header.startswith(ALGORITHM):
            return _from_header(header[len(ALGORITHM) :], request.headers)
        if header.startswith(("AWS ", "AWS4-")):
            raise _unsupported_mechanism()
        return None  # Somebody else's header: a function's own, a bearer token.
    if "X-Amz-Algorithm=" in request.query or "X-Amz-Signature=" in request.query:
        return _from_query(request)
    if "AWSAccessKeyId=" in request.query and "Signature=" in request.query:
        return _from_version_2_query(request)
    return None


def verify(authorization: Authorization, request: Request, secret: str, now: float) -> None:
    """Raise AwsError 403 unless the request was signed with `secret`, in time. Bodies that stream are not read here."""
    if authorization.version == _VERSION_2:
        _verify_version_2(authorization, request, secret, now)
        return
    _check_time(authorization, now)
    _check_signed_headers(authorization, request)
    payload = _payload_hash(authorization, request)
    key = signing_key(secret, authorization.date, authorization.region, authorization.service)
    readings = canonical_requests(
        request.method,
        request.path,
        request.query,
        request.headers,
        authorization.signed_headers,
        payload,
        authorization.is_s3,
    )
    for reading in readings:
        text = string_to_sign(authorization.amz_date, authorization.scope, reading)
        if hmac.compare_digest(sign(key, text).encode(), authorization.signature.encode()):
            return
    raise _mismatch(authorization, readings[0])


def _from_header(text: str, headers: Mapping[str, str]) -> Authorization:
    fields = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        fields[name] = value.strip()
    missing = [name for name in ("Credential", "SignedHeaders", "Signature") if not fields.get(name)]
    if missing:
        raise _incomplete(f"Authorization header requires '{missing[0]}' parameter.")
    credential = _CREDENTIAL.fullmatch(fields["Credential"])
    if credential is None:
        raise _incomplete("Credential must be of the form <access key>/<date>/<region>/<service>/aws4_request.")
    amz_date, timestamp = _header_date(headers)
    return Authorization(
        access_key=credential[1],
        date=credential[2],
        region=credential[3],
        service=credential[4],
        signed_headers=tuple(fields["SignedHeaders"].lower().split(";")),
        signature=fields["Signature"],
        session_token=headers.get("x-amz-security-token") or headers.get("x-amz-s3session-token"),
        amz_date=amz_date,
        timestamp=timestamp,
        expires=None,
        payload_hash=headers.get("x-amz-content-sha256"),
    )


def _header_date(headers: Mapping[str, str]) -> tuple[str, float]:
    text = headers.get("x-amz-date")
    if text is not None:
        return text, _amz_timestamp(text)
    if (date := headers.get("date")) is None:
        raise _incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    try:
        moment = timestamps.parse(date, "rfc822")
    except Malformed as error:
        raise _incomplete("The 'Date' header is not a date.") from error
    return f"{moment:%Y%m%dT%H%M%SZ}", moment.timestamp()


@lru_cache(maxsize=256)
def _amz_timestamp(text: str) -> float:
    """Remembered, because every request of a second carries the same text and every request asks."""
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise _incomplete("Date must be in ISO-8601 'basic format'.") from error


def _from_query(request: Request) -> Authorization:
    items = _query_items(request)
    names = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders")
    if any(not items.get(name) for name in names) or "X-Amz-Expires" not in items:
        raise _query_error(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
            "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
        )
    if items["X-Amz-Algorithm"] != ALGORITHM:
        raise _query_error("X-Amz-Algorithm only supports AWS4-HMAC-SHA256")
    credential = _CREDENTIAL.fullmatch(items["X-Amz-Credential"])
    if credential is None:
        raise _query_error("Error parsing the X-Amz-Credential parameter; it must have the form <key>/<scope>.")
    is_s3 = credential[4] in _S3_SERVICES
    payload = request.headers.get("x-amz-content-sha256") or items.get("X-Amz-Content-Sha256")
    return Authorization(
        access_key=credential[1],
        date=credential[2],
        region=credential[3],
        service=credential[4],
        signed_headers=tuple(items["X-Amz-SignedHeaders"].lower().split(";")),
        signature=items["X-Amz-Signature"],
        session_token=items.get("X-Amz-Security-Token") or items.get("X-Amz-S3session-Token"),
        amz_date=items["X-Amz-Date"],
        timestamp=_amz_timestamp(items["X-Amz-Date"]),
        expires=_expires(items["X-Amz-Expires"]),
        payload_hash=payload or (UNSIGNED_PAYLOAD if is_s3 else None),
    )


def _query_items(request: Request) -> dict[str, str]:
    try:
        return {name: values[0] for name, values in parse_query(request.query).items()}
    except Malformed as error:
        raise _query_error(str(error)) from error


def _from_version_2_query(request: Request) -> Authorization:
    items = _query_items(request)
    ends = items.get("Expires", "")
    if not (ends.isascii() and ends.isdigit() and items.get("AWSAccessKeyId") and items.get("Signature")):
        message = (
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters, Expires in "
            "seconds since 1970."
        )
        raise AwsError("AccessDenied", message, status=403)
    return Authorization(
        access_key=items["AWSAccessKeyId"],
        date="",
        region="",
        service="s3",
        signed_headers=(),
        signature=items["Signature"],
        session_token=items.get("x-amz-security-token") or request.headers.get("x-amz-security-token"),
        amz_date="",
        timestamp=float(ends[:12]),
        expires=0,
        payload_hash=UNSIGNED_PAYLOAD,
        version=_VERSION_2,
    )


def _verify_version_2(authorization: Authorization, request: Request, secret: str, now: float) -> None:
    if now > authorization.timestamp:
        raise AwsError("AccessDenied", "Request has expired", status=403)
    text = sigv2.presigned_string_to_sign(request)
    if not hmac.compare_digest(sigv2.signature(secret, text).encode(), authorization.signature.encode()):
        members = {
            "AWSAccessKeyId": authorization.access_key,
            "StringToSign": text,
            "SignatureProvided": authorization.signature,
        }
        raise AwsError("SignatureDoesNotMatch", _S3_MISMATCH, status=403, members=members)


def _expires(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise _query_error("X-Amz-Expires should be a number")
    seconds = int(text[:10])
    if seconds > _MAX_EXPIRES_S:
        raise _query_error("X-Amz-Expires must be less than a week (in seconds); that is, less than 604800")
    return seconds


def _payload_hash(authorization: Authorization, request: Request) -> str:
    body = request.body.buffered
    claimed = authorization.payload_hash
    if claimed is None:
        return hashlib.sha256(body or b"").hexdigest()
    if not authorization.is_s3 and body is not None and _HEX_SIGNATURE.fullmatch(claimed):
        # S3's is checked as the body streams, with an error of its own; elsewhere it is the signature that is wrong.
        return hashlib.sha256(body).hexdigest() if body else EMPTY_SHA256
    return claimed


def _check_time(authorization: Authorization, now: float) -> None:
    if authorization.date != authorization.amz_date[:8]:
        raise _refused(authorization, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date.")
    skew = _S3_SKEW_S if authorization.is_s3 else _OTHER_SKEW_S
    if authorization.expires is not None:
        _check_presigned_time(authorization, now, skew)
    elif abs(now - authorization.timestamp) > skew:
        if authorization.is_s3:
            message = "The difference between the request time and the current time is too large."
            members = {
                "RequestTime": authorization.amz_date,
                "ServerTime": timestamps.to_text(int(now), "iso8601"),
                "MaxAllowedSkewMilliseconds": str(skew * 1000),
            }
            raise AwsError("RequestTimeTooSkewed", message, status=403, members=members)
        server = f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}"
        early = authorization.timestamp < now
        what, how = ("expired", "earlier") if early else ("not yet current", "later")
        raise _refused(authorization, f"Signature {what}: {authorization.amz_date} is now {how} than {server}.")


def _check_presigned_time(authorization: Authorization, now: float, skew: int) -> None:
    assert authorization.expires is not None
    if now < authorization.timestamp - skew:
        raise AwsError("AccessDenied", "Request is not valid yet", status=403)
    ends = authorization.timestamp + authorization.expires
    if now > ends:
        members = {
            "X-Amz-Expires": str(authorization.expires),
            "Expires": timestamps.to_text(int(ends), "iso8601"),
            "ServerTime": timestamps.to_text(int(now), "iso8601"),
        }
        raise AwsError("AccessDenied", "Request has expired", status=403, members=members)


def _check_signed_headers(authorization: Authorization, request: Request) -> None:
    signed = authorization.signed_headers
    if "host" not in signed:
        raise _refused(authorization, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    if not authorization.is_s3:
        return
    loose = [name for name in request.headers if name.startswith("x-amz-") and name not in signed]
    if loose:
        message = "There were headers present in the request which were not signed"
        raise AwsError("AccessDenied", message, status=403, members={"HeadersNotSigned": ", ".join(loose)})


def _mismatch(authorization: Authorization, canonical: str) -> AwsError:
    if not authorization.is_s3:
        return _refused(authorization, _OTHER_MISMATCH)
    text = string_to_sign(authorization.amz_date, authorization.scope, canonical)
    members = {
        "AWSAccessKeyId": authorization.access_key,
        "StringToSign": text,
        "SignatureProvided": authorization.signature,
        "CanonicalRequest": canonical,
    }
    return AwsError("SignatureDoesNotMatch", _S3_MISMATCH, status=403, members=members)


def _refused(authorization: Authorization, message: str) -> AwsError:
    plain = authorization.is_s3 or authorization.service in _QUERY_SERVICES
    return AwsError("SignatureDoesNotMatch" if plain else "InvalidSignatureException", message, status=403)


def _incomplete(message: str) -> AwsError:
    return AwsError("IncompleteSignature", message, status=400)


def _query_error(message: str) -> AwsError:
    return AwsError("AuthorizationQueryParametersError", message, status=400)


def _unsupported_mechanism() -> AwsError:
    message = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
    return AwsError("InvalidRequest", message, status=400)


__all__ = [
    "Authorization",
    "DecodedBody",
    "decode_body",
    "parse_authorization",
    "verify",
    "verify_post_policy",
]
