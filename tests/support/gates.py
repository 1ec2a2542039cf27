"""A gate at which handlers wait until the test opens it: for what must happen while they run, however long it takes."""

import contextlib
import textwrap
import uuid
from typing import Any

from botocore.exceptions import ClientError

from bulb.core.facts import InvocationStarted
from tests.support.bulb import Running

_WAIT = """
import os, boto3

def wait():
    sqs, gate = boto3.client("sqs"), os.environ["GATE"]
    while not sqs.receive_message(QueueUrl=gate, WaitTimeSeconds=20, VisibilityTimeout=0).get("Messages"):
        pass
"""
TIMEOUT_S = 120


class Gate:
    """A gate of the server `bulb`, closed until `open`, then open for ever. `settings` are those of who waits at it."""

    def __init__(self, bulb: Running, name: str) -> None:
        self._sqs = bulb.client("sqs")
        self._url = self._sqs.create_queue(QueueName=f"gate-{name}")["QueueUrl"]
        self.settings: dict[str, Any] = {"Environment": {"Variables": {"GATE": self._url}}, "Timeout": TIMEOUT_S}

    def open(self) -> None:
        """Let everybody go who waits or comes."""
        self._sqs.send_message(QueueUrl=self._url, MessageBody="open")


class ObjectGate:
    """A gate for handlers in any language: an object, there at `AWS_ENDPOINT_URL` + `path` once it is open."""

    def __init__(self, bulb: Running) -> None:
        self._s3 = bulb.client("s3")
        with contextlib.suppress(ClientError):  # it is there
            self._s3.create_bucket(Bucket="gates")
        self._key = uuid.uuid4().hex
        self.path = f"/gates/{self._key}"

    def open(self) -> None:
        """Let everybody go who waits or comes."""
        self._s3.put_object(Bucket="gates", Key=self._key)


def waiting(source: str) -> str:
    """The source of a handler that may call `wait()`."""
    return _WAIT + textwrap.dedent(source)


def begun(bulb: Running, function: str) -> int:
    """How many invocations of the function have begun."""
    return sum(
        isinstance(fact, InvocationStarted) and fact.environment.function.name == function for fact in list(bulb.facts)
    )
