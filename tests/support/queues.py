"""Queues as tests look into them: real ones, made and emptied with boto3."""

from typing import Any, NamedTuple

from tests.support.bulb import Process, Running
from tests.support.waiting import until


class Queue(NamedTuple):
    """A queue on a server under test."""

    sqs: Any
    url: str
    arn: str

    @classmethod
    def make(cls, server: Running | Process, name: str, *, client: Any = None, **attributes: str) -> "Queue":
        sqs = server.client("sqs") if client is None else client
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        return cls(sqs, url, arn)

    def take(self) -> list[dict[str, Any]]:
        """Up to ten messages of those that are there, with all their attributes; they are gone afterwards."""
        found: list[dict[str, Any]] = self.sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages", [])
        if found:
            entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(found)]
            self.sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)
        return found

    def next(self) -> dict[str, Any]:
        """The one message that is there or comes."""
        [message] = until(self.take, f"a message in {self.arn}")
        return message

    def all(self) -> list[dict[str, Any]]:
        """Everything that is there."""
        found: list[dict[str, Any]] = []
        while taken := self.take():
            found += taken
        return found
