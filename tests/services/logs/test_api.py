"""CloudWatch Logs as boto3 and the AWS CLI see it."""

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import Connection

from bulb.core.clock import SystemClock
from bulb.delivery.model import Refusal
from bulb.services.logs.api import Logs
from bulb.services.logs.subscriptions import Subscriptions
from bulb.storage.database import Database
from bulb.storage.outbox import Entry
from bulb.storage.writebehind import WriteBehind
from bulb.telemetry.log_store import LogStore
from tests.support.gateway import client, running_gateway

GROUP = "/aws/lambda/f"


class Nobody:
    """No function can be told."""

    def check(self, connection: Connection, entry: Entry) -> Refusal:
        return Refusal("NO_RESOURCE", "")


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    @asynccontextmanager
    async def services() -> AsyncIterator[Mapping[str, object]]:
        database = await Database.open(tmp_path / "bulb.db")
        writebehind = WriteBehind(database, SystemClock())
        writebehind.start()
        subscriptions = Subscriptions(database, Nobody(), SystemClock())
        yield {"logs": Logs(LogStore(database, writebehind, SystemClock()), subscriptions)}
        await writebehind.close()
        await database.close()

    with running_gateway(services) as url:
        yield url


@pytest.fixture
def logs(url: str) -> Any:
    return client("logs", url)


def put(logs: Any, messages: list[tuple[int, str]], stream: str = "s") -> Any:
    events = [{"timestamp": timestamp, "message": message} for timestamp, message in messages]
    return logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)


def stream(logs: Any, *names: str) -> None:
    logs.create_log_group(logGroupName=GROUP)
    for name in names:
        logs.create_log_stream(logGroupName=GROUP, logStreamName=name)


def refused(code: str) -> Any:
    return pytest.raises(ClientError, match=code)


def test_groups(logs: Any) -> None:
    for name in ("a", "b/c", "b/d"):
        logs.create_log_group(logGroupName=name, tags={"k": "v"})
    with refused("ResourceAlreadyExistsException"):
        logs.create_log_group(logGroupName="a")
    assert [g["logGroupName"] for g in logs.describe_log_groups(logGroupNamePrefix="b/")["logGroups"]] == ["b/c", "b/d"]
    assert [g["logGroupName"] for g in logs.describe_log_groups(logGroupNamePattern="/c")["logGroups"]] == ["b/c"]
    assert logs.describe_log_groups(logGroupNamePattern="/C")["logGroups"] == []
    pages = list(logs.get_paginator("describe_log_groups").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["logGroups"]) for page in pages] == [2, 1]
    group = pages[0]["logGroups"][0]
    assert group["arn"] == "arn:aws:logs:us-east-1:000000000000:log-group:a:*"
    assert group["logGroupArn"] == "arn:aws:logs:us-east-1:000000000000:log-group:a"
    assert "retentionInDays" not in group
    logs.put_retention_policy(logGroupName="a", retentionInDays=7)
    assert logs.describe_log_groups(logGroupIdentifiers=["a"])["logGroups"][0]["retentionInDays"] == 7
    with refused("InvalidParameterException"):
        logs.put_retention_policy(logGroupName="a", retentionInDays=8)
    logs.delete_retention_policy(logGroupName="a")
    arn = group["logGroupArn"]
    logs.tag_resource(resourceArn=arn, tags={"l": "w"})
    logs.untag_resource(resourceArn=arn, tagKeys=["k"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"l": "w"}
    assert logs.list_log_groups(logGroupNamePattern="b/c")["logGroups"][0]["logGroupName"] == "b/c"
    logs.put_log_group_deletion_protection(logGroupIdentifier="a", deletionProtectionEnabled=True)
    with refused("ValidationException"):
        logs.delete_log_group(logGroupName="a")
    logs.put_log_group_deletion_protection(logGroupIdentifier="a", deletionProtectionEnabled=False)
    logs.delete_log_group(logGroupName="a")
    with refused("ResourceNotFoundException"):
        logs.delete_log_group(logGroupName="a")


def test_accounts_and_regions_are_apart(url: str, logs: Any) -> None:
    logs.create_log_group(logGroupName="a")
    assert client("logs", url, region="eu-west-1").describe_log_groups()["logGroups"] == []
    assert client("logs", url, access_key="111122223333").describe_log_groups()["logGroups"] == []


def test_streams(logs: Any) -> None:
    stream(logs, "x1", "x2", "y")
    now = int(time.time() * 1000)
    put(logs, [(now, "m")], "x2")
    found = logs.describe_log_streams(logGroupName=GROUP, orderBy="LastEventTime", descending=True)["logStreams"]
    assert found[0]["logStreamName"] == "x2"
    assert found[0]["lastEventTimestamp"] == now
    assert "lastEventTimestamp" not in found[1]
    found = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="x")["logStreams"]
    assert [s["logStreamName"] for s in found] == ["x1", "x2"]
    with refused("InvalidParameterException"):
        logs.describe_log_streams(logGroupName=GROUP, orderBy="LastEventTime", logStreamNamePrefix="x")
    pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=GROUP, PaginationConfig={"PageSize": 1})
    assert [page["logStreams"][0]["logStreamName"] for page in pages] == ["x1", "x2", "y"]
    logs.delete_log_stream(logGroupName=GROUP, logStreamName="x2")
    with refused("log stream does not exist"):
        put(logs, [(now, "m")], "x2")


def test_get_log_events_walks_both_ways_and_ends_with_the_same_token(logs: Any) -> None:
    stream(logs, "s")
    now = int(time.time() * 1000)
    put(logs, [(now + i, f"{i}") for i in range(10)])
    options = {"logGroupName": GROUP, "logStreamName": "s", "limit": 4}
    page = logs.get_log_events(**options)
    assert [e["message"] for e in page["events"]] == ["6", "7", "8", "9"]
    end = logs.get_log_events(**options, nextToken=page["nextForwardToken"], startFromHead=True)
    assert end["events"] == []
    assert end["nextForwardToken"] == page["nextForwardToken"]
    back = logs.get_log_events(**options, nextToken=page["nextBackwardToken"])
    assert [e["message"] for e in back["events"]] == ["2", "3", "4", "5"]
    put(logs, [(now + 10, "10")])
    more = logs.get_log_events(**options, nextToken=end["nextForwardToken"], startFromHead=True)
    assert [e["message"] for e in more["events"]] == ["10"]
    head = logs.get_log_events(**options, startFromHead=True, startTime=now + 1, endTime=now + 3)
    assert [e["message"] for e in head["events"]] == ["1", "2"]
    with refused("InvalidParameterException"):
        logs.get_log_events(**options, nextToken="f/12")


def test_filter_log_events(logs: Any) -> None:
    stream(logs, "s1", "s2")
    now = int(time.time() * 1000)
    put(logs, [(now + 2 * i, f"ERROR {i}") for i in range(5)], "s1")
    put(logs, [(now + 2 * i + 1, f"INFO {i}") for i in range(5)], "s2")
    found = logs.filter_log_events(logGroupName=GROUP, filterPattern="?ERROR ?INFO", endTime=now + 3)
    assert [e["message"] for e in found["events"]] == ["ERROR 0", "INFO 0", "ERROR 1", "INFO 1"]
    assert len({e["eventId"] for e in found["events"]}) == 4
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=GROUP, filterPattern="ERROR", PaginationConfig={"PageSize": 2}
    )
    assert [e["message"] for page in pages for e in page["events"]] == [f"ERROR {i}" for i in range(5)]
    only = logs.filter_log_events(logGroupName=GROUP, logStreamNames=["s2"], limit=1)
    assert [e["logStreamName"] for e in only["events"]] == ["s2"]
    arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{GROUP}"
    assert len(logs.filter_log_events(logGroupIdentifier=arn, logStreamNamePrefix="s1")["events"]) == 5
    with refused("InvalidParameterException"):
        logs.filter_log_events(logGroupName=GROUP, filterPattern="{ nonsense")
    with refused("ResourceNotFoundException"):
        logs.filter_log_events(logGroupName="none")


def test_what_put_log_events_refuses(logs: Any) -> None:
    stream(logs, "s")
    now, day = int(time.time() * 1000), 86_400_000
    with refused("chronological"):
        put(logs, [(now, "a"), (now - 1, "b")])
    with refused("24 hours"):
        put(logs, [(now - 2 * day, "a"), (now, "b")])
    with refused("too large"):
        put(logs, [(now, "x" * 1_048_576)])
    with refused("Upload too large"):
        put(logs, [(now, "x" * 600_000), (now, "x" * 600_000)])
    assert put(logs, [(now - 15 * day, "old")])["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    answer = put(logs, [(now, "fine"), (now + 3 * 3_600_000, "new")])
    assert answer["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 1}
    assert [e["message"] for e in logs.filter_log_events(logGroupName=GROUP)["events"]] == ["fine"]


def test_what_is_not_there_yet_says_so(logs: Any) -> None:
    with pytest.raises(ClientError, match="StartQuery"):
        logs.start_query(logGroupName=GROUP, startTime=0, endTime=1, queryString="fields @message")


def test_following_as_the_cli_does(logs: Any) -> None:
    """`aws logs tail --follow` is this loop: filter from the last timestamp on, leave out ids already printed."""
    stream(logs, "s")
    start, seen = int(time.time() * 1000), set[str]()
    for i in range(5):
        put(logs, [(start + i // 2, f"{i}")])
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP, startTime=start, interleaved=True)
        fresh = [e for page in pages for e in page["events"] if e["eventId"] not in seen]
        assert [e["message"] for e in fresh] == [f"{i}"]
        seen |= {e["eventId"] for e in fresh}
        start = max(e["timestamp"] for e in fresh)


def test_the_cli_reads(url: str, logs: Any) -> None:
    stream(logs, "s")
    put(logs, [(int(time.time() * 1000), "first")])
    aws = Path(sys.executable).with_name("aws")
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    command = [str(aws), "--endpoint-url", url, "logs", "filter-log-events", "--log-group-name", GROUP]
    shown = subprocess.run(command, env={**os.environ, **keys}, capture_output=True, text=True, timeout=60, check=True)
    assert '"message": "first"' in shown.stdout
