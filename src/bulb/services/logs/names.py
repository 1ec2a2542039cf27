"""Which group a request means."""

import base64
import binascii
import json
from typing import Any

from bulb.core.arn import parse_arn
from bulb.core.calls import Call
from bulb.core.errors import AwsError
from bulb.telemetry.buffer import GroupName

_RESOURCE = "log-group:"


def invalid(message: str) -> AwsError:
    """InvalidParameterException."""
    return AwsError("InvalidParameterException", message)


def group_of(call: Call) -> GroupName:
    """The group of `logGroupName` or `logGroupIdentifier` (a name or an ARN), of which one must be given."""
    name: str | None = call.params.get("logGroupName")
    identifier: str | None = call.params.get("logGroupIdentifier")
    if name is not None and identifier is None:
        return named(call, name)
    if identifier is not None and name is None:
        return identified(call, identifier)
    raise invalid("Exactly one of logGroupName and logGroupIdentifier must be specified.")


def named(call: Call, name: str) -> GroupName:
    """The caller's group of that name."""
    return GroupName(call.account, call.region, name)


def identified(call: Call, identifier: str) -> GroupName:
    """The group of a name or of an ARN, with or without `:*` at its end."""
    if not identifier.startswith("arn:"):
        return named(call, identifier)
    parsed = parse_arn(identifier)
    if parsed is None or parsed.service != "logs" or not parsed.resource.startswith(_RESOURCE):
        raise invalid(f"Invalid log group ARN: {identifier}")
    if parsed.account != call.account or parsed.region != call.region:
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
    return named(call, parsed.resource.removeprefix(_RESOURCE).removesuffix(":*"))


def token(value: Any) -> str:
    """A paging token that carries `value` (JSON)."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def untoken(text: str | None, kind: type) -> Any:
    """What `token` was given, of the type `kind`; None for no token."""
    if text is None:
        return None
    try:
        value = json.loads(base64.urlsafe_b64decode(text))
    except (ValueError, binascii.Error, RecursionError):
        value = None
    if not isinstance(value, kind):
        raise invalid("The specified nextToken is invalid.")
    return value
