"""Small objects that introduce two rooms to each other which must not know one another."""

from collections.abc import Awaitable, Callable

from bulb.core.errors import AwsError, BulbError
from bulb.core.facts import FunctionRef
from bulb.delivery.handing import Handing
from bulb.delivery.model import Finish
from bulb.environments.model import FunctionSpec
from bulb.environments.snapshots import Snapshots
from bulb.services import lambda_
from bulb.storage.outbox import Entry


class VersionSnapshots:
    """Introduces Lambda, which publishes versions, to the environments, which keep their snapshots."""

    def __init__(
        self, snapshots: Snapshots, spec: Callable[[FunctionRef, lambda_.Definition], Awaitable[FunctionSpec]]
    ) -> None:
        self._snapshots = snapshots
        self._spec = spec

    async def make(self, record: lambda_.FunctionRecord) -> str | None:
        """Why the version's snapshot could not be made, None when it is there."""
        try:
            return await self._snapshots.make(await self._spec(record.ref, record.definition))
        except (AwsError, BulbError) as error:
            return str(error)

    def forget(self, ref: FunctionRef) -> None:
        """The version is gone."""
        self._snapshots.retire(ref)


class S3Targets:
    """Introduces S3, which is about to tell somebody for the first time, to those it will tell."""

    def __init__(self, functions: lambda_.Arrivals, handing: Callable[[], Handing]) -> None:
        self._functions = functions
        self._handing = handing

    async def prepare(self, entry: Entry, now: float) -> Finish:
        """What delivers a test inside a transaction; a function is only asked whether it would take it."""
        if entry.destination_arn.startswith(_FUNCTIONS):
            return lambda connection: self._functions.check(connection, entry)
        handing = self._handing()
        finish = (await handing.prepare([entry], now)).get(entry.id)
        return lambda connection: handing.deliver(connection, entry, finish, now)


_FUNCTIONS = "arn:aws:lambda:"
