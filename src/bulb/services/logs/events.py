"""Log events: put, get, filter."""

import math
from typing import Any

from bulb.core.calls import Answer, Call
from bulb.core.errors import NotSupported
from bulb.services.logs.names import group_of, invalid, named, token, untoken
from bulb.services.logs.patterns import compile_pattern
from bulb.services.logs.rules import accepted, check_batch
from bulb.telemetry.cursor import LATEST_MS, Position, StoredEvent
from bulb.telemetry.log_store import LogStore

_PAGE = 10_000


class Events:
    """Operations on log events."""

    _store: LogStore

    async def put_log_events(self, call: Call) -> Answer:
        """PutLogEvents: on disk when it answers. Sequence tokens are ignored, as AWS does since 2023."""
        params = call.params
        name = named(call, params["logGroupName"])
        events = [(event["timestamp"], event["message"]) for event in params["logEvents"]]
        check_batch(events)
        retention_days = (await self._store.group(name)).retention_days
        verdict = accepted(events, math.floor(call.now * 1000), retention_days)
        await self._store.put_events(name, params["logStreamName"], verdict.events)
        answer: Answer = {"nextSequenceToken": f"{math.floor(call.now * 1000):056d}"}
        if verdict.rejected:
            answer["rejectedLogEventsInfo"] = verdict.rejected
        return answer

    async def get_log_events(self, call: Call) -> Answer:
        """GetLogEvents. At the end of a stream the token that was given comes back."""
        params = call.params
        behind, before = _place(params.get("nextToken"))
        page = await self._store.get_events(
            group_of(call),
            params["logStreamName"],
            start_ms=params.get("startTime", 0),
            end_ms=params.get("endTime", LATEST_MS),
            limit=params.get("limit", _PAGE),
            behind=behind,
            before=before,
            from_head=params.get("startFromHead", False),
        )
        return {
            "events": [_shown(event) for event in page.events],
            "nextForwardToken": f"f/{page.behind.event_id}/s",
            "nextBackwardToken": f"b/{page.before.event_id}/s",
        }

    async def filter_log_events(self, call: Call) -> Answer:
        """FilterLogEvents, earliest first. A page may be empty and still have a token."""
        params = call.params
        if params.get("startFromHead") is False:
            raise NotSupported("FilterLogEvents with startFromHead=false")
        names, prefix = params.get("logStreamNames"), params.get("logStreamNamePrefix", "")
        if names and prefix:
            raise invalid("logStreamNames and logStreamNamePrefix cannot both be specified.")
        start = Position.parse(untoken(params.get("nextToken"), str) or "")
        if start is None and "nextToken" in params:
            raise invalid("The specified nextToken is invalid.")
        found = await self._store.filter_events(
            group_of(call),
            start_ms=params.get("startTime", 0),
            end_ms=params.get("endTime", LATEST_MS) + 1,  # here the end is included, unlike in GetLogEvents
            limit=params.get("limit", _PAGE),
            matches=compile_pattern(params.get("filterPattern", "")),
            streams=names or None,
            prefix=prefix,
            start=start,
        )
        answer: Answer = {"events": [_filtered(event) for event in found.events], "searchedLogStreams": []}
        if found.next is not None:
            answer["nextToken"] = token(found.next.event_id)
        return answer


def _place(text: str | None) -> tuple[Position | None, Position | None]:
    """The place to read on behind, or before."""
    if text is None:
        return None, None
    direction, _, rest = text.partition("/")
    position = Position.parse(rest.removesuffix("/s"))
    if position is None or direction not in {"f", "b"}:
        raise invalid("The specified nextToken is invalid.")
    return (position, None) if direction == "f" else (None, position)


def _shown(event: StoredEvent) -> dict[str, Any]:
    return {
        "timestamp": event.position.timestamp_ms,
        "message": event.message,
        "ingestionTime": event.ingested_ms,
    }


def _filtered(event: StoredEvent) -> dict[str, Any]:
    return {**_shown(event), "logStreamName": event.stream, "eventId": event.position.event_id}
