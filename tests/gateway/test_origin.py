"""Which pages may call, and under which names."""

from urllib.error import HTTPError
from urllib.request import Request as UrlRequest
from urllib.request import urlopen

import pytest

from bulb.core.errors import AwsError
from bulb.gateway.options import GatewayOptions
from bulb.gateway.origin import OriginGuard
from bulb.http.message import BufferedBody, Request
from tests.gateway.toys import toys
from tests.support.gateway import running_gateway

HERE = "127.0.0.1:4566"


def request(method: str = "GET", **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, "/", "", {"host": HERE} | named, BufferedBody(b""), ("127.0.0.1", 1))


def admits(guard: OriginGuard, **headers: str) -> bool:
    try:
        guard.check(request(**headers))
    except AwsError as refusal:
        assert refusal.status == 403
        return False
    return True


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:4566",
        "[::1]:4566",
        "192.168.1.7",
        "localhost",
        "LOCALHOST.:80",
        "bucket.s3.localhost:4566",
        "bucket.s3.localhost.localstack.cloud:4566",
        "lambda.us-east-1.amazonaws.com",
        "bucket.s3.eu-west-1.amazonaws.com",
        "bulb.example:4566",
        "bucket.s3.bulb.example",
    ],
)
def test_our_names(host: str) -> None:
    assert admits(OriginGuard(GatewayOptions(hosts=frozenset({"bulb.example"}))), host=host)


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "notlocalhost", "127.0.0.1.nip.io", "a.b"])
def test_names_that_may_be_rebound(host: str) -> None:
    with pytest.raises(AwsError, match="call it by its address or localhost"):
        OriginGuard(GatewayOptions()).check(request(host=host))
    assert admits(OriginGuard(GatewayOptions(check_hosts=False)), host=host)


@pytest.mark.parametrize(
    ("headers", "admitted"),
    [
        ({}, True),
        ({"origin": "http://127.0.0.1:4566"}, True),
        ({"origin": "http://localhost:3000"}, True),
        ({"origin": "https://app.localhost"}, True),
        ({"origin": "http://[::1]:3000"}, True),
        ({"origin": "https://app.example"}, True),
        ({"referer": "https://app.example/page?x=1"}, True),
        ({"referer": "http://localhost:3000/page"}, True),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "http://app.example"}, False),
        ({"origin": "https://app.example.evil.example"}, False),
        ({"origin": "http://localhost.evil.example"}, False),
        ({"origin": "http://127.0.0.1.evil.example"}, False),
        ({"origin": "http://localhost@evil.example"}, False),
        ({"origin": "http://localhost:80@evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://["}, False),
        ({"referer": "https://evil.example/page"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-origin"}, True),
    ],
)
def test_pages_of_other_sites(headers: dict[str, str], admitted: bool) -> None:
    guard = OriginGuard(GatewayOptions(allowed_origins=frozenset({"https://app.example"})))
    assert admits(guard, **headers) is admitted


def test_over_http() -> None:
    with running_gateway(toys()) as url:
        page = {"Origin": "http://localhost:3000"}
        preflight = page | {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-amz-date"}
        with urlopen(UrlRequest(f"{url}/bucket/key", headers=preflight, method="OPTIONS")) as answer:
            assert answer.headers["access-control-allow-origin"] == page["Origin"]
            assert answer.headers["access-control-allow-methods"] == "PUT"
            assert answer.headers["access-control-allow-headers"] == "x-amz-date"
        with urlopen(UrlRequest(f"{url}/2015-03-31/functions", headers=page)) as answer:
            assert answer.headers["access-control-allow-origin"] == page["Origin"]
        foreign = UrlRequest(f"{url}/2015-03-31/functions", headers={"Origin": "https://evil.example"})
        with pytest.raises(HTTPError) as refused:
            urlopen(foreign)
        assert refused.value.code == 403
        assert refused.value.headers["access-control-allow-origin"] is None
