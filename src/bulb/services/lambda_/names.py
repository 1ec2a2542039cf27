"""The grammar of FunctionName: a bare name, a partial ARN or a full one, each with or without a qualifier.

`NAME`, `NAME:Q`, `function:NAME`, `ACCT:function:NAME`, `arn:aws:lambda:R:ACCT:function:NAME:Q`. A qualifier may also
come as a parameter of its own; the two must agree.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from bulb.core.calls import Call
from bulb.core.errors import NotSupported
from bulb.services.lambda_ import errors
from bulb.services.lambda_.model import LATEST, FunctionKey

MAX_NAME = 64
PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
_GRAMMAR = re.compile(
    r"\A(?:arn:(?:aws[a-zA-Z-]*)?:lambda:)?"
    r"(?P<region>(?:eusc-)?[a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-\d:)?"
    r"(?P<account>\d{12}:)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9\-_.]+)"
    r"(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9\-_]+))?\Z"
)


class Parts(NamedTuple):
    """What a FunctionName says; None where it does not."""

    region: str | None
    account: str | None
    name: str
    qualifier: str | None


class Target(NamedTuple):
    """A function as a caller named it."""

    key: FunctionKey
    qualifier: str | None

    @property
    def arn(self) -> str:
        """The ARN with the qualifier the caller used, if any."""
        return self.key.qualified_arn(self.qualifier)


@lru_cache(maxsize=4096)
def parse(text: str) -> Parts:
    """The parts of a FunctionName. Raises ValidationException when it is none."""
    found = _GRAMMAR.match(text)
    if found is None:
        raise errors.validation(
            f"Value '{text}' at 'functionName' failed to satisfy constraint: "
            f"Member must satisfy regular expression pattern: {PATTERN}"
        )
    region, account, name, qualifier = found["region"], found["account"], found["name"], found["qualifier"]
    return Parts(region[:-1] if region else None, account[:-1] if account else None, name, qualifier)


def target(call: Call) -> Target:
    """The function the call is about.

    Raises InvalidParameterValueException (name too long, two different qualifiers), ResourceNotFoundException (another
    region) and AccessDeniedException (another account).
    """
    parts = _reachable(call, call.params["FunctionName"])
    given = call.params.get("Qualifier")
    if given is not None and parts.qualifier is not None and given != parts.qualifier:
        raise errors.invalid("The derived qualifier from the function name does not match the specified qualifier.")
    return Target(FunctionKey(call.account, call.region, parts.name), parts.qualifier or given)


def resource_target(call: Call) -> Target:
    """The function of a call about a `ResourceArn`. Raises as `target`; NotSupported for what is no function."""
    resource: str = call.params["ResourceArn"]
    if ":runtime/" in resource:
        raise NotSupported("resource policies of customer-managed runtimes")
    parts = _reachable(call, resource)
    return Target(FunctionKey(call.account, call.region, parts.name), parts.qualifier)


def function_of(arn: str) -> Target | None:
    """The function an ARN names, qualified or not; None when it names none."""
    found = _GRAMMAR.match(arn) if arn.startswith("arn:") else None
    if found is None or not (found["region"] and found["account"]):
        return None
    return Target(FunctionKey(found["account"][:-1], found["region"][:-1], found["name"]), found["qualifier"])


def _reachable(call: Call, text: str) -> Parts:
    parts = parse(text)
    if len(parts.name) > MAX_NAME:
        raise errors.invalid(
            f"1 validation error detected: Value '{parts.name}' at 'functionName' failed to satisfy constraint: "
            f"Member must have length less than or equal to {MAX_NAME}"
        )
    if parts.region is not None and parts.region != call.region:
        raise errors.not_found(f"Functions from '{parts.region}' are not reachable in this region ('{call.region}')")
    if parts.account is not None and parts.account != call.account:
        raise errors.access_denied()
    return parts


def function_target(call: Call) -> FunctionKey:
    """The function of a call that is about all its versions. Raises InvalidParameterValueException for one of them."""
    found = target(call)
    if found.qualifier is not None:
        raise errors.invalid(
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. "
            "Please specify either a function name or an unqualified function ARN."
        )
    return found.key


def latest_target(call: Call) -> FunctionKey:
    """The function of a call that can only be about `$LATEST`. Raises ResourceNotFoundException for other versions."""
    found = target(call)
    if found.qualifier not in (None, LATEST):
        raise errors.function_not_found(found.key, found.qualifier)
    return found.key
