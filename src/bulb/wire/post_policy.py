"""The policy of an HTML form upload: what its signer allowed the form to say, and until when."""

import base64
import binascii
import hmac
import json
import re
from dataclasses import dataclass
from typing import Any

from bulb.core.errors import AwsError
from bulb.wire import sigv2, timestamps
from bulb.wire.malformed import Malformed
from bulb.wire.signatures import ALGORITHM, sign, signing_key

_CREDENTIAL = re.compile(r"(.+)/(\d{8})/([^/]*)/s3/aws4_request")
# Fields a policy need not speak of.
_FREE = frozenset({"x-amz-signature", "file", "policy", "awsaccesskeyid", "signature", "bucket"})
_OPERANDS = 3


@dataclass(frozen=True, slots=True)
class PostPolicy:
    """A policy that was kept to so far. `length_range` is the smallest and largest file it allows, in bytes; `region`
    is empty for a signature of version 2, which names none.
    """

    access_key: str
    region: str
    length_range: tuple[int, int] | None

    def check_length(self, size: int) -> None:
        """Raise AwsError unless the file's size is allowed."""
        if self.length_range is None:
            return
        smallest, largest = self.length_range
        members = {"ProposedSize": str(size)}
        if size > largest:
            members["MaxSizeAllowed"] = str(largest)
            raise AwsError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", members=members)
        if size < smallest:
            members["MinSizeAllowed"] = str(smallest)
            message = "Your proposed upload is smaller than the minimum allowed size"
            raise AwsError("EntityTooSmall", message, members=members)


def verify_post_policy(fields: dict[str, str], secret: str | None, now: float) -> PostPolicy:
    """Hold a form against the policy in it.

    `fields` are all fields but the file, plus `bucket` and (with `${filename}` filled in) `key`. Names in any case. A
    `secret` of None leaves the signature unchecked. Raises AwsError: AccessDenied 403 for what the policy forbids,
    SignatureDoesNotMatch 403, InvalidPolicyDocument 400, InvalidArgument 400.
    """
    fields = {name.lower(): value for name, value in fields.items()}
    access_key, region = _check_signature(fields, secret)
    document = _document(fields["policy"])
    _check_expiration(document, now)
    length_range = None
    covered = set()
    for condition in _conditions(document):
        if condition[0] == "content-length-range":
            length_range = _range(condition)
            continue
        operator, field, value = condition
        covered.add(field)
        if not _holds(operator, fields.get(field, ""), value):
            raise _denied(
                f'Invalid according to Policy: Policy Condition failed: ["{operator}", "${field}", "{value}"]'
            )
    extra = [name for name in fields if name not in covered | _FREE and not name.startswith("x-ignore-")]
    if extra:
        raise _denied(f"Invalid according to Policy: Extra input fields: {extra[0]}")
    return PostPolicy(access_key, region, length_range)


def _check_signature(fields: dict[str, str], secret: str | None) -> tuple[str, str]:
    if "awsaccesskeyid" in fields:
        _require(fields, "policy", "signature")
        _compare(sigv2.signature(secret, fields["policy"]) if secret is not None else None, fields["signature"])
        return fields["awsaccesskeyid"], ""
    _require(fields, "policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature")
    credential = _CREDENTIAL.fullmatch(fields["x-amz-credential"])
    if fields["x-amz-algorithm"] != ALGORITHM or credential is None:
        raise AwsError("InvalidArgument", "The form's signature is not one of Signature Version 4 for s3.")
    if secret is not None:
        key = signing_key(secret, credential[2], credential[3], "s3")
        _compare(sign(key, fields["policy"]), fields["x-amz-signature"])
    return credential[1], credential[3]


def _require(fields: dict[str, str], *names: str) -> None:
    for name in names:
        if not fields.get(name):
            message = f"Bucket POST must contain a field named '{name}'."
            raise AwsError("InvalidArgument", message, members={"ArgumentName": name, "ArgumentValue": ""})


def _compare(expected: str | None, stated: str) -> None:
    if expected is not None and not hmac.compare_digest(expected.encode(), stated.encode()):
        message = (
            "The request signature we calculated does not match the signature you provided. Check your key and "
            "signing method."
        )
        raise AwsError("SignatureDoesNotMatch", message, status=403)


def _document(policy: str) -> dict[str, Any]:
    try:
        document = json.loads(base64.b64decode(policy, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise _invalid("Invalid JSON.") from None
    if not isinstance(document, dict) or not isinstance(document.get("conditions"), list):
        raise _invalid("Policy missing conditions.")
    return document


def _check_expiration(document: dict[str, Any], now: float) -> None:
    expiration = document.get("expiration")
    if not isinstance(expiration, str):
        raise _invalid("Policy missing expiration.")
    try:
        ends = timestamps.parse(expiration, "iso8601").timestamp()
    except Malformed:
        raise _invalid(f"Invalid 'expiration' value: '{expiration[:100]}'") from None
    if now > ends:
        raise _denied("Invalid according to Policy: Policy expired.")


def _conditions(document: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Each condition as (operator, field in lower case without `$`, value); a length range keeps its two numbers."""
    found: list[tuple[str, Any, Any]] = []
    for condition in document["conditions"]:
        if isinstance(condition, dict):
            found.extend(("eq", name.lower(), str(value)) for name, value in condition.items())
        elif isinstance(condition, list) and len(condition) == _OPERANDS and isinstance(condition[0], str):
            found.append(_operation(condition[0].lower(), condition[1], condition[2]))
        else:
            raise _invalid("Invalid Policy: Invalid Condition.")
    return found


def _operation(operator: str, first: Any, second: Any) -> tuple[str, Any, Any]:
    if operator == "content-length-range":
        return operator, first, second
    if operator not in ("eq", "starts-with") or not isinstance(first, str) or not first.startswith("$"):
        raise _invalid(f"Invalid Policy: Invalid Condition: unknown operation '{operator[:40]}'.")
    return operator, first[1:].lower(), str(second)


def _range(condition: tuple[str, Any, Any]) -> tuple[int, int]:
    try:
        return int(condition[1]), int(condition[2])
    except (ValueError, TypeError):
        raise _invalid("Invalid Policy: Invalid content-length-range.") from None


def _holds(operator: str, actual: str, value: str) -> bool:
    return actual == value if operator == "eq" else actual.startswith(value)


def _denied(message: str) -> AwsError:
    return AwsError("AccessDenied", message, status=403)


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidPolicyDocument", message, status=400)
