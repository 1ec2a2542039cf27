"""From a URL's id to what it invokes and who may call: warm, from memory.

Kept until the next commit that changes the function, one of its aliases, policies or URLs.
"""

from dataclasses import dataclass

from bulb.identity.documents import judged
from bulb.identity.evaluation import Statement
from bulb.services.lambda_.model import FunctionKey
from bulb.services.lambda_.store import LambdaStore
from bulb.services.lambda_.urls.model import ID_LENGTH, FunctionUrl

MAX_CACHED = 10_000


@dataclass(frozen=True, slots=True)
class Route:
    """A URL and the statements of the policy that guards it."""

    url: FunctionUrl
    statements: tuple[Statement, ...]


class UrlRegistry:
    """The URLs of all accounts."""

    def __init__(self, store: LambdaStore) -> None:
        self._store = store
        self._routes: dict[str, Route] = {}
        self._ids: dict[FunctionKey, set[str]] = {}
        self._changes = 0
        store.on_change(self._forget)

    async def find(self, url_id: str) -> Route | None:
        """The URL with this id; None when there is none."""
        found = self._routes.get(url_id)
        return found if found is not None else await self._load(url_id)

    async def _load(self, url_id: str) -> Route | None:
        if len(url_id) != ID_LENGTH or not url_id.isascii() or not url_id.isalnum():
            return None
        changes = self._changes
        url = await self._store.urls.by_id(url_id)
        if url is None:
            return None
        policy = await self._store.policies.find(url.key, url.alias)
        statements = judged(policy.statements, policy.head.get("Version")) if policy is not None else ()
        route = Route(url, statements)
        if changes == self._changes:
            self._keep(route)
        return route

    def _keep(self, route: Route) -> None:
        if len(self._routes) >= MAX_CACHED:
            self._routes.clear()
            self._ids.clear()
        self._routes[route.url.url_id] = route
        self._ids.setdefault(route.url.key, set()).add(route.url.url_id)

    def _forget(self, key: FunctionKey) -> None:
        self._changes += 1
        for url_id in self._ids.pop(key, ()):
            self._routes.pop(url_id, None)
