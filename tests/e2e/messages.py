"""What the tests of hostile messages share: a server that is watched, and a neighbour whose messages must arrive."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.bulb import Running, running_bulb
from tests.support.waiting import until

ACCOUNT, OTHER = "000000000000", "111122223333"
PLACE = f"us-east-1:{ACCOUNT}"


def queue_arn(name: str) -> str:
    return f"arn:aws:sqs:{PLACE}:{name}"


def open_policy(arn: str) -> str:
    """Everybody may do everything."""
    statement = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": arn}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class House:
    """The clients of one server, and what is made with them over and over."""

    def __init__(self, bulb: Running, account: str = "test") -> None:
        self.bulb = bulb
        keys = {"access_key": account} if account != "test" else {}
        self.sqs, self.sns = bulb.client("sqs", **keys), bulb.client("sns", **keys)
        self.events, self.scheduler = bulb.client("events", **keys), bulb.client("scheduler", **keys)

    def queue(self, name: str, **attributes: str) -> str:
        """A queue that takes from everybody; its URL."""
        attributes = {"Policy": open_policy(queue_arn(name)), **attributes}
        url: str = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url

    def topic(self, name: str, *queues: str, **attributes: str) -> str:
        """A topic that tells queues, as they were sent."""
        arn: str = self.sns.create_topic(Name=name)["TopicArn"]
        for queue in queues:
            self.subscribe(arn, "sqs", queue_arn(queue), RawMessageDelivery="true", **attributes)
        return arn

    def subscribe(self, topic: str, protocol: str, endpoint: str, **attributes: str) -> str:
        answer = self.sns.subscribe(
            TopicArn=topic, Protocol=protocol, Endpoint=endpoint, Attributes=attributes, ReturnSubscriptionArn=True
        )
        arn: str = answer["SubscriptionArn"]
        return arn

    def rule(self, name: str, pattern: Any, *targets: str, **arguments: str) -> None:
        text = pattern if isinstance(pattern, str) else json.dumps(pattern)
        self.events.put_rule(Name=name, EventPattern=text, **arguments)
        wanted = [{"Id": str(number), "Arn": arn} for number, arn in enumerate(targets)]
        if wanted:
            answer = self.events.put_targets(Rule=name, Targets=wanted, **arguments)
            assert answer["FailedEntryCount"] == 0, answer

    def put(self, source: str, detail: Any, **arguments: str) -> None:
        entry = {"Source": source, "DetailType": "d", "Detail": json.dumps(detail), **arguments}
        answer = self.events.put_events(Entries=[entry])
        assert answer["FailedEntryCount"] == 0, answer

    def take(self, url: str, wait: int = 0, **arguments: Any) -> list[str]:
        """The bodies of up to ten messages, which are deleted."""
        found = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait, **arguments)
        messages = found.get("Messages", [])
        if messages:
            entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
            assert not self.sqs.delete_message_batch(QueueUrl=url, Entries=entries).get("Failed")
        return [message["Body"] for message in messages]

    def take_all(self, url: str, count: int, seconds: float = 30.0) -> list[str]:
        """So many bodies, in the order they came; and no more than those."""
        found: list[str] = []

        def look() -> bool:
            found.extend(self.take(url, wait=1))
            return len(found) >= count

        until(look, f"{count} messages in {url}", seconds)
        assert len(found) == count, found
        return found


class Neighbour:
    """A topic and a rule that tell a queue, of an account of its own, always within some seconds."""

    def __init__(self, bulb: Running) -> None:
        self.house = House(bulb, OTHER)
        self.url = self.house.sqs.create_queue(QueueName="neighbour")["QueueUrl"]
        arn = f"arn:aws:sqs:us-east-1:{OTHER}:neighbour"
        self.house.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": open_policy(arn)})
        self.topic = self.house.sns.create_topic(Name="neighbour")["TopicArn"]
        self.house.subscribe(self.topic, "sqs", arn, RawMessageDelivery="true")
        self.house.rule("neighbour", {"source": ["neighbour"], "detail": {"n": [{"exists": True}]}}, arn)
        self.sent = 0
        self.assert_served()

    def assert_served(self, seconds: float = 20.0) -> None:
        """A message by each way arrives, once, and nothing of anybody else's."""
        self.sent += 1
        start = time.monotonic()
        self.house.sns.publish(TopicArn=self.topic, Message=f"message {self.sent}")
        self.house.put("neighbour", {"n": self.sent})
        bodies = self.house.take_all(self.url, 2, seconds)
        assert time.monotonic() - start < seconds
        plain = [body for body in bodies if body == f"message {self.sent}"]
        events = [json.loads(body)["detail"] for body in bodies if body not in plain]
        assert (len(plain), events) == (1, [{"n": self.sent}])


class Tracebacks(logging.Handler):
    """Keeps what the server logs with a traceback: it met something that it did not expect."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info or record.name == "asyncio":
            self.found.append(logging.Formatter().format(record))


@contextmanager
def watched(data: Path, **settings: Any) -> Iterator[Running]:
    """A server in whose log no traceback may be."""
    tracebacks = Tracebacks()
    logging.getLogger().addHandler(tracebacks)
    try:
        with running_bulb(data, **{"stock": 0, "egress": "none", **settings}) as bulb:
            yield bulb
    finally:
        logging.getLogger().removeHandler(tracebacks)
    assert not tracebacks.found, tracebacks.found[0]


def refused(call: Any, **arguments: Any) -> str:
    """The code of a refusal, which must be the caller's fault and in shape."""
    with pytest.raises(ClientError) as info:
        call(**arguments)
    answer = info.value.response
    assert 400 <= answer["ResponseMetadata"]["HTTPStatusCode"] < 500, answer
    code: str = answer["Error"]["Code"]
    assert code
    assert answer["Error"].get("Message"), answer
    return code
