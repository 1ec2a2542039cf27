"""The server's own pages, and who may read them."""

import json
import urllib.request
from contextlib import nullcontext

import pytest

from bulb.core.errors import AwsError
from bulb.http.message import BufferedBody, Request
from bulb.pages import refuse_strangers
from tests.support.bulb import Running
from tests.support.functions import create, invoke


def page(bulb: Running, path: str) -> dict[str, object]:
    with urllib.request.urlopen(bulb.url + path, timeout=10) as answer:
        document: dict[str, object] = json.load(answer)
    return document


def test_the_bill_is_the_report(bulb: Running) -> None:
    aws = bulb.client("lambda", access_key="111122223333")
    create(aws, "billed", "def handler(event, context): pass", MemorySize=1024)
    for _ in range(3):
        invoke(aws, "billed")
    logs = bulb.client("logs", access_key="111122223333")
    events = logs.filter_log_events(logGroupName="/aws/lambda/billed", filterPattern="REPORT")["events"]
    billed = sum(int(event["message"].split("Billed Duration: ")[1].split()[0]) for event in events)
    [line] = page(bulb, "/_bulb/bill?account=111122223333")["lines"]  # type: ignore[misc]
    assert (line["function"], line["requests"], line["billed_ms"]) == ("billed", 3, billed)
    assert line["gb_seconds"] == pytest.approx(billed / 1000)


def test_a_function_cannot_read_the_operators_pages(bulb: Running) -> None:
    if bulb.isolation == "plain":
        pytest.skip("on the plain rung functions share the machine's loopback")
    aws = bulb.client("lambda")
    source = """
        import urllib.request, urllib.error
        def handler(event, context):
            found = []
            for path in ("/_bulb/status", "/_bulb/bill", "/_bulb/health"):
                try:
                    found.append(urllib.request.urlopen("http://127.0.0.1:4566" + path).status)
                except urllib.error.HTTPError as error:
                    found.append(error.code)
            return found
    """
    create(aws, "curious", source, Timeout=10)
    assert invoke(aws, "curious")[0] == [404, 404, 200]


@pytest.mark.parametrize(
    ("client", "required", "refused"),
    [("127.0.0.1", True, False), ("::1", True, False), ("192.0.2.7", True, True), ("192.0.2.7", False, False)],
)
def test_where_credentials_are_required_the_pages_stay_on_the_machine(
    client: str, required: bool, refused: bool
) -> None:
    request = Request("GET", "/_bulb/bill", "", {}, BufferedBody(b""), (client, 1))
    with pytest.raises(AwsError, match="AccessDenied") if refused else nullcontext():
        refuse_strangers(request, required)
