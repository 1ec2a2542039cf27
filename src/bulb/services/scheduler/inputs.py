"""What an invocation hands to its target: the Input with its attributes put in, or what stands for none. Pure."""

import re
from datetime import UTC, datetime
from functools import lru_cache

import orjson

from bulb.core.arn import parse_arn

ATTEMPT = "<aws.scheduler.attempt-number>"
_ATTRIBUTE = re.compile(r"<aws\.scheduler\.(schedule-arn|scheduled-time|execution-id|attempt-number)>")


def moment(at: float) -> str:
    """`2022-03-22T18:59:43Z`."""
    return _second(int(at))


@lru_cache(maxsize=1_024)
def _second(at: int) -> str:
    """Thousands of schedules may be due in the same second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def filled(template: str, schedule_arn: str, at: float, execution_id: str, attempt: int) -> str:
    """The text with what stands for facts about the invocation replaced by them."""
    if "<aws.scheduler." not in template:
        return template
    facts = {
        "schedule-arn": schedule_arn,
        "scheduled-time": moment(at),
        "execution-id": execution_id,
        "attempt-number": str(attempt),
    }
    return _ATTRIBUTE.sub(lambda found: facts[found[1]], template)


def default(schedule_arn: str, at: float, event_id: str) -> str:
    """The notification a target without an Input gets. Its `detail` is a text."""
    schedule = parse_arn(schedule_arn)
    assert schedule is not None, schedule_arn
    notification = {
        "version": "0",
        "id": event_id,
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": schedule.account,
        "time": moment(at),
        "region": schedule.region,
        "resources": [schedule_arn],
        "detail": "{}",
    }
    return orjson.dumps(notification).decode()
