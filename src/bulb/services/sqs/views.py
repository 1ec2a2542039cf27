"""A message as receivers see it. Pure."""

from bulb.services.sqs.model import Queue, StoredMessage, sequence_number


def system_attributes(message: StoredMessage, queue: Queue) -> dict[str, str]:
    """All that the queue says about a message, under the names of ReceiveMessage."""
    shown = {
        "SenderId": message.sender,
        "SentTimestamp": _millis(message.sent_at),
        "ApproximateReceiveCount": str(message.receive_count),
    }
    if message.first_received_at is not None:
        shown["ApproximateFirstReceiveTimestamp"] = _millis(message.first_received_at)
    if message.lane is not None:
        shown["MessageGroupId"] = message.lane
    if queue.is_fifo:
        shown["SequenceNumber"] = sequence_number(message.id)
    for name, value in (
        ("MessageDeduplicationId", message.deduplication_id),
        ("AWSTraceHeader", message.trace_header),
        ("DeadLetterQueueSourceArn", message.source_arn),
    ):
        if value is not None:
            shown[name] = value
    return shown


def _millis(seconds: float) -> str:
    return str(int(seconds * 1000))
