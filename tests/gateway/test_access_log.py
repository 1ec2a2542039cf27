"""One line a request, and nothing in it that must stay secret."""

import io
import json
import logging

import pytest
from botocore.exceptions import ClientError

from bulb.gateway.access_log import AccessLog, Line
from tests.gateway.toys import toys
from tests.support.gateway import client, running_gateway


def test_a_line_for_every_request() -> None:
    text = io.StringIO()
    with AccessLog(logging.StreamHandler(text)) as log, running_gateway(toys(), access_log=log) as url:
        functions = client("lambda", url, access_key="123456789012", secret_key="hush-hush")
        functions.invoke(FunctionName="one", Payload=b'"payload"')
        with pytest.raises(ClientError):
            functions.get_function(FunctionName="gone")
    first, second = (json.loads(line) for line in text.getvalue().splitlines())
    assert {key: first[key] for key in ("service", "operation", "status", "account", "access_key", "method")} == {
        "service": "lambda",
        "operation": "Invoke",
        "status": 200,
        "account": "123456789012",
        "access_key": "123456789012",
        "method": "POST",
    }
    assert first["path"] == "/2015-03-31/functions/one/invocations"
    assert 0 < first["seconds"] < 10
    assert (second["status"], second["error"]) == (404, "ResourceNotFoundException")
    for secret in ("hush-hush", "Signature", "payload"):
        assert secret not in text.getvalue()


def test_a_log_that_is_too_slow_drops_lines_and_counts_them() -> None:
    log = AccessLog(logging.NullHandler())
    line = Line(0.0, "id", "", "GET", "/", 200, 0.0, None, None, None, None, None)
    for _ in range(10_005):
        log.record(line)
    assert log.dropped == 5
    with log:
        pass
