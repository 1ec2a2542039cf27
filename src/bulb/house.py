"""The wiring: every room is built here, in the order things start, and closed in reverse.

Nothing is global: whoever needs something is handed it. Where a lower room needs something of a higher one, the lower
declares it as an interface and the two are introduced here (`introductions.py`).
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from bulb.billing.ledger import Ledger
from bulb.config import Config
from bulb.core.clock import Clock
from bulb.core.errors import BulbError
from bulb.core.facts import Facts, FunctionRef
from bulb.delivery.relay import Destination, Relay
from bulb.environments import capacity
from bulb.environments.factory import EnvironmentFactory
from bulb.environments.images import PreparedImages
from bulb.environments.materials import Materials
from bulb.environments.model import FunctionSpec
from bulb.environments.pool import EnvironmentPool, Settings
from bulb.environments.provisioned import ProvisionedEnvironments
from bulb.environments.snapshots import Snapshots
from bulb.environments.starting import Starter
from bulb.environments.stock import Stock
from bulb.gateway.access_log import AccessLog
from bulb.gateway.chain import Gateway
from bulb.gateway.options import GatewayOptions
from bulb.gateway.sites import Site
from bulb.http.message import Handler, Request, Response
from bulb.identity.authorizer import Authorizer
from bulb.identity.credentials import Identities
from bulb.identity.grants import CallerGrants
from bulb.identity.needs import Needs
from bulb.introductions import LostDeliveries, S3Targets, VersionSnapshots
from bulb.invoke.asynchronous import AsyncInvocations
from bulb.invoke.concurrency import Concurrency, Limits
from bulb.invoke.dispatcher import Dispatcher
from bulb.invoke.model import AsyncInvoker, Invoker
from bulb.invoke.tracing import Traces
from bulb.pages import Pages
from bulb.runtimes.image import Images
from bulb.runtimes.interpreters import Interpreters
from bulb.runtimes.packages import CodeStore
from bulb.sandbox.host import SandboxHost
from bulb.sandbox.model import Rung
from bulb.services import lambda_, s3
from bulb.services.iam.api import Iam
from bulb.services.iam.needs import IamNeeds
from bulb.services.logs.api import Logs
from bulb.services.logs.needs import needs as logs_needs
from bulb.services.sts.api import Sts
from bulb.services.sts.needs import needs as sts_needs
from bulb.storage.belonging import belong
from bulb.storage.blobs import BlobStore
from bulb.storage.database import Database
from bulb.storage.writebehind import WriteBehind
from bulb.telemetry.listener import FunctionLogs
from bulb.telemetry.log_store import LogStore
from bulb.wire.catalog import Catalog

_log = logging.getLogger(__name__)
_SWEEP_S = 600.0
# How many functions are looked up, and their runtimes started, before anybody invokes them after a start.
_EXPECTED_FUNCTIONS = 50


class House:
    """Every room, built in order."""

    def __init__(self, config: Config, clock: Clock, destinations: Mapping[str, Destination]) -> None:
        self.config = config
        self.clock = clock
        self.further_destinations = destinations
        self.facts = Facts()
        self.endpoint_port = 0
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        """Build the house from the cellar up."""
        self._make_data_folder()
        # Probing the machine's isolation and opening the database wait for different things: do both at once.
        await asyncio.gather(self._open_storage(), self._open_sandboxes())
        self._open_listeners()
        self._open_environments()
        self._open_invoke()
        await self._open_services()
        self._open_delivery()
        self._open_gateway()

    def _make_data_folder(self) -> None:
        data = self.config.data
        try:
            data.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise BulbError(f"cannot make the data folder {data}: {error.strerror or error}") from error

    async def close(self) -> None:
        """Close what was opened, last first."""
        await self._stack.aclose()

    def _closing(self, close: Callable[[], Awaitable[None]]) -> None:
        self._stack.push_async_callback(close)

    async def _open_storage(self) -> None:
        data = self.config.data
        await asyncio.to_thread(belong, data, self.config.database)
        self.database = await Database.open(self.config.database or data / "bulb.db")
        self._closing(self.database.close)
        self.blobs = await BlobStore.open(data / "blobs", self.database, self.clock)
        self._stack.callback(self.blobs.close)
        self.write_behind = WriteBehind(self.database, self.clock)
        self.identities = await Identities.open(self.database, data)

    async def _open_sandboxes(self) -> None:
        insist = None if self.config.isolation == "best" else Rung(self.config.isolation)
        self.sandboxes = await SandboxHost.open(self.config.data, rung=insist, egress=self.config.egress)
        self._closing(self.sandboxes.close)

    def _open_listeners(self) -> None:
        """Who hears the facts: the logs and the bill, flushed together in one transaction."""
        self.log_store = LogStore(self.database, self.write_behind, self.clock)
        self.function_logs = FunctionLogs(self.log_store, self.clock)
        self.ledger = Ledger(self.database, self.write_behind)
        self.facts.add(self.function_logs.listen)
        self.facts.add(self.ledger.listen)
        self._closing(self.write_behind.close)
        self._closing(self.log_store.close)
        self.write_behind.start()
        self.log_store.start()

    def _open_environments(self) -> None:
        config, around = self.config, self.config.surroundings
        self.interpreters = Interpreters(
            config.data,
            overrides={name: Path(path) for name, path in config.interpreters.items()},
            path=around.path,
            home=around.home,
            pyenv_root=around.pyenv,
        )
        self.codes = CodeStore(config.data / "code")
        self.stock = Stock(self.sandboxes, config.stock)
        self._closing(self.stock.close)
        images = PreparedImages(self.interpreters, Images(config.data / "images"), self.sandboxes)
        materials = Materials(images, self.codes)
        starter = Starter(self.identities.sessions, self.clock, self.facts, self._answer_inside, self._own_url)
        self.snapshots = Snapshots(self.sandboxes, materials, starter, self.function_logs, self.facts, self.clock)
        self._closing(self.snapshots.close)
        factory = EnvironmentFactory(
            sandboxes=self.sandboxes,
            materials=materials,
            stock=self.stock,
            snapshots=self.snapshots,
            starter=starter,
            logs=self.function_logs,
            facts=self.facts,
            clock=self.clock,
        )
        self.capacity = config.capacity or capacity.environments(capacity.look())
        settings = Settings(self.capacity, freeze_after_s=config.freeze_after, idle_s=config.idle)
        self.pool = EnvironmentPool(factory, self.clock, settings)
        self._closing(self.pool.close)
        self.pool.start()

    def _open_invoke(self) -> None:
        config = self.config
        self.concurrency = Concurrency(Limits(config.account_concurrency, config.request_rate, config.scaling_rate))
        self.provisioned = ProvisionedEnvironments(self.pool, self.facts, self.clock, self.concurrency.allocate)
        self._closing(self.provisioned.close)
        self.provisioned.start()
        self.traces = Traces()
        self.lambda_store = lambda_.LambdaStore(self.database, self.blobs)
        self.event_rules = lambda_.EventRules(self.lambda_store)
        self.dispatcher = Dispatcher(
            self.pool,
            self.provisioned,
            self.concurrency,
            self.facts,
            self.clock,
            self.traces,
            stream_rate=config.stream_bandwidth * 1_048_576,
            may_recurse=self.event_rules.may_recurse,
        )
        self.s3_store = s3.S3Store.over(self.database, self.blobs)
        packages = lambda_.Packages(self.blobs, self.codes, s3.ObjectReader(self.s3_store))
        self.activator = lambda_.Activator(
            self.lambda_store,
            packages,
            self._function_changed,
            self.clock,
            VersionSnapshots(self.snapshots, self._spec),
        )
        self._closing(self.activator.close)
        self.functions = lambda_.Catalog(self.lambda_store, packages, self.activator, self.pool.expect)
        self.allotments = lambda_.Allotments(self.lambda_store, self.functions, self.concurrency, self.provisioned)
        self._closing(self.allotments.close)
        self.events = AsyncInvocations(
            self.database,
            self.functions,
            self.event_rules,
            self.dispatcher,
            self.concurrency.reserved,
            self.facts,
            self.clock,
        )
        self._closing(self.events.close)
        self.packages = packages

    async def _spec(self, ref: FunctionRef, definition: lambda_.Definition) -> FunctionSpec:
        """The catalog and the activator need each other; the catalog is there when this is first asked."""
        return await self.functions.spec(ref, definition)

    def _function_changed(self, ref: FunctionRef) -> None:
        """Lambda tells of a commit: environments of the old code end, the new code is looked up."""
        self.pool.retire(ref)
        self.functions.prefetch(ref)

    async def _open_services(self) -> None:
        invoker: Invoker = self.dispatcher
        async_invoker: AsyncInvoker = self.events
        # A service that functions can read from registers here before `resume`; none of those here is one yet.
        self.event_sources = lambda_.EventSources()
        authorizer = self._authorizer()
        self.authorizer = authorizer
        self.lambda_api = lambda_.LambdaApi(
            store=self.lambda_store,
            blobs=self.blobs,
            packages=self.packages,
            activator=self.activator,
            catalog=self.functions,
            allotments=self.allotments,
            invoker=invoker,
            async_invoker=async_invoker,
            sources=self.event_sources,
            traces=self.traces,
            clock=self.clock,
            options=lambda_.LambdaOptions(
                no_snapshots=self.snapshots.lacks,
                account_concurrency=self.config.account_concurrency,
                policies_enforced=self.config.enforce_credentials,
                url_domain=self.config.url_domain,
                url_one_permission=self.config.url_permissions == "one",
                destinations=frozenset({"lambda", "s3", *self.further_destinations}),
                roles=authorizer,
            ),
            callers=authorizer,
        )
        enforced = authorizer is not None
        iam = Iam(self.database, self.identities.keys, policies_enforced=enforced)
        self.services: dict[str, object] = {
            "lambda": self.lambda_api,
            "s3": s3.S3Api(
                self.s3_store,
                S3Targets(self.lambda_api),
                self.clock,
                s3.IdentitySigners(self.identities, enforce=self.config.enforce_credentials),
                authorizer.authorize if authorizer is not None else None,
            ),
            "logs": Logs(self.log_store),
            "iam": iam,
            "sts": Sts(self.identities, iam, enforce=self.config.enforce_credentials, policies_enforced=enforced),
        }
        if self.database.was_interrupted:
            # Unpacked packages are not synced: a power cut may have torn them. They are made again from their blobs.
            await self.codes.sweep(())
        await self.activator.resume()
        watch = lambda_.SourceWatch(self.lambda_store, self.packages, self.activator, self.clock)
        self._closing(watch.close)
        watch.start()
        await self.allotments.load()
        self._closing(self.lambda_api.mapping_work.close)
        await self.lambda_api.mapping_work.resume()
        for ref in await self.lambda_store.latest(_EXPECTED_FUNCTIONS):
            self.functions.prefetch(ref)

    def _authorizer(self) -> Authorizer | None:
        """None where policies are only stored: then nothing is evaluated."""
        if self.config.policies != "enforced":
            return None
        needs: dict[str, Needs] = {
            "lambda": lambda_.needs,
            "s3": s3.needs,
            "logs": logs_needs,
            "iam": IamNeeds(self.database),
            "sts": sts_needs,
        }
        return Authorizer(CallerGrants(self.database), needs, {"lambda": lambda_.Guards(self.lambda_store)})

    def _open_delivery(self) -> None:
        relay = Relay(
            self.database,
            {"lambda": self.events.put, **self.further_destinations},
            self.clock,
            prepared={"s3": s3.Arrivals(self.s3_store, self.blobs).prepare},
            lost=LostDeliveries(self.facts, self.clock).tell,
        )
        self._closing(relay.close)
        relay.start()
        self.events.start()
        sweeper = asyncio.create_task(self._sweep())
        self._stack.callback(sweeper.cancel)

    def _open_gateway(self) -> None:
        pages = Pages(
            self.config,
            self.sandboxes.report(),
            self.interpreters,
            self.pool,
            self.stock,
            self.capacity,
            self.ledger,
            self.clock,
        )
        self.operators_pages = frozenset(pages.routes)
        routes: dict[str, Handler] = {**pages.routes, lambda_.CODE_DOWNLOAD_PATH: self.lambda_api.code_download}
        access_log = None
        if self.config.access_log:
            access_log = self._stack.enter_context(AccessLog(logging.StreamHandler(sys.stderr)))
        self.gateway = Gateway(
            self.services,
            Catalog(),
            self.identities,
            self.clock,
            GatewayOptions(
                enforce_credentials=self.config.enforce_credentials,
                check_hosts=self.config.on_loopback,
                region=self.config.region,
                hosts=frozenset({self.config.url_domain} if self.config.url_domain else ()),
            ),
            routes=routes,
            authorizer=self.authorizer,
            access_log=access_log,
            sites=(Site(lambda_.URL_MARKER, lambda_.URL_PATH, "lambda", self.lambda_api.url_door.answer),),
        )

    async def _answer_inside(self, request: Request) -> Response:
        """The AWS endpoint inside every sandbox is this server's own front door, without its pages for operators."""
        if request.path in self.operators_pages:
            return Response(404)
        return await self.gateway.handle(request)

    def _own_url(self) -> str:
        return f"http://127.0.0.1:{self.endpoint_port}"

    async def _sweep(self) -> None:
        """Now and then, remove the bytes nobody names any more."""
        while True:
            await self.clock.sleep(_SWEEP_S)
            try:
                await self.blobs.sweep()
            except Exception:
                _log.exception("unused blobs could not be removed; trying again later")
