"""A server that requires credentials, and requests signed rightly, so that tests can change them."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.support.bulb import Running, running_bulb
from tests.support.rawhttp import Message, Reply, send

BUCKET = "guarded"
Keys = dict[str, str]


@contextmanager
def strict_server(data: Path) -> Iterator[Running]:
    """With one bucket in it."""
    with running_bulb(data, credentials="required", stock=0) as bulb:
        bulb.client("s3", **root_of(bulb)).create_bucket(Bucket=BUCKET)
        yield bulb


def root_of(bulb: Running) -> Keys:
    """The operator's key, as the client fixture takes it."""
    kept = json.loads((bulb.data / "root-key.json").read_text())
    return {"access_key": kept["AccessKeyId"], "secret_key": kept["SecretAccessKey"]}


def session_of(issued: dict[str, Any]) -> Keys:
    return {
        "access_key": issued["AccessKeyId"],
        "secret_key": issued["SecretAccessKey"],
        "session_token": issued["SessionToken"],
    }


def refusal(call: Callable[[], Any]) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def by_service(s3: str, json_services: str, query_services: str) -> dict[str, tuple[str, int]]:
    return {
        "s3": (s3, 403),
        **dict.fromkeys(("lambda", "logs"), (json_services, 403)),
        **dict.fromkeys(("iam", "sts"), (query_services, 403)),
    }


def signed(
    bulb: Running,
    service: str,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    keys: Keys | None = None,
    region: str = "us-east-1",
    **headers: str,
) -> Message:
    """A request signed by botocore's own signer, with the operator's key unless other `keys` are given."""
    root = keys or root_of(bulb)
    request = AWSRequest(
        method, bulb.url + path, {name.replace("_", "-"): value for name, value in headers.items()}, body
    )
    request.headers["Host"] = urlsplit(bulb.url).netloc
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(Credentials(root["access_key"], root["secret_key"]), service, region).add_auth(request)
    return Message(method, path, tuple((name, str(value)) for name, value in request.headers.items()), body)


def answered(bulb: Running, message: Message) -> Reply:
    reply = send(bulb.url, message)
    assert reply is not None
    return reply


def outcome(bulb: Running, message: Message) -> tuple[int, str]:
    reply = answered(bulb, message)
    return reply.status, reply.error_code() if reply.status >= 400 else ""


def presigner(bulb: Running, keys: Keys, version: str = "s3v4") -> Any:
    return bulb.client("s3", signature_version=version, s3={"addressing_style": "path"}, **keys)


def fetched(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(
        url, body, {name.replace("_", "-"): v for name, v in headers.items()}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
