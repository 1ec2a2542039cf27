"""What the invoke room asks about asynchronous events. Answered from memory; the database is read once for a name."""

from bulb.core.limits import ASYNC_EVENT_AGE_S, ASYNC_RETRY_DELAYS_S
from bulb.invoke.model import AsyncRules
from bulb.services.lambda_.event_configs import EventConfig
from bulb.services.lambda_.model import FunctionKey
from bulb.services.lambda_.store import LambdaStore

MAX_CACHED = 10_000


class EventRules:
    """Implements `AsyncSettings` of the invoke room."""

    def __init__(self, store: LambdaStore) -> None:
        self._store = store
        self._cache: dict[FunctionKey, dict[str | None, AsyncRules]] = {}
        self._changes = 0
        store.on_change(self._forget)

    async def rules(self, account: str, region: str, name: str, qualifier: str | None) -> AsyncRules:
        """The rules for events that name the function with `qualifier`; the defaults where nothing was configured."""
        key = FunctionKey(account, region, name)
        found = self._cache.get(key, {}).get(qualifier)
        if found is not None:
            return found
        changes = self._changes
        rules = _rules(await self._store.event_configs.find(key, qualifier))
        if changes == self._changes:  # else it may have been read before the commit we were just told of
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            self._cache.setdefault(key, {})[qualifier] = rules
        return rules

    async def may_recurse(self, account: str, region: str, name: str) -> bool:
        """Loops through the function are let run."""
        return bool(await self._store.event_configs.may_recurse(FunctionKey(account, region, name)))

    def _forget(self, key: FunctionKey) -> None:
        self._changes += 1
        self._cache.pop(key, None)


def _rules(config: EventConfig | None) -> AsyncRules:
    if config is None:
        return AsyncRules()
    return AsyncRules(
        max_retries=len(ASYNC_RETRY_DELAYS_S) if config.max_retries is None else config.max_retries,
        max_age_s=ASYNC_EVENT_AGE_S if config.max_age_s is None else config.max_age_s,
        on_success=config.on_success,
        on_failure=config.on_failure,
    )
