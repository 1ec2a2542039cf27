"""Event buses."""

from collections.abc import Mapping
from typing import Any

from bulb.core.calls import Answer, Call
from bulb.core.errors import NotSupported
from bulb.core.ids import hex_id
from bulb.services.events import errors, rules
from bulb.services.events.api.base import Operations, moment, present, refuse_keys
from bulb.services.events.model import Bus
from bulb.services.events.names import BusName, bus_of, own_bus_of


class BusOperations(Operations):
    """CreateEventBus and those around it."""

    async def create_event_bus(self, call: Call) -> Answer:
        """A custom bus."""
        params, name = call.params, call.params["Name"]
        if params.get("EventSourceName"):
            raise NotSupported("partner event sources (EventSourceName)")
        _refuse(params)
        if "/" in name:
            raise errors.validation("Event bus name must not contain '/'.")
        bus = Bus(
            name=BusName(call.account, call.region, name),
            created_at=call.now,
            modified_at=call.now,
            revision=hex_id(),
            description=params.get("Description"),
            log_config=params.get("LogConfig"),
            tags=rules.merged_tags({}, params.get("Tags") or ()),
        )
        await self._store.buses.create(bus)
        return {"EventBusArn": bus.name.arn, **_settings(bus)}

    async def describe_event_bus(self, call: Call) -> Answer:
        """One bus, the default one where none is named."""
        return _shown(await self._store.buses.find(own_bus_of(call, call.params.get("Name")), call.now))

    async def update_event_bus(self, call: Call) -> Answer:
        """Replaces the settings that are given."""
        params = call.params
        _refuse(params)
        changed = {column: params[member] for member, column in _COLUMNS.items() if member in params}
        name = own_bus_of(call, params.get("Name"))
        bus = await self._store.buses.change(name, call.now, lambda bus: {**changed, "modified_at": call.now})
        return {"Arn": bus.name.arn, "Name": bus.name.bus, **_settings(bus)}

    async def delete_event_bus(self, call: Call) -> Answer:
        """A bus that is not there is no error."""
        name = bus_of(call, call.params["Name"])
        if name.is_default:
            raise errors.validation("Cannot delete event bus default.")
        await self._store.buses.delete(name)
        return {}

    async def list_event_buses(self, call: Call) -> Answer:
        """By name."""
        found, token = await self._store.buses.listed(call.account, call.region, call.params, call.now)
        listed = [{name: value for name, value in _shown(bus).items() if name != "LogConfig"} for bus in found]
        return {"EventBuses": listed, **present(NextToken=token)}


_COLUMNS = {"Description": "description", "LogConfig": "log_config"}


def _refuse(params: Mapping[str, Any]) -> None:
    """What nothing here could act on."""
    refuse_keys(params)
    if (params.get("DeadLetterConfig") or {}).get("Arn"):
        raise NotSupported("DeadLetterConfig of event buses (it is for events that KMS fails)")
    if (params.get("LogConfig") or {}).get("Level", "OFF") != "OFF":
        raise NotSupported("LogConfig of event buses")


def _settings(bus: Bus) -> dict[str, Any]:
    return present(Description=bus.description, LogConfig=bus.log_config)


def _shown(bus: Bus) -> dict[str, Any]:
    return {
        "Name": bus.name.bus,
        "Arn": bus.name.arn,
        "CreationTime": moment(bus.created_at),
        "LastModifiedTime": moment(bus.modified_at),
        **present(Policy=bus.policy),
        **_settings(bus),
    }
