"""The wing of Lambda: functions, how they are invoked, and what they read from."""

from collections.abc import Mapping

from bulb.core.facts import FunctionRef
from bulb.environments.model import FunctionSpec
from bulb.environments.provisioned import ProvisionedEnvironments
from bulb.gateway.sites import Site
from bulb.invoke.asynchronous import AsyncInvocations
from bulb.invoke.concurrency import Concurrency, Limits
from bulb.invoke.dispatcher import Dispatcher
from bulb.invoke.tracing import Traces
from bulb.services import lambda_
from bulb.wiring.ground import Ground
from bulb.wiring.introductions import VersionSnapshots
from bulb.wiring.machines import Machines
from bulb.wiring.part import Part

# How many functions are looked up, and their runtimes started, before anybody invokes them after a start.
_EXPECTED_FUNCTIONS = 50
# The services that take deliveries about asynchronous events.
_DESTINATIONS = frozenset({"lambda", "s3", "events", "sns", "sqs"})


class Functions:
    """Lambda over the machines. `objects` reads packages out of buckets."""

    def __init__(self, ground: Ground, machines: Machines, objects: lambda_.ObjectReader) -> None:
        config = ground.config
        self._ground, self._machines = ground, machines
        self._store = lambda_.LambdaStore(ground.database, ground.blobs)
        self._packages = lambda_.Packages(ground.blobs, machines.codes, objects)
        self._activator = lambda_.Activator(
            self._store,
            self._packages,
            self._changed,
            ground.clock,
            VersionSnapshots(machines.snapshots, self._spec),
        )
        ground.closing(self._activator.close)
        self.catalog = lambda_.Catalog(self._store, self._packages, self._activator, machines.pool.expect)
        concurrency = Concurrency(Limits(config.account_concurrency, config.request_rate, config.scaling_rate))
        provisioned = ProvisionedEnvironments(machines.pool, ground.facts, ground.clock, concurrency.allocate)
        ground.closing(provisioned.close)
        provisioned.start()
        self._allotments = lambda_.Allotments(self._store, self.catalog, concurrency, provisioned)
        ground.closing(self._allotments.close)
        self._traces = Traces()
        rules = lambda_.EventRules(self._store)
        self.dispatcher = Dispatcher(
            machines.pool,
            provisioned,
            concurrency,
            ground.facts,
            ground.clock,
            self._traces,
            stream_rate=config.stream_bandwidth * 1_048_576,
            may_recurse=rules.may_recurse,
        )
        self.events = AsyncInvocations(
            ground.database, self.catalog, rules, self.dispatcher, concurrency.reserved, ground.facts, ground.clock
        )
        ground.closing(self.events.close)
        self.arrivals = lambda_.Arrivals(self.events, ground.doors)
        # Tells of functions (account, region, name) that have changed.
        self.on_change = self._store.on_change

    def part(self, sources: Mapping[str, lambda_.EventSource]) -> Part:
        """The service; functions can be mapped to `sources`, by their kinds."""
        ground, config = self._ground, self._ground.config
        known = lambda_.EventSources()
        for kind, source in sources.items():
            known.register(kind, source)
        self._api = lambda_.LambdaApi(
            store=self._store,
            blobs=ground.blobs,
            packages=self._packages,
            activator=self._activator,
            catalog=self.catalog,
            allotments=self._allotments,
            invoker=self.dispatcher,
            async_invoker=self.events,
            sources=known,
            traces=self._traces,
            clock=ground.clock,
            options=lambda_.LambdaOptions(
                no_snapshots=self._machines.snapshots.lacks,
                account_concurrency=config.account_concurrency,
                url_domain=config.url_domain,
                url_one_permission=config.url_permissions == "one",
                destinations=_DESTINATIONS,
                roles=ground.authorizer,
            ),
            callers=ground.authorizer,
        )
        return Part(
            "lambda",
            self._api,
            lambda_.needs,
            guards=lambda_.Guards(self._store),
            destination=self.arrivals.take,
            routes={lambda_.CODE_DOWNLOAD_PATH: self._api.code_download},
            sites=(Site(lambda_.URL_MARKER, lambda_.URL_PATH, "lambda", self._api.url_door.answer),),
        )

    async def resume(self) -> None:
        """Take up what an earlier process left, and work off events."""
        ground = self._ground
        if ground.database.was_interrupted:
            # Unpacked packages are not synced: a power cut may have torn them. They are made again from their blobs.
            await self._machines.codes.sweep(())
        await self._activator.resume()
        watch = lambda_.SourceWatch(self._store, self._packages, self._activator, ground.clock)
        ground.closing(watch.close)
        watch.start()
        await self._allotments.load()
        ground.closing(self._api.mapping_work.close)
        await self._api.mapping_work.resume()
        for ref in await self._store.latest(_EXPECTED_FUNCTIONS):
            self.catalog.prefetch(ref)
        self.events.start()

    async def _spec(self, ref: FunctionRef, definition: lambda_.Definition) -> FunctionSpec:
        """The catalog and the activator need each other; the catalog is there when this is first asked."""
        return await self.catalog.spec(ref, definition)

    def _changed(self, ref: FunctionRef, revision: str | None) -> None:
        """Lambda tells of a commit: environments of the old code end, the new code is looked up."""
        self._machines.pool.retire(ref, revision)
        self.catalog.prefetch(ref)
