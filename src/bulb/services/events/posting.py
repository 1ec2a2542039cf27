"""Delivering to API destinations, and authorizing OAuth connections.

A destination gets no more requests a second than it is set to: each attempt waits for its turn. An access token is
fetched when a connection is made or changed, before it runs out, and once more when the endpoint says 401 or 407.
"""

import asyncio
import logging
import socket  # for what looking up a name answers; nothing is sent
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Any

from bulb.core.clock import Clock
from bulb.delivery import http_client
from bulb.delivery.http_client import Answer
from bulb.delivery.model import Refusal
from bulb.services.events import requests
from bulb.services.events.model import ApiDestination, Connection
from bulb.services.events.names import place_of_arn
from bulb.services.events.requests import HttpRequest
from bulb.services.events.store.connections import ConnectionStore
from bulb.storage.outbox import Entry

TIMEOUT_S = 5.0
_log = logging.getLogger(__name__)
_OAUTH = "OAUTH_CLIENT_CREDENTIALS"
_EARLY_S = 60.0  # a token is replaced so long before it runs out
_MOST_PACES = 10_000
_TOKEN_BYTES = 65_536
_UNAUTHORIZED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED)
_TRIES, _BETWEEN_S = 3, 2.0
_RETRY_S = 5.0
# Names that nobody has; where names cannot be looked up at the moment is something else.
_NO_SUCH_HOST = (socket.EAI_NONAME, socket.EAI_NODATA)


@dataclass(slots=True)
class _Pace:
    """When a destination's next request may go."""

    next_at: float = 0.0


class Posting:
    """The courier of API destinations."""

    def __init__(self, store: ConnectionStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._paces: dict[str, _Pace] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._authorizing: dict[str, asyncio.Task[None]] = {}
        store.on_change(self._wake.set)

    def start(self) -> None:
        """Begin to authorize connections, those of before a restart too."""
        self._wake.set()
        self._task = asyncio.create_task(self._authorize_all())

    async def close(self) -> None:
        """Stop."""
        tasks = [*self._authorizing.values(), *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def carry(self, entry: Entry, now: float) -> Refusal | None:
        """One attempt."""
        if entry.attributes.get("unsendable"):
            return unsendable(entry)
        found = await self._ways(entry.destination_arn)
        if isinstance(found, Refusal):
            return found
        destination, connection = found
        await self._turn(destination.arn, destination.rate)
        try:
            answer = await self._post(entry, destination, await self._with_token(connection))
            if answer.status in _UNAUTHORIZED and connection.kind == _OAUTH:
                answer = await self._post(entry, destination, await self._with_new_token(connection))
        except TimeoutError:
            return Refusal("TIMEOUT", f"The endpoint did not answer within {TIMEOUT_S:g} s.", is_final=False)
        except (OSError, ValueError) as error:
            is_final = isinstance(error, socket.gaierror) and error.errno in _NO_SUCH_HOST
            return Refusal("CONNECTION_FAILURE", f"The endpoint cannot be reached: {error}", is_final)
        return requests.refusal_of(answer.status, answer.headers)

    async def _ways(self, arn: str) -> tuple[ApiDestination, Connection] | Refusal:
        """Where to, and how to be let in there."""
        place = place_of_arn(arn, "api-destination")
        destination = await self._store.find_destination(place) if place is not None else None
        if destination is None or destination.arn != arn:
            return Refusal("NO_RESOURCE", f"The API destination {arn} does not exist.")
        connection = await self._store.using(destination)
        if connection is None:
            return Refusal("NO_RESOURCE", f"The connection {destination.connection_arn} does not exist.")
        if connection.state != "AUTHORIZED":
            is_final = connection.state != "AUTHORIZING"
            return Refusal("NO_PERMISSIONS", f"The connection {connection.arn} is {connection.state}.", is_final)
        return destination, connection

    async def _post(self, entry: Entry, destination: ApiDestination, connection: Connection) -> Answer:
        http: Mapping[str, Any] = entry.attributes["http"]
        return await _send(requests.invocation(destination, connection, http, entry.payload))

    async def _turn(self, arn: str, rate: int) -> None:
        """Wait until the destination may get its next request."""
        if len(self._paces) >= _MOST_PACES:
            self._paces.clear()
        pace, now = self._paces.setdefault(arn, _Pace()), self._clock.now()
        at = max(pace.next_at, now)
        pace.next_at = at + 1.0 / rate
        if at > now:
            await self._clock.sleep(at - now)

    async def _with_token(self, connection: Connection) -> Connection:
        until = connection.token_until
        if connection.kind != _OAUTH:
            return connection
        if connection.token is not None and (until is None or until > self._clock.now() + _EARLY_S):
            return connection
        return await self._with_new_token(connection)

    async def _with_new_token(self, connection: Connection) -> Connection:
        """The connection with a token that is new. Raises what `_token` does."""
        values = await self._token(connection)
        await self._store.authorized(connection, values)
        return replace(connection, token=values["token"], token_until=values["token_until"])

    async def _token(self, connection: Connection) -> dict[str, Any]:
        """Raises TimeoutError, OSError, and ValueError for an answer without a token."""
        answer = await _send(requests.token_request(connection), keep=_TOKEN_BYTES)
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            raise ValueError(f"the authorization endpoint answered with status {answer.status}")
        now = self._clock.now()
        token, until = requests.token_of(answer.body, now)
        return {"token": token, "token_until": until, "authorized_at": now}

    async def _authorize_all(self) -> None:
        """Each connection by itself: no server that is slow to answer holds up another connection."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                for connection in await self._store.unauthorized():
                    if connection.revision not in self._authorizing:
                        task = asyncio.create_task(self._authorize(connection))
                        self._authorizing[connection.revision] = task
                        task.add_done_callback(partial(self._authorized, connection.revision))
            except Exception:
                _log.exception("connections could not be authorized; trying again")
                await self._clock.sleep(_RETRY_S)
                self._wake.set()

    def _authorized(self, revision: str, task: asyncio.Task[None]) -> None:
        del self._authorizing[revision]
        if not task.cancelled() and task.exception() is not None:
            _log.error("a connection could not be authorized; trying again", exc_info=task.exception())
            asyncio.get_running_loop().call_later(_RETRY_S, self._wake.set)

    async def _authorize(self, connection: Connection) -> None:
        """Bring a connection from AUTHORIZING to AUTHORIZED, or to DEAUTHORIZED with the reason."""
        reason = ""
        for attempt in range(_TRIES):
            if attempt:
                await self._clock.sleep(_BETWEEN_S)
            try:
                values = await self._token(connection)
            except (TimeoutError, OSError, ValueError) as error:
                reason = str(error) or "the authorization endpoint did not answer in time"
                continue
            await self._store.authorized(connection, {**values, "state": "AUTHORIZED", "state_reason": None})
            return
        failed = {"state": "DEAUTHORIZED", "state_reason": f"Authorization failed: {reason}"[:512]}
        await self._store.authorized(connection, failed)


async def _send(request: HttpRequest, keep: int = 0) -> Answer:
    return await http_client.send(request.method, request.url, request.headers, request.body, TIMEOUT_S, keep=keep)


def unsendable(entry: Entry) -> Refusal:
    """What a target is meant to get could not be made of the event."""
    return Refusal("INVALID_JSON", f"The input for {entry.destination_arn} cannot be made of this event.")


async def refuse(entry: Entry, now: float) -> Refusal:
    """The courier of what cannot be sent to anybody."""
    return unsendable(entry)
