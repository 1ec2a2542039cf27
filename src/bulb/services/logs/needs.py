"""What the calls of CloudWatch Logs ask of policies where these are enforced.

Groups are asked for as `log-group:NAME:log-stream:` and streams as `log-group:NAME:log-stream:STREAM`, so that a policy
for `log-group:NAME:*` has both; tags are those of `log-group:NAME`.
"""

from collections.abc import Sequence

from bulb.core.arn import arn, parse_arn
from bulb.core.calls import Call
from bulb.identity.needs import Need

_OF_STREAMS = frozenset({"CreateLogStream", "DeleteLogStream", "GetLogEvents", "PutLogEvents"})


async def needs(call: Call) -> Sequence[Need]:
    """The action of the operation's name, on the group or stream it is about."""
    params, action = call.params, f"logs:{call.operation}"
    if "resourceArn" in params:
        return (Need(action, _group(call, params["resourceArn"])),)
    group = _group(call, params.get("logGroupName") or params.get("logGroupIdentifier") or "")
    stream = params.get("logStreamName", "") if call.operation in _OF_STREAMS else ""
    return (Need(action, f"{group}:log-stream:{stream}"),)


def _group(call: Call, given: str) -> str:
    """The ARN of a name or of an ARN, written anew: a policy must not be evaded by another way of writing it."""
    parsed = parse_arn(given)
    if parsed is None:
        return arn("logs", call.region, call.account, f"log-group:{given}")
    return arn("logs", parsed.region, parsed.account, parsed.resource.removesuffix(":*"))
