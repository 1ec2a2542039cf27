"""API destinations."""

from collections.abc import Mapping
from typing import Any

from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError
from bulb.core.ids import request_id
from bulb.services.events import errors, rules
from bulb.services.events.api.base import Operations, moment, present
from bulb.services.events.model import ApiDestination, Connection
from bulb.services.events.names import place, place_of_arn

_RATE = 300
_COLUMNS = {
    "Description": "description",
    "ConnectionArn": "connection_arn",
    "InvocationEndpoint": "endpoint",
    "HttpMethod": "method",
    "InvocationRateLimitPerSecond": "rate",
}


class ApiDestinationOperations(Operations):
    """CreateApiDestination and those around it."""

    async def create_api_destination(self, call: Call) -> Answer:
        """An endpoint, and the connection that lets us in."""
        params = call.params
        connection = await self._connection(call, params)
        destination = ApiDestination(
            place=place(call, params["Name"]),
            id=request_id(),
            connection_arn=params["ConnectionArn"],
            endpoint=params["InvocationEndpoint"],
            method=params["HttpMethod"],
            rate=params.get("InvocationRateLimitPerSecond", _RATE),
            created_at=call.now,
            modified_at=call.now,
            description=params.get("Description"),
        )
        await self._store.connections.create_destination(destination)
        return _answer(destination, connection)

    async def describe_api_destination(self, call: Call) -> Answer:
        """One API destination."""
        destination = await self._store.connections.find_destination(place(call, call.params["Name"]))
        if destination is None:
            raise _missing(call, "describe")
        shown = _shown(destination, await self._store.connections.using(destination))
        return {**shown, **present(Description=destination.description)}

    async def update_api_destination(self, call: Call) -> Answer:
        """Changes what is given."""
        params = call.params
        if await self._store.connections.find_destination(place(call, params["Name"])) is None:
            raise _missing(call, "update")
        await self._connection(call, params)
        changed = {column: params[member] for member, column in _COLUMNS.items() if member in params}
        values = {**changed, "modified_at": call.now}
        destination = await self._store.connections.change_destination(place(call, params["Name"]), values)
        if destination is None:
            raise _missing(call, "update")
        return _answer(destination, await self._store.connections.using(destination))

    async def delete_api_destination(self, call: Call) -> Answer:
        """Rules that send to it go on, and their deliveries fail."""
        if not await self._store.connections.delete_destination(place(call, call.params["Name"])):
            raise _missing(call, "delete")
        return {}

    async def list_api_destinations(self, call: Call) -> Answer:
        """By name."""
        found, token = await self._store.connections.listed_destinations(call.account, call.region, call.params)
        return {"ApiDestinations": [_shown(*one) for one in found], **present(NextToken=token)}

    async def _connection(self, call: Call, params: Mapping[str, Any]) -> Connection | None:
        """The connection that is named, after a look at the endpoint. Raises ResourceNotFound-, ValidationException."""
        if "InvocationEndpoint" in params and not rules.is_endpoint(params["InvocationEndpoint"]):
            endpoint: str = params["InvocationEndpoint"]
            raise errors.not_valid("InvocationEndpoint", f"Endpoint '{endpoint}' is not valid.")
        if "ConnectionArn" not in params:
            return None
        arn: str = params["ConnectionArn"]
        at = place_of_arn(arn, "connection")
        found = (
            await self._store.connections.find(at) if at is not None and at[:2] == (call.account, call.region) else None
        )
        if found is None or found.arn != arn:
            raise errors.not_found(f"Connection '{arn}' does not exist.")
        return found


def _missing(call: Call, verb: str) -> AwsError:
    name = call.params["Name"]
    return errors.not_found(f"Failed to {verb} the api-destination(s). An api-destination '{name}' does not exist.")


def _state(connection: Connection | None) -> str:
    return "ACTIVE" if connection is not None and connection.state == "AUTHORIZED" else "INACTIVE"


def _answer(destination: ApiDestination, connection: Connection | None) -> dict[str, Any]:
    return {
        "ApiDestinationArn": destination.arn,
        "ApiDestinationState": _state(connection),
        "CreationTime": moment(destination.created_at),
        "LastModifiedTime": moment(destination.modified_at),
    }


def _shown(destination: ApiDestination, connection: Connection | None) -> dict[str, Any]:
    return {
        "Name": destination.place.name,
        "ConnectionArn": destination.connection_arn,
        "InvocationEndpoint": destination.endpoint,
        "HttpMethod": destination.method,
        "InvocationRateLimitPerSecond": destination.rate,
        **_answer(destination, connection),
    }
