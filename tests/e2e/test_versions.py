"""Versions and aliases with functions that run: who answers, and what a handler sees of it."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.bulb import Process, Running
from tests.support.functions import create, invoke, zipped
from tests.support.waiting import until

TELLING = """
    import os
    calls = 0
    def handler(event, context):
        global calls
        calls += 1
        print("told", event.get("what"))
        return {
            "colour": os.environ.get("COLOUR"),
            "code": %r,
            "calls": calls,
            "born": open("/proc/self/stat").read().rpartition(")")[2].split()[19],
            "version": context.function_version,
            "arn": context.invoked_function_arn,
            "stream": context.log_stream_name,
            "variables": [os.environ["AWS_LAMBDA_FUNCTION_VERSION"], os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]],
        }
"""


def colour(aws: Any, name: str, value: str) -> None:
    """The next `$LATEST`."""
    aws.update_function_configuration(FunctionName=name, Environment={"Variables": {"COLOUR": value}})
    aws.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})


def two_versions(aws: Any, name: str) -> str:
    """Version 1 is red, version 2 green, `$LATEST` blue; the function's ARN."""
    arn = create(aws, name, TELLING % "first")
    for value in ("red", "green"):
        colour(aws, name, value)
        aws.publish_version(FunctionName=name)
    colour(aws, name, "blue")
    return arn


def test_each_version_runs_what_it_was_in_environments_of_its_own(bulb: Running) -> None:
    aws = bulb.client("lambda")
    arn = two_versions(aws, "coloured")
    expected = {"1": "red", "2": "green", "$LATEST": "blue"}
    for round_ in (1, 2):
        for version, value in expected.items():
            told, response = invoke(aws, "coloured", Qualifier=version)
            assert (told["colour"], told["version"], told["calls"]) == (value, version, round_)
            assert (told["arn"], response["ExecutedVersion"]) == (f"{arn}:{version}", version)
            assert re.fullmatch(rf"\d{{4}}/\d\d/\d\d/\[{re.escape(version)}\][0-9a-f]{{32}}", told["stream"])
            assert told["variables"] == [version, told["stream"]]
    unqualified, _ = invoke(aws, "coloured")
    assert (unqualified["colour"], unqualified["arn"], unqualified["calls"]) == ("blue", arn, 3)


def test_publishing_twice_without_a_change_is_one_version(bulb: Running) -> None:
    aws = bulb.client("lambda")
    create(aws, "published", TELLING % "first")
    first = aws.publish_version(FunctionName="published", Description="one")
    again = aws.publish_version(FunctionName="published", Description="another")
    assert (first["Version"], again["Version"], again["Description"]) == ("1", "1", "one")
    colour(aws, "published", "red")
    assert aws.publish_version(FunctionName="published")["Version"] == "2"
    aws.update_function_code(FunctionName="published", ZipFile=zipped(app=TELLING % "second"))
    aws.get_waiter("function_updated_v2").wait(
        FunctionName="published", WaiterConfig={"Delay": 0.05, "MaxAttempts": 200}
    )
    assert [aws.publish_version(FunctionName="published")["Version"] for _ in range(2)] == ["3", "3"]
    listed = aws.list_versions_by_function(FunctionName="published")["Versions"]
    assert [version["Version"] for version in listed] == ["$LATEST", "1", "2", "3"]


def test_new_code_leaves_a_published_version_alone(bulb: Running) -> None:
    aws = bulb.client("lambda")
    create(aws, "kept", TELLING % "first", Publish=True)
    published = aws.update_function_code(FunctionName="kept", ZipFile=zipped(app=TELLING % "second"), Publish=True)
    assert published["Version"] == "2"
    aws.get_waiter("function_updated_v2").wait(FunctionName="kept", WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})
    assert [invoke(aws, f"kept:{version}")[0]["code"] for version in ("1", "2", "$LATEST")] == [
        "first",
        "second",
        "second",
    ]


def test_a_handler_sees_the_alias_it_was_invoked_by(bulb: Running) -> None:
    aws = bulb.client("lambda")
    arn = two_versions(aws, "named")
    aws.create_alias(FunctionName="named", Name="live", FunctionVersion="1")
    told, response = invoke(aws, "named", Qualifier="live")
    assert (told["arn"], told["version"], told["colour"]) == (f"{arn}:live", "1", "red")
    assert response["ExecutedVersion"] == "1"
    assert "[1]" in told["stream"]
    environment = told["born"]
    told, _ = invoke(aws, f"{arn}:1")
    assert (told["arn"], told["born"]) == (f"{arn}:1", environment)
    aws.update_alias(FunctionName="named", Name="live", FunctionVersion="2")
    told, response = invoke(aws, f"{arn}:live")
    assert (told["version"], told["colour"], response["ExecutedVersion"]) == ("2", "green", "2")
    streamed = aws.invoke_with_response_stream(FunctionName="named:live")
    told = json.loads(
        b"".join(part["PayloadChunk"]["Payload"] for part in streamed["EventStream"] if "PayloadChunk" in part)
    )
    assert (told["arn"], told["version"], streamed["ExecutedVersion"]) == (f"{arn}:live", "2", "2")
    dry = aws.invoke(FunctionName="named:live", InvocationType="DryRun")
    assert (dry["StatusCode"], dry["Payload"].read()) == (204, b"")
    assert "ExecutedVersion" not in dry


def test_an_alias_divides_a_thousand_calls_by_its_weights(bulb: Running) -> None:
    aws = bulb.client("lambda")
    arn = two_versions(aws, "divided")
    aws.create_alias(
        FunctionName="divided",
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.1}},
    )
    counted: Counter[tuple[str, str, str]] = Counter()
    for _ in range(1_000):
        told, response = invoke(aws, "divided:live")
        counted[response["ExecutedVersion"], told["version"], told["colour"]] += 1
        assert told["arn"] == f"{arn}:live"
    assert set(counted) == {("1", "1", "red"), ("2", "2", "green")}
    five_sigma = 5 * (1_000 * 0.1 * 0.9) ** 0.5  # beyond which one run in a million is
    assert abs(counted["2", "2", "green"] - 100) <= five_sigma
    aws.update_alias(FunctionName="divided", Name="live", RoutingConfig={"AdditionalVersionWeights": {}})
    assert {invoke(aws, "divided:live")[0]["version"] for _ in range(50)} == {"1"}


def test_an_event_for_an_alias_reaches_its_version(bulb: Running) -> None:
    aws, logs = bulb.client("lambda"), bulb.client("logs")
    two_versions(aws, "events-by-alias")
    aws.create_alias(FunctionName="events-by-alias", Name="live", FunctionVersion="2")
    accepted = aws.invoke(
        FunctionName="events-by-alias", Qualifier="live", InvocationType="Event", Payload=json.dumps({"what": "later"})
    )
    assert accepted["StatusCode"] == 202
    assert "ExecutedVersion" not in accepted

    def streams() -> list[str]:
        try:
            found = logs.filter_log_events(logGroupName="/aws/lambda/events-by-alias", filterPattern="told")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [event["logStreamName"] for event in found if event["message"].startswith("told later")]

    found = until(streams, "the event's line in the log")
    assert len(found) == 1
    assert "[2]" in found[0]


def test_a_deleted_version_is_not_there_any_more(bulb: Running) -> None:
    aws = bulb.client("lambda")
    two_versions(aws, "shorter")
    invoke(aws, "shorter:2")
    aws.delete_function(FunctionName="shorter", Qualifier="2")
    with pytest.raises(aws.exceptions.ResourceNotFoundException):
        invoke(aws, "shorter:2")
    assert invoke(aws, "shorter:1")[0]["colour"] == "red"


def test_versions_aliases_and_policies_survive_a_kill(tmp_path: Path) -> None:
    server = Process(tmp_path / "data")
    server.start()
    try:
        aws = server.client("lambda")
        arn = two_versions(aws, "lasting")
        aws.create_alias(
            FunctionName="lasting",
            Name="live",
            FunctionVersion="1",
            Description="what runs",
            RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}},
        )
        grant = {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
        for qualifier in ("1", "live"):
            aws.add_permission(FunctionName="lasting", Qualifier=qualifier, StatementId=qualifier, **grant)

        def kept(aws: Any) -> list[Any]:
            answers = [
                *aws.list_versions_by_function(FunctionName="lasting")["Versions"],
                aws.get_alias(FunctionName="lasting", Name="live"),
                aws.get_policy(FunctionName="lasting", Qualifier="1"),
                aws.get_policy(FunctionName="lasting:live"),
            ]
            return [{k: v for k, v in answer.items() if k != "ResponseMetadata"} for answer in answers]

        before = kept(aws)
        server.kill()
        server.start()
        aws = server.client("lambda")
        assert kept(aws) == before
        told, _ = invoke(aws, f"{arn}:live")
        assert (told["version"], told["colour"], told["arn"]) == ("2", "green", f"{arn}:live")
        assert aws.publish_version(FunctionName="lasting")["Version"] == "3"
    finally:
        server.kill()
