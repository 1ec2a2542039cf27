"""The ground floor: what every wing stands on. Storage, identities, who hears the facts, time and doors."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from bulb.billing.ledger import Ledger
from bulb.config import Config
from bulb.core.clock import Clock
from bulb.core.errors import BulbError
from bulb.core.facts import Facts
from bulb.delivery.doors import Doors
from bulb.delivery.timers import Timers
from bulb.identity.authorizer import Authorizer, ResourcePolicies
from bulb.identity.credentials import Identities
from bulb.identity.grants import CallerGrants
from bulb.identity.needs import Needs
from bulb.storage.belonging import belong
from bulb.storage.blobs import BlobStore
from bulb.storage.database import Database
from bulb.storage.writebehind import WriteBehind
from bulb.telemetry.journal import Journal
from bulb.telemetry.listener import FunctionLogs
from bulb.telemetry.log_store import LogStore
from bulb.wire.catalog import Catalog
from bulb.wiring.part import Part

_log = logging.getLogger(__name__)
_SWEEP_S = 600.0


class Ground:
    """What is there before any service is."""

    def __init__(self, config: Config, clock: Clock, stack: AsyncExitStack) -> None:
        self.config = config
        self.clock = clock
        self.facts = Facts()
        self.catalog = Catalog()
        # Who may deliver to whom, by the targets' own policies.
        self.doors = Doors(enforced=config.enforce_credentials)
        self._port = 0
        self._is_served = asyncio.Event()
        self._stack = stack
        self._needs: dict[str, Needs] = {}
        self._guards: dict[str, ResourcePolicies] = {}

    async def open(self) -> None:
        """Open the database and what is in it for everybody."""
        config = self.config
        await asyncio.to_thread(belong, config.data, config.database)
        self.database = await Database.open(config.database or config.data / "bulb.db")
        self.closing(self.database.close)
        self.blobs = await BlobStore.open(config.data / "blobs", self.database, self.clock)
        self._stack.callback(self.blobs.close)
        self.write_behind = WriteBehind(self.database, self.clock)
        self.identities = await Identities.open(self.database, config.data)
        # None where policies are only stored: then nothing is evaluated.
        self.authorizer = None
        if config.policies == "enforced":
            self.authorizer = Authorizer(CallerGrants(self.database), self._needs, self._guards)
        # Whoever has something to do later registers here before the house is open.
        self.timers = Timers(self.database, self.clock)

    def listen(self) -> None:
        """Who hears the facts: the logs, the bill and the journal, flushed together in one transaction."""
        self.log_store = LogStore(self.database, self.write_behind, self.clock)
        self.function_logs = FunctionLogs(self.log_store, self.clock)
        self.ledger = Ledger(self.database, self.write_behind)
        self.facts.add(self.function_logs.listen)
        self.facts.add(self.ledger.listen)
        self.journal: Journal | None = None
        if self.config.journal_days:
            self.journal = Journal(self.database, self.write_behind, self.clock, days=self.config.journal_days)
            self.facts.add(self.journal.listen)
        self.closing(self.write_behind.close)
        self.closing(self.log_store.close)
        self.write_behind.start()
        self.log_store.start()
        if self.journal is not None:
            self.closing(self.journal.close)
            self.journal.start()

    def start(self) -> None:
        """Everybody has registered: let timers fire, and bytes go that nobody names any more."""
        self.closing(self.timers.close)
        self.timers.start()
        sweeper = asyncio.create_task(self._sweep())
        self._stack.callback(sweeper.cancel)

    def admit(self, part: Part) -> None:
        """From now on calls of the service are held against policies, where these are enforced."""
        self._needs[part.name] = part.needs
        if part.guards is not None:
            self._guards[part.name] = part.guards

    def closing(self, close: Callable[[], Awaitable[None]]) -> None:
        """Close this before all that was opened earlier."""
        self._stack.push_async_callback(close)

    def serve(self, port: int) -> None:
        """The front door is open."""
        self._port = port
        self._is_served.set()

    async def served_url(self) -> str:
        """Where this server is reached on this machine, once it is: what an earlier process left begins before that."""
        await self._is_served.wait()
        return f"http://127.0.0.1:{self._port}"

    async def _sweep(self) -> None:
        while True:
            await self.clock.sleep(_SWEEP_S)
            try:
                await self.blobs.sweep()
            except Exception:
                _log.exception("unused blobs could not be removed; trying again later")


def make_data_folder(config: Config) -> None:
    """Raises BulbError when it cannot be."""
    try:
        config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise BulbError(f"cannot make the data folder {config.data}: {error.strerror or error}") from error
