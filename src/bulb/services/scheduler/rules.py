"""What a client may ask of schedules, and how they are shown. Pure; `now` and the region come in by argument."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from bulb.core.errors import NotSupported
from bulb.delivery.schedules import ExpressionError, time_zone
from bulb.services.scheduler import targets, ticks
from bulb.services.scheduler.errors import conflict, invalid
from bulb.services.scheduler.model import MAX_AGE_S, MAX_RETRIES, Definition, Group, Schedule

_EARLIEST_START_S = 300.0
_MOST_TAGS = 50
MAX_PAGE = 100


def definition(params: Mapping[str, Any], region: str, now: float, before: Definition | None = None) -> Definition:
    """The schedule that a request to create one, or to replace `before`, describes. Raises AwsError."""
    if "KmsKeyArn" in params:
        raise NotSupported("encrypting schedules with a customer managed key (KmsKeyArn)")
    text = params["ScheduleExpression"]
    try:
        ticks.expression(text)
    except ExpressionError:
        raise invalid(f"Invalid Schedule Expression {text}.") from None
    zone = params.get("ScheduleExpressionTimezone", "UTC")
    if time_zone(zone) is None:
        raise invalid(f"Invalid ScheduleExpressionTimezone {zone}.")
    start, end = _moment(params.get("StartDate")), _moment(params.get("EndDate"))
    if not ticks.is_once(text):
        _check_dates(start, end, now, before)
    targets.check(params["Target"], region)
    return Definition(
        state=params.get("State", "ENABLED"),
        expression=text,
        timezone=zone,
        start_at=start,
        end_at=end,
        description=params.get("Description"),
        target=params["Target"],
        window_minutes=_window(params["FlexibleTimeWindow"]),
        after_completion=params.get("ActionAfterCompletion", "NONE"),
    )


def _check_dates(start: float | None, end: float | None, now: float, before: Definition | None) -> None:
    """An end that a schedule has may have passed since; a start must not have, whoever asks."""
    if start is not None and start < now - _EARLIEST_START_S:
        raise invalid("The StartDate you specify cannot be earlier than 5 minutes ago.")
    if end is not None and start is not None and end <= start:
        raise invalid("The StartDate you specify must come before the EndDate.")
    if end is not None and end <= now and (before is None or end != before.end_at):
        raise invalid("The EndDate you specify must be in the future.")


def _moment(value: datetime | None) -> float | None:
    return None if value is None else value.timestamp()


def _window(given: Mapping[str, Any]) -> int | None:
    minutes: int | None = given.get("MaximumWindowInMinutes")
    if given["Mode"] == "OFF":
        if minutes is not None:
            raise invalid("MaximumWindowInMinutes must not be provided when FlexibleTimeWindowMode is set to OFF.")
        return None
    if minutes is None:
        raise invalid("MaximumWindowInMinutes must be provided when FlexibleTimeWindowMode is set to FLEXIBLE.")
    return minutes


def described(schedule: Schedule) -> dict[str, Any]:
    """A schedule as GetSchedule shows it, with the defaults that hold."""
    what = schedule.definition
    shown = {
        **summary(schedule),
        "ScheduleExpression": what.expression,
        "ScheduleExpressionTimezone": what.timezone,
        "StartDate": what.start_at,
        "EndDate": what.end_at,
        "Description": what.description,
        "Target": {**what.target, "RetryPolicy": _policy(what.target)},
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": what.after_completion,
    }
    if what.window_minutes is not None:
        shown["FlexibleTimeWindow"] = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": what.window_minutes}
    return shown


def _policy(target: Mapping[str, Any]) -> dict[str, int]:
    default = {"MaximumEventAgeInSeconds": MAX_AGE_S, "MaximumRetryAttempts": MAX_RETRIES}
    return {**default, **(target.get("RetryPolicy") or {})}


def summary(schedule: Schedule) -> dict[str, Any]:
    """A schedule as lists show it."""
    return {
        "Arn": schedule.name.arn,
        "Name": schedule.name.name,
        "GroupName": schedule.name.group,
        "State": schedule.definition.state,
        "CreationDate": schedule.created_at,
        "LastModificationDate": schedule.modified_at,
        "Target": {"Arn": schedule.definition.target["Arn"]},
    }


def described_group(group: Group) -> dict[str, Any]:
    """A group as it is shown everywhere."""
    return {
        "Arn": group.arn,
        "Name": group.name,
        "State": group.state,
        "CreationDate": group.created_at,
        "LastModificationDate": group.modified_at,
    }


def tagged(tags: Mapping[str, str], added: list[dict[str, str]]) -> dict[str, str]:
    """Tags with others added. Raises ValidationException."""
    merged = {**tags, **{tag["Key"]: tag["Value"] for tag in added}}
    if len(merged) > _MOST_TAGS:
        raise invalid(f"A schedule group can have at most {_MOST_TAGS} tags.")
    if any(key.lower().startswith("aws:") for key in merged):
        raise invalid("Tag keys cannot begin with aws:.")
    return merged


def request_of(params: Mapping[str, Any]) -> str | None:
    """A client's token together with what it asked for, None where there is no token."""
    token = params.get("ClientToken")
    if token is None:
        return None
    asked = {name: value for name, value in params.items() if name != "ClientToken"}
    digest = hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return f"{token} {digest}"


def is_repeated(request: str | None, before: str | None) -> bool:
    """The very same request has been carried out. Raises ConflictException where only the token is the same."""
    if request is None or before is None or request.partition(" ")[0] != before.partition(" ")[0]:
        return False
    if request != before:
        raise conflict("A request with the same ClientToken and different parameters has been made already.")
    return True


def token(*names: str) -> str:
    """Where the next page begins."""
    return base64.urlsafe_b64encode(json.dumps(names).encode()).decode()


def untoken(text: str | None, count: int) -> tuple[str, ...] | None:
    """The names a token was made of. Raises ValidationException."""
    if text is None:
        return None
    try:
        names = json.loads(base64.urlsafe_b64decode(text))
    except (ValueError, binascii.Error, RecursionError):
        names = None
    if not isinstance(names, list) or len(names) != count or not all(isinstance(name, str) for name in names):
        raise invalid("Invalid NextToken.")
    return tuple(names)
