"""The resource policy of the unqualified function; and the question S3 asks before it keeps a notification."""

from bulb.core.arn import parse_arn
from bulb.core.calls import Answer, Call
from bulb.core.ids import request_id
from bulb.services.lambda_ import errors, names, permissions
from bulb.services.lambda_.model import LATEST, FunctionKey, Policy
from bulb.services.lambda_.store import LambdaStore


class PermissionOperations:
    """The operations on a function's policy."""

    def __init__(self, store: LambdaStore, enforced: bool) -> None:
        self._store = store
        self._enforced = enforced

    async def add_permission(self, call: Call) -> Answer:
        """One more statement, answered as JSON text."""
        params = call.params
        key = _unqualified(call)
        new = permissions.statement(key, params)

        def decide(exists: bool, qualified: bool, policy: Policy | None) -> Policy:
            if not exists:
                raise errors.function_not_found(key)
            return permissions.added(policy, new, request_id(), params.get("RevisionId"))

        await self._store.policies.change(key, None, decide)
        return {"Statement": permissions.compact(new)}

    async def remove_permission(self, call: Call) -> Answer:
        """One statement less; with the last one the policy is gone."""
        params = call.params
        key = _unqualified(call)

        def decide(exists: bool, qualified: bool, policy: Policy | None) -> Policy | None:
            if not exists:
                raise errors.not_found(f"No policy found for: {key.arn}")
            return permissions.removed(policy, params["StatementId"], request_id(), params.get("RevisionId"))

        await self._store.policies.change(key, None, decide)
        return {}

    async def get_policy(self, call: Call) -> Answer:
        """The policy as JSON text."""
        target = names.target(call)
        policy = await self._store.policies.find(target.key, None) if target.qualifier is None else None
        if policy is None:
            raise errors.no_such_resource()
        return {"Policy": permissions.document(policy), "RevisionId": policy.revision_id}

    async def s3_may_invoke(self, bucket_arn: str, account: str, function_arn: str) -> str | None:
        """Why S3 may not invoke `function_arn` for a bucket of `account`, or None when it may.

        The function must exist. Its policy must let S3 in only where policies are enforced.
        """
        parsed = parse_arn(function_arn)
        if parsed is None or parsed.service != "lambda" or not parsed.resource.startswith("function:"):
            return "The ARN is not the ARN of a Lambda function"
        name, _, qualifier = parsed.resource.removeprefix("function:").partition(":")
        key = FunctionKey(parsed.account, parsed.region, name)
        if qualifier not in ("", LATEST) or await self._store.find(key.version(LATEST)) is None:
            return f"Function not found: {function_arn}"
        if self._enforced:
            policy = await self._store.policies.find(key, None)
            if not permissions.allows_service(policy, "s3.amazonaws.com", bucket_arn, account):
                return "The function's policy does not let s3.amazonaws.com invoke it for this bucket"
        return None


def _unqualified(call: Call) -> FunctionKey:
    """Policies of versions and aliases come with versions and aliases. Raises what AWS says when there are none."""
    target = names.target(call)
    if target.qualifier == LATEST:
        raise errors.invalid("We currently do not support adding policies for $LATEST.")
    if target.qualifier is not None and target.qualifier.isdigit():
        raise errors.function_not_found(target.key, target.qualifier)
    if target.qualifier is not None:
        raise errors.not_found(f"Cannot find alias arn: {target.arn}")
    return target.key
