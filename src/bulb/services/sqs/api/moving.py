"""Message move tasks: redrives of dead-letter queues."""

import base64
import binascii
import json
from typing import Any

from bulb.core.calls import Answer, Call
from bulb.core.ids import request_id
from bulb.services.sqs import errors
from bulb.services.sqs.api.base import Operations
from bulb.services.sqs.model import MoveTask
from bulb.services.sqs.store.tasks import KEPT, RUNNING

_MOST_A_SECOND = 500


class MovingOperations(Operations):
    """Operations on redrives."""

    async def start_message_move_task(self, call: Call) -> Answer:
        """StartMessageMoveTask."""
        params = call.params
        source = self._queue_of_arn(call, params["SourceArn"], "SourceArn")
        rate: int | None = params.get("MaxNumberOfMessagesPerSecond")
        if rate is not None and not 1 <= rate <= _MOST_A_SECOND:
            reason = f"Must be between 1 and {_MOST_A_SECOND}, if provided."
            raise errors.invalid(rate, "MaxNumberOfMessagesPerSecond", reason)
        if not self._store.queues.sources_of(source.arn):
            raise errors.invalid_plainly("Source queue must be configured as a Dead Letter Queue.")
        arn: str | None = params.get("DestinationArn")
        if arn is not None:
            target = self._queue_of_arn(call, arn, "DestinationArn")
            if target.id == source.id:
                raise errors.invalid_plainly("Source queue arn and destination queue arn cannot be the same.")
            if target.is_fifo != source.is_fifo:
                raise errors.invalid_plainly("Source and destination queues must be of the same type.")
            arn = target.arn
        task_id = request_id()
        document = {"taskId": task_id, "sourceArn": source.arn}
        handle = base64.b64encode(json.dumps(document).encode()).decode()
        self._moves.begin(await self._store.tasks.start(handle, source, arn, rate, self._clock.now()))
        return {"TaskHandle": handle}

    async def cancel_message_move_task(self, call: Call) -> Answer:
        """CancelMessageMoveTask. What was moved stays moved."""
        handle = call.params["TaskHandle"]
        source = self._queue_of_arn(call, _source_of(handle), "SourceArn")
        task = await self._store.tasks.cancel(handle, source.arn)
        return {"ApproximateNumberOfMessagesMoved": task.moved}

    async def list_message_move_tasks(self, call: Call) -> Answer:
        """ListMessageMoveTasks, newest first."""
        limit: int | None = call.params.get("MaxResults")
        if limit is not None and not 1 <= limit <= KEPT:
            raise errors.invalid(limit, "MaxResults", f"Must be between 1 and {KEPT}, if provided.")
        source = self._queue_of_arn(call, call.params["SourceArn"], "SourceArn")
        return {"Results": [_shown(task) for task in await self._store.tasks.of(source.arn, limit or 1)]}


def _source_of(handle: str) -> str:
    try:
        document = json.loads(base64.b64decode(handle, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("sourceArn"), str):
        raise errors.invalid_plainly("Value for parameter TaskHandle is invalid.")
    arn: str = document["sourceArn"]
    return arn


def _shown(task: MoveTask) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Status": task.status,
        "SourceArn": task.source_arn,
        "ApproximateNumberOfMessagesMoved": task.moved,
        "ApproximateNumberOfMessagesToMove": task.to_move,
        "StartedTimestamp": int(task.started_at * 1000),
    }
    further = {
        "TaskHandle": task.handle if task.status == RUNNING else None,
        "DestinationArn": task.destination_arn,
        "MaxNumberOfMessagesPerSecond": task.rate,
        "FailureReason": task.failure,
    }
    return shown | {name: value for name, value in further.items() if value is not None}
