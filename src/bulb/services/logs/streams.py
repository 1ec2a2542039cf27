"""Log streams: create, delete, describe."""

from typing import Any

from bulb.core.arn import arn
from bulb.core.calls import Answer, Call
from bulb.services.logs.names import group_of, invalid, named, token, untoken
from bulb.telemetry.buffer import GroupName
from bulb.telemetry.log_store import LogStore
from bulb.telemetry.model import Stream

_PAGE = 50


class Streams:
    """Operations on log streams."""

    _store: LogStore

    async def create_log_stream(self, call: Call) -> Answer:
        """CreateLogStream."""
        await self._store.create_stream(named(call, call.params["logGroupName"]), call.params["logStreamName"])
        return {}

    async def delete_log_stream(self, call: Call) -> Answer:
        """DeleteLogStream."""
        await self._store.delete_stream(named(call, call.params["logGroupName"]), call.params["logStreamName"])
        return {}

    async def describe_log_streams(self, call: Call) -> Answer:
        """DescribeLogStreams, by name or by the time of the last event."""
        params = call.params
        order, prefix = params.get("orderBy", "LogStreamName"), params.get("logStreamNamePrefix", "")
        if order == "LastEventTime" and prefix:
            raise invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
        name, limit = group_of(call), params.get("limit", _PAGE)
        offset = untoken(params.get("nextToken"), int) or 0
        found = await self._store.describe_streams(
            name,
            prefix=prefix,
            order=order,
            descending=params.get("descending", False),
            offset=max(offset, 0),
            limit=limit + 1,
        )
        answer: Answer = {"logStreams": [_described(name, stream) for stream in found[:limit]]}
        if len(found) > limit:
            answer["nextToken"] = token(offset + limit)
        return answer


def _described(group: GroupName, stream: Stream) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "logStreamName": stream.name,
        "creationTime": stream.created_ms,
        "arn": arn("logs", group.region, group.account, f"log-group:{group.group}:log-stream:{stream.name}"),
        "storedBytes": 0,  # deprecated: AWS answers 0 for every stream, the group has the figure
    }
    times = {
        "firstEventTimestamp": stream.first_ms,
        "lastEventTimestamp": stream.last_ms,
        "lastIngestionTime": stream.ingested_ms,
    }
    return shown | {name: value for name, value in times.items() if value is not None}
