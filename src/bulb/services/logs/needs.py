"""What the calls of CloudWatch Logs ask of policies where these are enforced.

Groups are asked for as `log-group:NAME:log-stream:` and streams as `log-group:NAME:log-stream:STREAM`, so that a policy
for `log-group:NAME:*` has both; tags are those of `log-group:NAME`.
"""

from collections.abc import Sequence

from bulb.core.arn import arn
from bulb.core.calls import Call
from bulb.identity.needs import Need

_OF_STREAMS = frozenset({"CreateLogStream", "DeleteLogStream", "GetLogEvents", "PutLogEvents"})


async def needs(call: Call) -> Sequence[Need]:
    """The action of the operation's name, on the group or stream it is about."""
    params, action = call.params, f"logs:{call.operation}"
    if "resourceArn" in params:
        return (Need(action, params["resourceArn"].removesuffix(":*")),)
    given: str = params.get("logGroupName") or params.get("logGroupIdentifier") or ""
    group = given.removesuffix(":*") if given.startswith("arn:") else _group(call, given)
    stream = params.get("logStreamName", "") if call.operation in _OF_STREAMS else ""
    return (Need(action, f"{group}:log-stream:{stream}"),)


def _group(call: Call, name: str) -> str:
    return arn("logs", call.region, call.account, f"log-group:{name}")
