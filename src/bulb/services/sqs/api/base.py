"""What the operations of every resource share: which queue is meant, and may the caller's account use it."""

from collections.abc import Sequence

from bulb.core.calls import Call
from bulb.core.clock import Clock
from bulb.core.errors import AwsError
from bulb.services.sqs import access, addresses, errors, handles
from bulb.services.sqs.handles import Handle
from bulb.services.sqs.model import Queue, QueueKey, key_of_arn
from bulb.services.sqs.move_work import MoveWork
from bulb.services.sqs.store import SqsStore
from bulb.services.sqs.throughput import Throughput
from bulb.services.sqs.waiting import Waiting


class Operations:
    """The store, the line of those that wait, and the time."""

    def __init__(self, store: SqsStore, waiting: Waiting, moves: MoveWork, clock: Clock) -> None:
        self._store = store
        self._waiting = waiting
        self._moves = moves
        self._clock = clock
        self._throughput = Throughput()
        self._purging: set[int] = set()  # the ids of queues that are being purged

    def _queue(self, call: Call) -> Queue:
        """The queue of `QueueUrl`. Raises QueueDoesNotExist, InvalidAddress and AccessDenied."""
        queue = self._store.queues.find(key_of(call, call.params["QueueUrl"]))
        if queue is None:
            raise errors.no_queue()
        return self._permitted(call, queue)

    def _queue_of_arn(self, call: Call, arn: str, parameter: str) -> Queue:
        """The region's queue of an ARN. Raises ResourceNotFoundException, InvalidParameterValue and AccessDenied."""
        if key_of_arn(arn) is None:
            raise errors.invalid_plainly(
                f"You must use this format to specify the {parameter}: arn:aws:sqs:<region>:<account-id>:<queue-name>"
            )
        queue = self._store.queues.named(arn)
        if queue is None or queue.key.region != call.region:
            message = f"The resource that you specified for the {parameter} parameter doesn't exist."
            raise AwsError("ResourceNotFoundException", message, status=404)
        return self._permitted(call, queue)

    def _throttle(self, queue: Queue, action: str, groups: Sequence[str | None] = ()) -> None:
        """Count a call on a FIFO queue. Raises RequestThrottled."""
        self._throughput.take(queue, action, groups, self._clock.now())

    @staticmethod
    def _permitted(call: Call, queue: Queue) -> Queue:
        if queue.key.account != call.account and not access.lets_in(queue, call.operation, call.caller):
            raise access.refused(call.caller, call.operation, queue.arn)
        return queue

    @staticmethod
    def _handle(queue: Queue, text: str) -> Handle:
        """The receive of `queue` that a receipt handle is of. Raises ReceiptHandleIsInvalid."""
        handle = handles.decode(text)
        if handle is None or handle.queue_id != queue.id:
            raise errors.bad_handle(text)
        return handle


def key_of(call: Call, url: str) -> QueueKey:
    """The queue a URL names. Raises InvalidAddress."""
    address = addresses.parse(url)
    if address is None:
        raise AwsError("InvalidAddress", f"The address {url[:1024]} is not valid for this endpoint.", status=404)
    return QueueKey(address.account, address.region or call.region, address.name)


def url_of(call: Call, queue: Queue) -> str:
    """The URL of a queue for the caller."""
    return addresses.url_of(call.base_url, queue.key.account, queue.key.name)
