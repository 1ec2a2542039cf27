"""What streaming and SnapStart cost, from real functions to the page of the bill."""

import json
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_snapstart import publish
from tests.support.bulb import Running, running_bulb
from tests.support.functions import create, invoke
from tests.support.nodejs import runtime
from tests.support.streams import stream
from tests.support.waiting import until

NODE = runtime()
STREAMS = """
exports.handler = awslambda.streamifyResponse(async (event, out) => {
  out.write(Buffer.alloc(event.bytes, 'x'));
  out.end();
});
"""


def line(running: Running, function: str) -> dict[str, Any]:
    with urllib.request.urlopen(running.url + "/_bulb/bill", timeout=10) as bill:
        found = [line for line in json.load(bill)["lines"] if line["function"] == function]
    return dict(found[0]) if found else {}


@pytest.mark.skipif(NODE is None, reason="no Node.js 20, 22 or 24 on this machine")
def test_streamed_bytes_are_charged_beyond_the_first_six_megabytes(bulb: Running) -> None:
    aws = bulb.client("lambda", read_timeout=60)
    create(aws, "bill-streams", STREAMS, Runtime=NODE, Timeout=30)
    assert len(b"".join(stream(aws, "bill-streams", {"bytes": 7 * 1024**2}).chunks)) == 7 * 1024**2
    stream(aws, "bill-streams", {"bytes": 100})
    invoke_raw = aws.invoke(FunctionName="bill-streams", Payload=b'{"bytes": 100}')
    assert len(invoke_raw["Payload"].read()) == 100
    until(lambda: line(bulb, "bill-streams").get("requests") == 3, "three requests")
    found = line(bulb, "bill-streams")
    assert found["streamed_gb"] == 1 / 1024
    assert found["streamed_usd"] == pytest.approx(0.008 / 1024)


def test_a_snapshot_is_charged_three_hours_and_then_as_long_as_it_is_kept(tmp_path: Path) -> None:
    with running_bulb(tmp_path / "data") as running:
        if running.isolation != "full":
            pytest.skip(f"snapshots need the full rung; this is {running.isolation}")
        hours = timedelta(hours=5)  # more than this takes of the server's clock; the bill is a month's
        now = datetime.fromtimestamp(running.clock.now(), UTC)
        if (now + hours).month != now.month:
            running.clock.advance(hours.total_seconds())
        aws = running.client("lambda")
        source = "def handler(event, context):\n    return 1"
        version = publish(aws, "bill-snap", source)["Version"]
        least = 0.125 * 3 * 3600
        until(lambda: line(running, "bill-snap").get("snapshot_gb_seconds") == least, "three hours")
        assert line(running, "bill-snap")["restored_gb"] == 0
        assert invoke(aws, "bill-snap", Qualifier=version)[0] == 1
        until(lambda: line(running, "bill-snap")["restored_gb"] == 0.125, "a restore")
        running.clock.advance(2 * 3600)
        running.clock.advance(3600 + 310)
        until(lambda: line(running, "bill-snap")["snapshot_gb_seconds"] == least + 0.125 * 600, "ten minutes more")
        aws.delete_function(FunctionName="bill-snap")
        kept = line(running, "bill-snap")["snapshot_gb_seconds"]
        running.clock.advance(3600)
        assert invoke(aws, create(aws, "bill-other", source).rpartition(":")[2])[0] == 1
        assert line(running, "bill-snap")["snapshot_gb_seconds"] == kept
