"""The house: every wing is opened here, in the order things start, and closed in reverse.

Nothing is global: whoever needs something is handed it. How a wing is put together is in `wiring/`; what a service
brings for those who ask all services the same (the front door, deliveries, policies) is its `Part`.
"""

import asyncio
import logging
import sys
from contextlib import AsyncExitStack

from bulb.config import Config
from bulb.core.clock import Clock
from bulb.core.errors import BulbError
from bulb.core.facts import Facts
from bulb.delivery.errands import Errands
from bulb.delivery.handing import Handing, Routes
from bulb.delivery.relay import Relay
from bulb.gateway.access_log import AccessLog
from bulb.gateway.chain import Gateway
from bulb.gateway.options import GatewayOptions
from bulb.http.message import Request, Response
from bulb.pages import Pages
from bulb.pages.signers import Signers
from bulb.sandbox.host import SandboxHost
from bulb.sandbox.model import Rung
from bulb.services import events, s3, sqs
from bulb.wiring import messaging, records
from bulb.wiring.functions import Functions
from bulb.wiring.ground import Ground, make_data_folder
from bulb.wiring.machines import Machines
from bulb.wiring.part import Part


class House:
    """Every room, built in order."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self.config = config
        self.services: dict[str, object] = {}
        self._stack = AsyncExitStack()
        self._ground = Ground(config, clock, self._stack)
        self._parts: list[Part] = []

    @property
    def facts(self) -> Facts:
        """What is said about invocations and deliveries."""
        return self._ground.facts

    async def open(self) -> None:
        """Build the house from the cellar up."""
        ground = self._ground
        make_data_folder(self.config)
        try:
            # Probing the machine's isolation and opening the database wait for different things: do both at once.
            await asyncio.gather(ground.open(), self._open_sandboxes())
        except OSError as error:  # a full disk, a file of somebody else's
            where = error.filename or self.config.data
            raise BulbError(f"cannot use {where}: {error.strerror or error}") from error
        ground.listen()
        await self._open_services()
        self._open_delivery()
        await self._resume()
        self._open_gateway()

    async def close(self) -> None:
        """Close what was opened, last first."""
        await self._stack.aclose()

    def serve(self, port: int) -> None:
        """The front door is open at this port: what functions may ask of the server, they can."""
        self._ground.serve(port)
        self._queues.mappings.open()

    async def drain(self, seconds: float) -> None:
        """Begin nothing more, and wait up to `seconds` for what is under way."""
        await self._functions.events.stop()
        await self._queues.drain(seconds)

    async def _open_sandboxes(self) -> None:
        insist = None if self.config.isolation == "best" else Rung(self.config.isolation)
        self.sandboxes = await SandboxHost.open(self.config.data, rung=insist, egress=self.config.egress)
        self._ground.closing(self.sandboxes.close)

    async def _open_services(self) -> None:
        ground = self._ground
        bucket_store = s3.S3Store.over(ground.database, ground.blobs)
        self._queue_store = await sqs.SqsStore.open(ground.database, ground.facts)
        self._machines = Machines(ground, self.sandboxes, self._answer_inside)
        self._functions = functions = Functions(ground, self._machines, s3.ObjectReader(bucket_store))
        self._queues = messaging.Queues(ground, self._queue_store, functions)
        for part in (
            functions.part({"sqs": self._queues.mappings}),
            records.buckets(ground, bucket_store, functions.arrivals, lambda: self._handing),
            await records.logs(ground, functions.arrivals),
            self._queues.part,
            messaging.topics(ground),
            messaging.buses(ground),
            messaging.schedules(ground, self.services),
            *records.people(ground),
        ):
            self._parts.append(part)
            self.services[part.name] = part.api
            ground.admit(part)

    def _open_delivery(self) -> None:
        parts, ground = self._parts, self._ground
        routes = Routes(
            destinations={part.name: part.destination for part in parts if part.destination is not None},
            prepared={part.name: part.prepared for part in parts if part.prepared is not None},
            couriers={name: courier for part in parts for name, courier in part.couriers.items()},
            after={part.name: part.after for part in parts if part.after is not None},
        )
        self._handing = Handing(routes, ground.facts)
        errands = Errands(ground.database, self._handing, ground.clock)
        relay = Relay(ground.database, self._handing, ground.clock)
        for work in (errands, relay):
            ground.closing(work.close)
            work.start()

    async def _resume(self) -> None:
        """Everybody is introduced: take up what an earlier process left."""
        await self._queues.resume()
        await self._functions.resume()
        self._ground.start()

    def _open_gateway(self) -> None:
        config, ground = self.config, self._ground
        pages = Pages(
            config,
            self.sandboxes.report(),
            self._machines.interpreters,
            self._machines.pool,
            self._machines.stock,
            self._machines.capacity,
            ground.ledger,
            ground.journal,
            self._queue_store,
            events.Redelivering(ground.database),
            Signers(ground.identities, ground.authorizer, enforce_credentials=config.enforce_credentials),
            ground.clock,
        )
        self._operators_pages = frozenset(pages.routes)
        access_log = None
        if config.access_log:
            access_log = self._stack.enter_context(AccessLog(logging.StreamHandler(sys.stderr)))
        self.gateway = Gateway(
            self.services,
            ground.catalog,
            ground.identities,
            ground.clock,
            GatewayOptions(
                enforce_credentials=config.enforce_credentials,
                check_hosts=config.on_loopback,
                region=config.region,
                hosts=frozenset({config.url_domain} if config.url_domain else ()),
            ),
            routes=dict(pages.routes)
            | {path: handler for part in self._parts for path, handler in part.routes.items()},
            authorizer=ground.authorizer,
            access_log=access_log,
            sites=tuple(site for part in self._parts for site in part.sites),
        )

    async def _answer_inside(self, request: Request) -> Response:
        """The AWS endpoint inside every sandbox is this server's own front door, without its pages for operators."""
        if request.path in self._operators_pages:
            return Response(404)
        return await self.gateway.handle(request)
