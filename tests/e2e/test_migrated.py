"""A database of the first schema, as a server of that time left it, is served: everything in it still does its work."""

import json
import urllib.request
from collections.abc import Iterator

import pytest

from bulb.storage.engines import postgresql_engines, sqlite_engines
from tests.storage.postgresql import new_database
from tests.support import first_schema
from tests.support.bulb import Running, running_bulb
from tests.support.clock import MovableClock
from tests.support.functions import invoke
from tests.support.waiting import until


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("old") / "data"
    data.mkdir()
    url = new_database(request.getfixturevalue("postgresql_server")) if request.param == "postgresql" else None
    engines = sqlite_engines(data / "bulb.db") if url is None else postgresql_engines(url)
    with engines.writer.begin() as connection:
        first_schema.make(connection)
        first_schema.fill(connection, data / "blobs", MovableClock().now())
    engines.dispose()
    with running_bulb(data, database=url) as bulb:
        yield bulb


def test_functions_are_what_they_were(server: Running) -> None:
    aws = server.client("lambda")
    shown = aws.get_function(FunctionName="kept")
    assert shown["Tags"] == {"team": "a"}
    settings = {name: shown["Configuration"][name] for name in ("State", "Timeout", "MemorySize", "Environment")}
    assert settings == {
        "State": "Active",
        "Timeout": 7,
        "MemorySize": 256,
        "Environment": {"Variables": {"GREETING": "hello"}},
    }
    assert [each["FunctionName"] for each in aws.list_functions()["Functions"]] == ["failing", "kept"]
    assert invoke(aws, "kept", {"a": 1})[0] == {"event": {"a": 1}, "greeting": "hello", "version": "$LATEST"}


def test_functions_can_have_what_is_new(server: Running) -> None:
    aws = server.client("lambda")
    assert aws.publish_version(FunctionName="kept")["Version"] == "1"
    assert aws.publish_version(FunctionName="kept")["Version"] == "1"
    aws.create_alias(FunctionName="kept", Name="live", FunctionVersion="1")
    aws.put_function_concurrency(FunctionName="kept", ReservedConcurrentExecutions=5)
    assert invoke(aws, "kept:live")[0]["version"] == "1"
    assert aws.get_function_concurrency(FunctionName="kept")["ReservedConcurrentExecutions"] == 5


def test_uploads_still_invoke(server: Running) -> None:
    document = json.loads(server.client("lambda").get_policy(FunctionName="kept")["Policy"])
    assert (document["Version"], document["Id"], document["Statement"][0]["Sid"]) == ("2012-10-17", "default", "s3")
    s3, logs = server.client("s3"), server.client("logs")
    assert s3.get_object(Bucket="uploads", Key="a/b.txt")["Body"].read() == b"hello"
    s3.put_object(Bucket="uploads", Key="after", Body=b"x")

    def told() -> list[str]:
        events = logs.filter_log_events(logGroupName="/aws/lambda/kept", filterPattern="told")["events"]
        return [event["message"] for event in events]

    until(lambda: any('"key": "after"' in message for message in told()), "the upload to be told of")
    assert told()[0] == 'told {"a": 1}\n'


def test_the_rest_is_there(server: Running) -> None:
    assert [role["RoleName"] for role in server.client("iam").list_roles()["Roles"]] == ["worker"]
    with urllib.request.urlopen(f"{server.url}/_bulb/bill") as answer:
        lines = json.load(answer)["lines"]
    [line] = [line for line in lines if line["function"] == "kept"]
    assert line["requests"] >= 2
    assert line["provisioned_usd"] == 0


def test_an_event_waits_for_its_next_attempt_and_ends_where_it_is_told_to(server: Running) -> None:
    aws, s3 = server.client("lambda"), server.client("s3")
    s3.create_bucket(Bucket="ends")
    aws.put_function_event_invoke_config(
        FunctionName="failing",
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::ends"}},
    )
    server.clock.advance(3601)
    [ended] = until(lambda: s3.list_objects_v2(Bucket="ends").get("Contents"), "the end of the event")
    record = json.loads(s3.get_object(Bucket="ends", Key=ended["Key"])["Body"].read())
    assert record["requestPayload"] == {"x": 1}
    assert record["requestContext"]["approximateInvokeCount"] == 2


def test_functions_can_be_deleted(server: Running) -> None:
    aws = server.client("lambda")
    for name in first_schema.SOURCES:
        aws.delete_function(FunctionName=name)
    assert aws.list_functions()["Functions"] == []
