"""The metadata endpoint, without a socket."""

import json

import pytest

from bulb.environments.metadata import Metadata, short_region
from bulb.http.message import BufferedBody, Request, Response


def ask(
    metadata: Metadata, authorization: str | None, method: str = "GET", what: str = "execution-environment"
) -> Response:
    headers = {} if authorization is None else {"authorization": authorization}
    path = f"/2026-01-15/metadata/{what}"
    return metadata.handle(Request(method, path, "", headers, BufferedBody(b""), ("127.0.0.1", 1)))


def test_the_token_opens_it() -> None:
    metadata = Metadata("us-east-1")
    answer = ask(metadata, f"Bearer {metadata.token}")
    assert isinstance(answer.body, bytes)
    assert (answer.status, json.loads(answer.body)) == (200, {"AvailabilityZoneID": "use1-az1"})
    assert answer.header("cache-control") == "private, max-age=43200, immutable"


@pytest.mark.parametrize("authorization", [None, "", "Bearer ", "Bearer wrong", "Bearer é"])
def test_nothing_else_does(authorization: str | None) -> None:
    assert ask(Metadata("us-east-1"), authorization).status == 401


def test_other_methods_and_paths() -> None:
    metadata = Metadata("us-east-1")
    assert ask(metadata, f"Bearer {metadata.token}", "POST").status == 405
    assert ask(metadata, f"Bearer {metadata.token}", what="other").status == 404


@pytest.mark.parametrize(
    ("region", "short"),
    [
        ("us-east-1", "use1"),
        ("eu-central-1", "euc1"),
        ("ap-southeast-2", "apse2"),
        ("ap-northeast-1", "apne1"),
        ("us-gov-west-1", "usgw1"),
        ("sa-east-1", "sae1"),
    ],
)
def test_zones_are_named_by_region(region: str, short: str) -> None:
    assert short_region(region) == short
