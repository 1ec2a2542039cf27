"""Queues that listen to topics, HTTP endpoints on loopback, and signatures checked as receivers check them."""

import base64
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from tests.support.bulb import Running
from tests.support.waiting import until

ACCOUNT, OTHER = "000000000000", "111122223333"


def topic(bulb: Running, name: str, **attributes: str) -> str:
    arn: str = bulb.client("sns").create_topic(Name=name, Attributes=attributes)["TopicArn"]
    return arn


class Queue:
    """A queue as a test sees it."""

    def __init__(self, bulb: Running, name: str, **keys: str) -> None:
        self.sqs = bulb.client("sqs", **keys)
        attributes = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
        self.url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.arn: str = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]

    def received(self, count: int, seconds: float = 30.0) -> list[dict[str, Any]]:
        """So many messages, deleted, in the order they came."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            answer = self.sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=10,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
                WaitTimeSeconds=1,
            )
            for message in answer.get("Messages", []):
                found.append(message)
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
            return len(found) >= count

        until(look, f"{count} messages in {self.url}, {len(found)} came", seconds)
        assert len(found) == count, found
        return found

    def documents(self, count: int) -> list[dict[str, Any]]:
        return [json.loads(message["Body"]) for message in self.received(count)]

    def is_empty(self) -> bool:
        return not self.sqs.receive_message(QueueUrl=self.url).get("Messages")


def subscribe(bulb: Running, topic_arn: str, queue: Queue, **attributes: str) -> str:
    answer = bulb.client("sns").subscribe(
        TopicArn=topic_arn, Protocol="sqs", Endpoint=queue.arn, Attributes=attributes, ReturnSubscriptionArn=True
    )
    arn: str = answer["SubscriptionArn"]
    return arn


@dataclass
class Post:
    """A request an endpoint got."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document

    @property
    def kind(self) -> str:
        return self.headers["x-amz-sns-message-type"]


@dataclass
class Endpoint:
    """An HTTP server; `answers` are the next statuses, afterwards 200."""

    url: str
    posts: list[Post] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def got(self, count: int, seconds: float = 30.0) -> list[Post]:
        until(lambda: len(self.posts) >= count, f"{count} requests, {len(self.posts)} came", seconds)
        return self.posts[:count]


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # Five is too few for deliveries that come together while nobody accepts.


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            opened.posts.append(Post(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(opened.answers.pop(0) if opened.answers else 200)
            for name, value in opened.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Quietly."""

    server = Server(("127.0.0.1", 0), Handler)
    opened = Endpoint(f"http://127.0.0.1:{server.server_port}/hook")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield opened
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def confirmed(bulb: Running, topic_arn: str, there: Endpoint, **attributes: str) -> str:
    """Subscribe an endpoint and confirm it by its link; the subscription's ARN."""
    before = len(there.posts)
    answer = bulb.client("sns").subscribe(
        TopicArn=topic_arn, Protocol="http", Endpoint=there.url, Attributes=attributes, ReturnSubscriptionArn=True
    )
    asked = there.got(before + 1)[-1]
    assert asked.kind == "SubscriptionConfirmation"
    assert fetched(asked.document["SubscribeURL"])[0] == 200
    there.posts.clear()
    arn: str = answer["SubscriptionArn"]
    return arn


def fetched(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def check_signature(document: dict[str, Any]) -> None:
    """As AWS's page about it says. Raises InvalidSignature."""
    signed = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
    text = "".join(f"{name}\n{document[name]}\n" for name in signed if document.get(name) is not None)
    url = document.get("SigningCertURL") or document["SigningCertUrl"]
    status, certificate = fetched(url)
    assert status == 200
    key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    assert isinstance(key, RSAPublicKey)
    algorithm = {"1": hashes.SHA1(), "2": hashes.SHA256()}[document["SignatureVersion"]]
    key.verify(base64.b64decode(document["Signature"]), text.encode(), PKCS1v15(), algorithm)


def refused(call: Any, **arguments: Any) -> tuple[str, str]:
    """The code and text of a refusal."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] in (400, 403, 404, 501), error
    return error["Error"]["Code"], error["Error"]["Message"]


def invalid(what: str) -> tuple[str, str]:
    return "InvalidParameter", f"Invalid parameter: {what}"
