"""What the calls of EventBridge Scheduler ask of policies where these are enforced.

Schedules are asked for as `schedule/GROUP/NAME` and groups as `schedule-group/NAME`. Whoever makes or changes a
schedule passes its role to the service.
"""

from collections.abc import Sequence

from bulb.core.arn import arn, parse_arn
from bulb.core.calls import Call
from bulb.core.errors import AwsError
from bulb.identity.needs import Need
from bulb.services.scheduler.model import DEFAULT_GROUP, Name, group_arn

_PASSED_TO = {"iam:passedtoservice": "scheduler.amazonaws.com"}


async def needs(call: Call) -> Sequence[Need]:
    """All that the caller must be allowed. Raises AwsError for the role of another account."""
    action = f"scheduler:{call.operation}"
    if call.operation.startswith("List") and "ResourceArn" not in call.params:
        return (Need(action, "*"),)
    return (Need(action, _resource(call)), *_passed(call))


def _resource(call: Call) -> str:
    params = call.params
    if "ResourceArn" in params:
        parsed = parse_arn(params["ResourceArn"])
        assert parsed is not None  # The model's pattern is that of an ARN.
        return arn("scheduler", parsed.region, parsed.account, parsed.resource)
    if "Group" in call.operation:
        return group_arn(call.account, call.region, params["Name"])
    return Name(call.account, call.region, params.get("GroupName", DEFAULT_GROUP), params["Name"]).arn


def _passed(call: Call) -> tuple[Need, ...]:
    role = call.params.get("Target", {}).get("RoleArn")
    if role is None:
        return ()
    parsed = parse_arn(role)
    if parsed is not None and parsed.account != call.caller.account:
        raise AwsError("AccessDeniedException", "Cross-account pass role is not allowed.", status=403)
    return (Need("iam:PassRole", role, _PASSED_TO),)
