"""The operations: one coroutine method each, named as boto3 names them."""

from bulb.services.sqs.api.moving import MovingOperations
from bulb.services.sqs.api.queues import QueueOperations
from bulb.services.sqs.api.receiving import ReceivingOperations
from bulb.services.sqs.api.sending import SendingOperations
from bulb.services.sqs.api.settling import SettlingOperations
from bulb.services.sqs.api.tags import TagOperations


class SqsApi(
    MovingOperations,
    QueueOperations,
    ReceivingOperations,
    SendingOperations,
    SettlingOperations,
    TagOperations,
):
    """Amazon SQS."""
