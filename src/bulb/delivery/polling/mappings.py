"""The event source mappings of kind `sqs`: whether one may be, and a poller for each that is enabled.

Implements what Lambda's room asks of a source of events, without knowing that room.
"""

import asyncio
from typing import Protocol

from bulb.core.arn import parse_arn
from bulb.core.clock import Clock
from bulb.core.errors import AwsError
from bulb.core.facts import Facts
from bulb.delivery.polling.plans import MappedQueue, Plan, plan
from bulb.delivery.polling.poller import Poller, Tools
from bulb.delivery.polling.queues import QueueFacts, QueueReader
from bulb.environments.processors import Processors
from bulb.identity.documents import statements_of
from bulb.identity.evaluation import Principal, Verdict, evaluate
from bulb.identity.grants import caller_of
from bulb.invoke.model import FunctionCatalog, Invoker

ACTIONS = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
_NO_QUEUE = (
    "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
    "SQS Error Message: The specified queue does not exist."
)


class RolePermissions(Protocol):
    """What execution roles may do (identity/)."""

    async def role_may(self, role_arn: str, action: str, resource: str) -> bool:
        """Do the role's own policies allow it?"""


class QueueMappings:
    """Every mapping that is enabled has a poller here."""

    def __init__(
        self,
        reader: QueueReader,
        catalog: FunctionCatalog,
        invoker: Invoker,
        facts: Facts,
        clock: Clock,
        roles: RolePermissions | None = None,
    ) -> None:
        """`roles` is None where any role may do everything."""
        self._reader = reader
        self._catalog = catalog
        self._roles = roles
        self._gate = asyncio.Event()
        self._tools = Tools(reader, catalog, invoker, facts, clock, Processors().idle, self._may_read, self._gate)
        self._pollers: dict[str, Poller] = {}

    def open(self) -> None:
        """From now on functions are invoked: whatever they may ask of the server is there."""
        self._gate.set()

    async def check(self, mapping: MappedQueue, function_timeout_s: int, role: str) -> None:
        """Refuse a mapping whose queue is not there, may not be read by `role`, or hides messages for too short.

        Raises InvalidParameterValueException.
        """
        queue_arn = mapping.event_source_arn or ""
        queue = parse_arn(queue_arn)
        if queue is None or queue.region != mapping.function.region:
            raise _invalid(f"The event source {queue_arn} is not in the function's region {mapping.function.region}.")
        facts = await self._reader.describe(queue_arn)
        refused = await self._refused(role, queue_arn, facts, is_own=queue.account == mapping.function.account)
        if refused is not None:
            raise _invalid(_may_not(refused))
        if facts is None:
            raise _invalid(_NO_QUEUE)
        _check_timeout(facts, function_timeout_s)

    async def check_timeout(self, mapping: MappedQueue, function_timeout_s: int) -> None:
        """Refuse that a function be given more time than its queue hides messages for.

        Raises InvalidParameterValueException.
        """
        facts = await self._reader.describe(mapping.event_source_arn or "")
        if facts is not None:
            _check_timeout(facts, function_timeout_s)

    async def begin(self, mapping: MappedQueue) -> None:
        """Read for the mapping, or go on with its changed settings."""
        wanted = plan(mapping)
        poller = self._pollers.get(mapping.uuid)
        if poller is not None:
            poller.change(wanted)
            return
        poller = self._pollers[mapping.uuid] = Poller(wanted, self._tools)
        poller.start()

    async def end(self, mapping: MappedQueue) -> None:
        """Read no more for the mapping. Returns when its batches are settled."""
        poller = self._pollers.get(mapping.uuid)
        if poller is not None:
            await poller.stop()
            self._pollers.pop(mapping.uuid, None)

    def function_changed(self, function: tuple[str, str, str]) -> None:
        """A function (account, region, name) was made, changed or removed."""
        for poller in self._pollers.values():
            if poller.function == function:
                poller.look_again()

    async def problem(self, mapping: MappedQueue) -> str | None:
        """Why nothing is read for a mapping that is enabled, in words to be shown; None when it is."""
        lack = await self._lack(plan(mapping))
        return None if lack is None else f"PROBLEM: {lack}"

    async def drain(self, seconds: float) -> None:
        """Claim nothing more, give back what has not begun, and wait up to `seconds` for the batches under way."""
        stopping = [asyncio.create_task(poller.stop()) for poller in self._pollers.values()]
        if stopping:
            await asyncio.wait(stopping, timeout=seconds)

    async def close(self) -> None:
        """Abandon what is still under way: those messages come again when their visibility timeout is over."""
        await asyncio.gather(*[poller.abandon() for poller in self._pollers.values()])
        self._pollers.clear()

    async def _lack(self, of: Plan) -> str | None:
        """What there must be for a mapping's queue to be read, and is not."""
        facts = await self._reader.describe(of.queue_arn)
        if facts is None:
            return _NO_QUEUE
        try:
            resolved = await self._catalog.resolve(*of.function, of.qualifier)
        except AwsError as error:
            return error.message
        refused = await self._refused(resolved.spec.role, of.queue_arn, facts, is_own=of.is_own_queue)
        return None if refused is None else _may_not(refused)

    async def _may_read(self, of: Plan, role: str) -> bool:
        if self._roles is None and of.is_own_queue:
            return True
        facts = await self._reader.describe(of.queue_arn)
        return await self._refused(role, of.queue_arn, facts, is_own=of.is_own_queue) is None

    async def _refused(self, role: str, queue_arn: str, facts: QueueFacts | None, *, is_own: bool) -> str | None:
        """The first action on the queue that the role may not do. A queue of another account must let it in itself."""
        for action in ACTIONS:
            named = f"sqs:{action}"
            lets = facts is not None and _lets(facts.policy, role, named, queue_arn)
            may = self._roles is None or await self._roles.role_may(role, named, queue_arn)
            if not ((may or lets) if is_own else (may and lets)):
                return action
        return None


def _check_timeout(facts: QueueFacts, function_timeout_s: int) -> None:
    if facts.visibility_timeout_s < function_timeout_s:
        raise _invalid(
            f"Queue visibility timeout: {facts.visibility_timeout_s:.0f} seconds "
            f"is less than Function timeout: {function_timeout_s} seconds"
        )


def _lets(policy: str | None, role: str, action: str, queue_arn: str) -> bool:
    """Whether the queue's own policy lets the role in. Conditions see nothing of a request."""
    if policy is None:
        return False
    caller = caller_of(role)
    asking = Principal(caller.arn, caller.account)
    return evaluate(statements_of(policy), action, queue_arn, {}, asking) is Verdict.ALLOW


def _may_not(action: str) -> str:
    return f"The provided execution role does not have permissions to call {action} on SQS"


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValueException", message)
