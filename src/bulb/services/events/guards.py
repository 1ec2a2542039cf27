"""The policies of buses as whoever enforces policies asks for them, kept until a commit that changes a bus."""

from bulb.identity.documents import statements_of
from bulb.identity.evaluation import Statement
from bulb.services.events.names import bus_of_arn
from bulb.services.events.store.buses import BusStore

MAX_CACHED = 10_000


class Guards:
    """The policies of one store."""

    def __init__(self, store: BusStore) -> None:
        self._store = store
        self._kept: dict[str, tuple[Statement, ...]] = {}
        self._changes = 0
        store.on_change(self._forget)

    async def guarding(self, resource: str) -> tuple[Statement, ...]:
        """The statements of the policy of exactly this ARN; none where it has no policy."""
        found = self._kept.get(resource)
        if found is None:
            name, changes = bus_of_arn(resource), self._changes
            bus = await self._store.peek(name) if name is not None else None
            found = statements_of(bus.policy) if bus is not None and bus.policy is not None else ()
            if changes == self._changes and len(self._kept) < MAX_CACHED:
                self._kept[resource] = found
        return found

    def _forget(self) -> None:
        self._changes += 1
        self._kept.clear()
