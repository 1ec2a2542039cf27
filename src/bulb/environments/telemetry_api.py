"""The Telemetry API (2022-07-01) and the Logs API (2020-08-15) of one environment, without sockets of their own.

Extensions subscribe during init. Events that came before a subscription (`platform.initStart` above all) are kept
until init is over, so that a subscriber is told the whole story.
"""

from collections.abc import Callable

from bulb.core.clock import Clock
from bulb.core.deadline import Deadline
from bulb.core.facts import EnvironmentRef, Facts, TelemetryDropped, TelemetrySubscribed
from bulb.environments.deliveries import Connect, Delivery, Loss
from bulb.environments.extensions_api import Extension, ExtensionsSession, refusal, unidentified
from bulb.environments.runtime_api import read_body
from bulb.environments.subscriptions import Api, InvalidSubscriptionError, Subscription, parse
from bulb.http.message import Request, Response
from bulb.telemetry.events import Entry

_PATHS: dict[str, Api] = {
    "/2022-07-01/telemetry": "telemetry",
    "/2022-07-01/telemetry/": "telemetry",
    "/2020-08-15/logs": "logs",
    "/2020-08-15/logs/": "logs",
}
PREFIXES = ("/2022-07-01/", "/2020-08-15/")
_CLOSED = {
    "telemetry": ("Telemetry.SubscriptionClosed", "Telemetry API subscription is closed already"),
    "logs": ("Logs.SubscriptionClosed", "Logs API subscription is closed already"),
}
_INVALID = {"telemetry": "ValidationError", "logs": "Logs.ValidationError"}
_EARLY_EVENTS = 10_000


class TelemetryHub:
    """Who subscribed, and what they are told. `take` is the follower of the environment's log."""

    def __init__(
        self,
        environment: EnvironmentRef,
        extensions: ExtensionsSession,
        connect: Connect | None,
        facts: Facts,
        clock: Clock,
        follow: Callable[[], None],
    ) -> None:
        self._environment = environment
        self._extensions = extensions
        self._connect = connect
        self._facts = facts
        self._clock = clock
        self._follow = follow
        self._early: list[Entry] | None = []
        self._deliveries: dict[tuple[str, Api], Delivery] = {}

    def __bool__(self) -> bool:
        return bool(self._deliveries)

    def take(self, entry: Entry) -> None:
        """One event of the environment."""
        if self._early is not None and len(self._early) < _EARLY_EVENTS:
            self._early.append(entry)
        for delivery in self._deliveries.values():
            delivery.take(entry)

    @property
    def is_behind(self) -> bool:
        """Somebody has not been told everything yet."""
        return any(delivery.is_behind for delivery in self._deliveries.values())

    def close_subscription(self) -> None:
        """Init is over: whoever has not subscribed by now, never may."""
        self._early = None

    async def handle(self, request: Request) -> Response:
        """Answer one request of either API."""
        api = _PATHS.get(request.path)
        if api is None or request.method != "PUT":
            return refusal(404, "NotFound", f"Unknown path: {request.path}")
        extension = self._extensions.of(request)
        if extension is None:
            return unidentified(request)
        if self._connect is None:
            return refusal(202, f"{api.capitalize()}.NotSupported", f"{api.capitalize()} API is not supported")
        if self._early is None:
            return refusal(403, *_CLOSED[api])
        try:
            subscription = parse(api, await _body(request))
        except InvalidSubscriptionError as error:
            return refusal(400, _INVALID[api], str(error))
        await self._subscribe(extension, subscription, self._connect)
        return Response(200, [("content-type", "application/json")], b'"OK"')

    async def _subscribe(self, extension: Extension, subscription: Subscription, connect: Connect) -> None:
        """Subscribing twice leaves one subscription, the later one."""
        self._follow()
        key = (extension.name, subscription.api)
        before = self._deliveries.pop(key, None)
        if before is not None:
            await before.close()
        delivery = Delivery(subscription, connect, self._clock, self._lost)
        for entry in self._early or () if before is None else ():
            delivery.take(entry)
        self._deliveries[key] = delivery
        self._facts.emit(
            TelemetrySubscribed(
                self._environment, self._clock.now(), extension.name, subscription.types, subscription.api
            )
        )

    def _lost(self, loss: Loss) -> None:
        self._facts.emit(TelemetryDropped(self._environment, self._clock.now(), loss.reason, loss.records, loss.bytes))

    async def drain(self, seconds: float) -> None:
        """Deliver what waits, for at most `seconds` altogether."""
        deadline, deliveries = Deadline.within(seconds), list(self._deliveries.values())
        for delivery in deliveries:
            delivery.flush()
        for delivery in deliveries:
            await delivery.drained(deadline.left())

    async def close(self) -> None:
        """The processes are gone."""
        for delivery in list(self._deliveries.values()):
            await delivery.close()


async def _body(request: Request) -> bytes:
    body = await read_body(request)
    if body is None:
        raise InvalidSubscriptionError("the body is too large")
    return body
