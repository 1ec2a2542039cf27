"""The policies of functions and layer versions as whoever enforces policies asks for them.

Those of functions are kept in memory until the next commit that changes the function, for every invocation asks. One
that was read before a commit is not kept if the commit came in between.
"""

from collections.abc import Sequence

from bulb.identity.documents import judged
from bulb.identity.evaluation import Statement
from bulb.services.lambda_ import layers, names
from bulb.services.lambda_.model import FunctionKey, Policy
from bulb.services.lambda_.store import LambdaStore

MAX_CACHED = 10_000


class Guards:
    """The policies of one store."""

    def __init__(self, store: LambdaStore) -> None:
        self._store = store
        self._kept: dict[str, tuple[Statement, ...]] = {}
        self._arns: dict[FunctionKey, set[str]] = {}
        self._changes = 0
        store.on_change(self._forget)

    async def guarding(self, resource: str) -> tuple[Statement, ...]:
        """The statements of the policy of exactly this ARN; none where it has no policy."""
        found = self._kept.get(resource)
        if found is not None:
            return found
        if ":layer:" in resource:
            return await self._of_layer(resource)
        target = names.function_of(resource) if ":function:" in resource else None
        if target is None:
            return ()
        changes = self._changes
        found = _statements(await self._store.policies.find(target.key, target.qualifier))
        if changes == self._changes:
            self._keep(resource, target.key, found)
        return found

    async def _of_layer(self, resource: str) -> tuple[Statement, ...]:
        if not resource.rpartition(":")[2].isdecimal():
            return ()  # the layer itself: only its versions have policies
        version = await self._store.layers.find(layers.layer_ref(resource))
        return _statements(version.policy if version is not None else None)

    def _keep(self, resource: str, key: FunctionKey, found: tuple[Statement, ...]) -> None:
        if len(self._kept) >= MAX_CACHED:
            self._kept.clear()
            self._arns.clear()
        self._kept[resource] = found
        self._arns.setdefault(key, set()).add(resource)

    def _forget(self, key: FunctionKey) -> None:
        self._changes += 1
        for resource in self._arns.pop(key, ()):
            self._kept.pop(resource, None)


def _statements(policy: Policy | None) -> tuple[Statement, ...]:
    if policy is None:
        return ()
    given: Sequence[Statement] = policy.statements
    return judged(tuple(given), policy.head.get("Version"))
