"""The policy of a bus: who else may put events on it."""

import json
from collections.abc import Mapping
from typing import Any

from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError
from bulb.identity.policy import check_resource_policy
from bulb.services.events import errors
from bulb.services.events.api.base import Operations
from bulb.services.events.model import Bus
from bulb.services.events.names import bus_of

_MOST_CHARACTERS = 10_240
_PUT_EVENTS = "events:PutEvents"
_ORGANIZATION = ("StringEquals", "aws:PrincipalOrgID")


class PermissionOperations(Operations):
    """PutPermission and RemovePermission."""

    async def put_permission(self, call: Call) -> Answer:
        """Adds a statement, or replaces one of its id; or replaces the whole policy by `Policy`."""
        params, name = call.params, bus_of(call, call.params.get("EventBusName"))
        whole: str | None = params.get("Policy")
        if whole is None:
            for member in ("StatementId", "Action", "Principal"):
                if params.get(member) is None:
                    raise errors.validation(f"Parameter {member} must be specified.")
            if params["Action"] != _PUT_EVENTS:
                raise errors.validation("Provided value in parameter 'action' is not supported.")
        elif any(params.get(member) is not None for member in ("StatementId", "Action", "Principal", "Condition")):
            raise errors.validation("Policy cannot be specified with other permission parameters.")
        else:
            _check_policy(whole)

        def decide(bus: Bus) -> Mapping[str, Any]:
            policy = whole if whole is not None else _with_statement(bus, _statement(params, name.arn))
            if len(policy) > _MOST_CHARACTERS:
                raise AwsError("PolicyLengthExceededException", "The policy is longer than allowed.")
            return {"policy": policy, "modified_at": call.now}

        await self._store.buses.change(name, call.now, decide)
        return {}

    async def remove_permission(self, call: Call) -> Answer:
        """Removes a statement, or all of them."""
        params, name = call.params, bus_of(call, call.params.get("EventBusName"))
        removes_all, sid = params.get("RemoveAllPermissions", False), params.get("StatementId", "")
        if not removes_all and not sid:
            raise errors.validation("Parameter StatementId or RemoveAllPermissions must be specified.")

        def decide(bus: Bus) -> Mapping[str, Any]:
            return {"policy": None if removes_all else _without(bus, sid), "modified_at": call.now}

        await self._store.buses.change(name, call.now, decide)
        return {}


def _statement(params: Mapping[str, Any], bus_arn: str) -> dict[str, Any]:
    principal = params["Principal"]
    statement: dict[str, Any] = {
        "Sid": params["StatementId"],
        "Effect": "Allow",
        "Principal": "*" if principal == "*" else {"AWS": f"arn:aws:iam::{principal}:root"},
        "Action": params["Action"],
        "Resource": bus_arn,
    }
    if (condition := params.get("Condition")) is not None:
        if (condition["Type"], condition["Key"]) != _ORGANIZATION:
            raise errors.validation("Parameter Condition must be StringEquals of aws:PrincipalOrgID.")
        statement["Condition"] = {condition["Type"]: {condition["Key"]: condition["Value"]}}
    return statement


def _with_statement(bus: Bus, new: Mapping[str, Any]) -> str:
    kept = [one for one in _statements(bus) if one.get("Sid") != new["Sid"]]
    return _document([*kept, new])


def _without(bus: Bus, sid: str) -> str | None:
    statements = _statements(bus)
    kept = [one for one in statements if one.get("Sid") != sid]
    if len(kept) == len(statements):
        raise errors.not_found("Statement with the provided id does not exist.")
    return _document(kept) if kept else None


def _statements(bus: Bus) -> list[Mapping[str, Any]]:
    if bus.policy is None:
        return []
    given = json.loads(bus.policy)["Statement"]
    return given if isinstance(given, list) else [given]


def _document(statements: list[Mapping[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"), ensure_ascii=False)


def _check_policy(text: str) -> None:
    try:
        check_resource_policy(text)
    except AwsError as error:
        raise errors.validation(error.message) from error
