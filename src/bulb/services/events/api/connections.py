"""Connections: how API destinations are let in. Secrets are kept and never shown."""

from collections.abc import Mapping
from typing import Any

from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError, NotSupported
from bulb.core.ids import hex_id, request_id
from bulb.services.events import errors, rules
from bulb.services.events.api.base import Operations, moment, present, refuse_keys
from bulb.services.events.model import Connection
from bulb.services.events.names import place

_PARAMETERS = {
    "BASIC": "BasicAuthParameters",
    "API_KEY": "ApiKeyAuthParameters",
    "OAUTH_CLIENT_CREDENTIALS": "OAuthParameters",
}
_SECRETS = {"BASIC": "Password", "API_KEY": "ApiKeyValue", "OAUTH_CLIENT_CREDENTIALS": "ClientSecret"}
_LISTS = ("HeaderParameters", "QueryStringParameters", "BodyParameters")


class ConnectionOperations(Operations):
    """CreateConnection and those around it."""

    async def create_connection(self, call: Call) -> Answer:
        """A connection; an OAuth one gets its first token in the background."""
        params = call.params
        _refuse(params)
        kind, parameters = params["AuthorizationType"], params["AuthParameters"]
        _check_parameters(kind, parameters)
        connection = Connection(
            place=place(call, params["Name"]),
            id=request_id(),
            kind=kind,
            parameters=parameters,
            created_at=call.now,
            modified_at=call.now,
            description=params.get("Description"),
            **_first_state(kind, call.now),
        )
        await self._store.connections.create(connection)
        answer = _answer(connection)
        answer.pop("LastAuthorizedTime", None)
        return answer

    async def describe_connection(self, call: Call) -> Answer:
        """One connection."""
        connection = await self._store.connections.find(place(call, call.params["Name"]))
        if connection is None:
            raise _missing(call, "describe")
        own = {"AuthParameters": _without_secrets(connection.parameters)}
        return {**_shown(connection), **own, **present(Description=connection.description)}

    async def update_connection(self, call: Call) -> Answer:
        """Changes what is given; parameters of another kind of authorization replace those there are."""
        params = call.params
        _refuse(params)

        def decide(found: Connection | None) -> Mapping[str, Any]:
            if found is None:
                raise _missing(call, "update")
            kind = params.get("AuthorizationType", found.kind)
            given = params.get("AuthParameters") or {}
            others = set() if kind == found.kind else set(_PARAMETERS.values())
            parameters = _merged({key: one for key, one in found.parameters.items() if key not in others}, given)
            _check_parameters(kind, parameters)
            changed: dict[str, Any] = {"modified_at": call.now}
            if "Description" in params:
                changed["description"] = params["Description"]
            if "AuthorizationType" in params or "AuthParameters" in params:
                fresh = {"token": None, "token_until": None, "state_reason": None}
                changed |= {"kind": kind, "parameters": parameters, **fresh, **_first_state(kind, call.now)}
            return changed

        return _answer(await self._store.connections.change(place(call, params["Name"]), decide))

    async def deauthorize_connection(self, call: Call) -> Answer:
        """Forgets every secret of a connection."""

        def decide(found: Connection | None) -> Mapping[str, Any]:
            if found is None:
                raise _missing(call, "deauthorize")
            forgotten = {"parameters": _without_secrets(found.parameters), "token": None, "token_until": None}
            return {**forgotten, "state": "DEAUTHORIZED", "modified_at": call.now, "revision": hex_id()}

        connection = await self._store.connections.change(place(call, call.params["Name"]), decide)
        return _answer(connection)

    async def delete_connection(self, call: Call) -> Answer:
        """API destinations that use it are inactive from now on."""
        connection = await self._store.connections.delete(place(call, call.params["Name"]))
        if connection is None:
            raise _missing(call, "delete")
        return {**_answer(connection), "ConnectionState": "DELETING"}

    async def list_connections(self, call: Call) -> Answer:
        """By name."""
        found, token = await self._store.connections.listed(call.account, call.region, call.params)
        return {"Connections": [_shown(one) for one in found], **present(NextToken=token)}


def _first_state(kind: str, now: float) -> dict[str, Any]:
    """Only a server can say whether a client's credentials are good."""
    if kind == "OAUTH_CLIENT_CREDENTIALS":
        return {"state": "AUTHORIZING", "authorized_at": now, "revision": hex_id()}
    return {"state": "AUTHORIZED", "authorized_at": now, "revision": hex_id()}


def _refuse(params: Mapping[str, Any]) -> None:
    refuse_keys(params)
    private = (params.get("AuthParameters") or {}).get("ConnectivityParameters")
    if params.get("InvocationConnectivityParameters") or private:
        raise NotSupported("private connections (ConnectivityParameters)")


def _check_parameters(kind: str, parameters: Mapping[str, Any]) -> None:
    """Raises ValidationException unless exactly what the kind needs is there."""
    for other, member in _PARAMETERS.items():
        if (other == kind) != bool(parameters.get(member)):
            if other == kind:
                raise errors.not_valid(member, "Missing required field(s).")
            raise errors.not_valid("AuthParameters", f"{_PARAMETERS[kind]} must be specified for {kind} and no other.")
    if kind == "OAUTH_CLIENT_CREDENTIALS" and not rules.is_endpoint(
        parameters["OAuthParameters"]["AuthorizationEndpoint"]
    ):
        raise errors.not_valid("AuthorizationEndpoint", "It must be an HTTPS (or HTTP) URL.")
    secret = _SECRETS[kind]
    holder = parameters[_PARAMETERS[kind]]
    if secret not in (holder.get("ClientParameters") or {} if kind == "OAUTH_CLIENT_CREDENTIALS" else holder):
        raise errors.not_valid("AuthParameters", f"{secret} must be specified.")  # it was forgotten by deauthorizing


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Settings over settings, structure by structure."""
    merged = dict(old)
    for name, value in new.items():
        before = merged.get(name)
        merged[name] = _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def _without_secrets(parameters: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, value in parameters.items():
        if name in _SECRETS.values():
            continue
        if name in _LISTS:
            shown[name] = [_without_value(one) for one in value]
        else:
            shown[name] = _without_secrets(value) if isinstance(value, dict) else value
    return shown


def _without_value(one: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in one.items() if key != "Value" or not one.get("IsValueSecret")}


def _missing(call: Call, verb: str) -> AwsError:
    return errors.not_found(f"Failed to {verb} the connection(s). Connection '{call.params['Name']}' does not exist.")


def _answer(connection: Connection) -> dict[str, Any]:
    authorized = connection.authorized_at
    return {
        "ConnectionArn": connection.arn,
        "ConnectionState": connection.state,
        "CreationTime": moment(connection.created_at),
        "LastModifiedTime": moment(connection.modified_at),
        **present(LastAuthorizedTime=moment(authorized) if authorized is not None else None),
    }


def _shown(connection: Connection) -> dict[str, Any]:
    return {
        "Name": connection.place.name,
        "AuthorizationType": connection.kind,
        **_answer(connection),
        **present(StateReason=connection.state_reason),
    }
