"""Resource policies: one for a function, one for each of its versions and aliases; and what others ask of them.

A policy counts only for the ARN it is attached to: what an alias may be invoked by says nothing of the function.
"""

from typing import Any

from bulb.core.calls import Answer, Call
from bulb.core.ids import request_id
from bulb.services.lambda_ import errors, names, permissions
from bulb.services.lambda_.model import LATEST, Policy
from bulb.services.lambda_.store import LambdaStore


class PermissionOperations:
    """The operations on the policies of functions."""

    def __init__(self, store: LambdaStore) -> None:
        self._store = store

    async def add_permission(self, call: Call) -> Answer:
        """One more statement, answered as JSON text."""
        params = call.params
        target = _not_latest(names.target(call))
        new = permissions.statement(target.arn, params)

        def decide(exists: bool, qualified: bool, policy: Policy | None) -> Policy:
            if not qualified:
                raise _missing(target)
            return permissions.added(policy, new, request_id(), params.get("RevisionId"))

        await self._store.policies.change(target.key, target.qualifier, decide)
        return {"Statement": permissions.compact(new)}

    async def remove_permission(self, call: Call) -> Answer:
        """One statement less; with the last one the policy is gone."""
        params = call.params
        target = _not_latest(names.target(call))

        def decide(exists: bool, qualified: bool, policy: Policy | None) -> Policy | None:
            if not exists:
                raise errors.not_found(f"No policy found for: {target.arn}")
            if not qualified:
                raise _missing(target)
            return permissions.removed(policy, params["StatementId"], request_id(), params.get("RevisionId"))

        await self._store.policies.change(target.key, target.qualifier, decide)
        return {}

    async def get_policy(self, call: Call) -> Answer:
        """The policy as JSON text."""
        return await self._read(names.target(call))

    async def put_resource_policy(self, call: Call) -> Answer:
        """A whole document in place of what there was."""
        params = call.params
        target = _not_latest(names.resource_target(call))

        def decide(exists: bool, qualified: bool, policy: Policy | None) -> Policy:
            if not qualified:
                raise _missing(target)
            return permissions.replaced(policy, params["Policy"], request_id(), params.get("RevisionId"))

        return _shown(await self._store.policies.change(target.key, target.qualifier, decide))

    async def get_resource_policy(self, call: Call) -> Answer:
        """The policy as JSON text."""
        return await self._read(names.resource_target(call))

    async def delete_resource_policy(self, call: Call) -> Answer:
        """The policy is gone, with every statement AddPermission wrote."""
        target = names.resource_target(call)

        def decide(exists: bool, qualified: bool, policy: Policy | None) -> None:
            if policy is None:
                raise errors.no_such_resource()
            permissions.check_revision(policy, call.params.get("RevisionId"), "GetResourcePolicy")

        await self._store.policies.change(target.key, target.qualifier, decide)
        return {}

    async def policy_of(self, function_arn: str) -> dict[str, Any] | None:
        """The policy document that guards a function under this ARN, qualified or not; None when it has none."""
        target = names.function_of(function_arn)
        policy = await self._store.policies.find(target.key, target.qualifier) if target else None
        return {**policy.head, "Statement": list(policy.statements)} if policy else None

    async def _read(self, target: names.Target) -> Answer:
        return _shown(await self._store.policies.find(target.key, target.qualifier))


def _shown(policy: Policy | None) -> Answer:
    if policy is None:
        raise errors.no_such_resource()
    return {"Policy": permissions.document(policy), "RevisionId": policy.revision_id}


def _not_latest(target: names.Target) -> names.Target:
    if target.qualifier == LATEST:
        raise errors.invalid("We currently do not support adding policies for $LATEST.")
    return target


def _missing(target: names.Target) -> Exception:
    if target.qualifier is None or target.qualifier.isdecimal():
        return errors.function_not_found(target.key, target.qualifier)
    return errors.alias_not_found(target.key, target.qualifier)
