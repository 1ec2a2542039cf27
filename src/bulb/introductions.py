"""Small objects that introduce two rooms to each other which must not know one another."""

from collections.abc import Awaitable, Callable

from bulb.core.clock import Clock
from bulb.core.errors import AwsError, BulbError
from bulb.core.facts import DeliveryFailed, Facts, FunctionRef
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
    """Introduces S3, which asks whether it may invoke, to Lambda, which knows."""

    def __init__(self, functions: lambda_.LambdaApi) -> None:
        self._functions = functions

    async def refusal(self, bucket_arn: str, account: str, function_arn: str) -> str | None:
        """Why a bucket may not invoke a function, None when it may."""
        return await self._functions.s3_may_invoke(bucket_arn, account, function_arn)


class LostDeliveries:
    """Introduces the relay, which tells of what nobody takes, to who listens to facts."""

    def __init__(self, facts: Facts, clock: Clock) -> None:
        self._facts = facts
        self._clock = clock

    def tell(self, entry: Entry) -> None:
        """Of what a service's own change caused there is nothing more to say than the server's log does."""
        about = entry.attributes
        if "kind" in about:
            self._facts.emit(
                DeliveryFailed(
                    about["source_arn"], about["request_id"], self._clock.now(), about["kind"], entry.destination_arn
                )
            )
