"""Replays."""

from typing import Any

from bulb.core.calls import Answer, Call
from bulb.services.events import errors
from bulb.services.events.api.base import Operations, moment, present
from bulb.services.events.model import Replay
from bulb.services.events.names import Place, bus_of_arn, place, place_of_arn, rule_of_arn
from bulb.services.events.store.paging import check_filters

_MOST_FILTERS = 5


class ReplayOperations(Operations):
    """StartReplay and those around it."""

    async def start_replay(self, call: Call) -> Answer:
        """Has archived events put on their bus once more, in the background."""
        params = call.params
        start, end = params["EventStartTime"].timestamp(), params["EventEndTime"].timestamp()
        bus_arn = params["Destination"]["Arn"]
        bus, source = bus_of_arn(bus_arn), place_of_arn(params["EventSourceArn"], "archive")
        if bus is None:
            raise errors.validation("Parameter Destination.Arn is not valid. Reason: Must contain an event bus ARN.")
        if bus[:2] != (call.account, call.region):
            raise errors.not_valid("Destination.Arn", "Cross account/region replay is not permitted.")
        await self._store.buses.find(bus, call.now)
        if source is None:
            raise errors.not_valid("EventSourceArn", "Must contain an archive ARN.")
        archive = await self._store.replays.archive(source)
        if archive is None or source[:2] != (call.account, call.region):
            raise errors.not_valid("EventSourceArn", f"Archive {source.name} does not exist.")
        if archive.bus != bus:
            raise errors.not_valid("Destination.Arn", "Cross event bus replay is not permitted.")
        if start >= end:
            raise errors.not_valid("EventEndTime", "EventStartTime must be before EventEndTime.")
        filters = params["Destination"].get("FilterArns")
        for filter_arn in filters or ():
            rule = rule_of_arn(filter_arn)
            if rule is None or rule.on != bus:
                raise errors.not_valid("Destination.FilterArns", "Must contain ARNs of rules of the event bus.")
        if len(filters or ()) > _MOST_FILTERS:
            raise errors.too_many()
        replay = Replay(
            place=place(call, params["ReplayName"]),
            archive_id=archive.id,
            archive_arn=archive.arn,
            bus=bus,
            filter_arns=filters or None,
            event_start=start,
            event_end=end,
            state="STARTING",
            started_at=call.now,
            description=params.get("Description"),
        )
        await self._store.replays.start(replay)
        return {"ReplayArn": replay.arn, "State": replay.state, "ReplayStartTime": moment(call.now)}

    async def describe_replay(self, call: Call) -> Answer:
        """One replay."""
        replay = await self._store.replays.find(self._place(call))
        destination = {"Arn": replay.bus.arn, **present(FilterArns=replay.filter_arns)}
        own = {"ReplayArn": replay.arn, "Destination": destination, **present(Description=replay.description)}
        return {**_shown(replay), **own}

    async def cancel_replay(self, call: Call) -> Answer:
        """No further event is put on the bus; those that are stay there."""
        replay = await self._store.replays.cancel(self._place(call))
        return {"ReplayArn": replay.arn, "State": replay.state}

    async def list_replays(self, call: Call) -> Answer:
        """By name."""
        check_filters("ListReplays", call.params)
        found, token = await self._store.replays.listed(call.account, call.region, call.params)
        return {"Replays": [_shown(replay) for replay in found], **present(NextToken=token)}

    @staticmethod
    def _place(call: Call) -> Place:
        return place(call, call.params["ReplayName"])


def _shown(replay: Replay) -> dict[str, Any]:
    ended = moment(replay.ended_at) if replay.ended_at is not None else None
    last = moment(replay.last_at) if replay.last_at is not None else None
    return {
        "ReplayName": replay.place.name,
        "EventSourceArn": replay.archive_arn,
        "State": replay.state,
        "EventStartTime": moment(replay.event_start),
        "EventEndTime": moment(replay.event_end),
        "ReplayStartTime": moment(replay.started_at),
        **present(StateReason=replay.state_reason, ReplayEndTime=ended, EventLastReplayedTime=last),
    }
