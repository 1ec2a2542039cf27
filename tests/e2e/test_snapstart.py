"""SnapStart: init runs once, when a version is published; environments begin as copies of that moment."""

import concurrent.futures
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bulb.core.facts import EnvironmentEnded, EnvironmentStarted
from tests.support.bulb import Running, running_bulb
from tests.support.functions import create, invoke
from tests.support.gates import Gate, begun, waiting
from tests.support.waiting import until

RUNTIME = "python3.12"
SNAPSHOT = {"ApplyOn": "PublishedVersions"}
SOURCE = """
import os, random, time
from snapshot_restore_py import register_after_restore, register_before_snapshot

order = []
register_before_snapshot(order.append, "before 1")
register_before_snapshot(order.append, "before 2")
register_after_restore(order.append, "after 1")
register_after_restore(order.append, "after 2")
drawn = random.random()
born = time.time()
calls = 0
with open("/tmp/made", "w") as file:
    file.write("by init")

def handler(event, context):
    global calls
    calls += 1
    with open("/tmp/made") as file:
        made = file.read()
    return {
        "order": order, "drawn": drawn, "born": born, "calls": calls, "made": made,
        "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
        "version": context.function_version, "stream": "AWS_LAMBDA_LOG_STREAM_NAME" in os.environ,
        "keys": "AWS_ACCESS_KEY_ID" in os.environ,
    }
"""


@pytest.fixture
def aws(bulb: Running) -> Any:
    if bulb.isolation != "full":
        pytest.skip(f"snapshots need the full rung; this is {bulb.isolation}")
    return bulb.client("lambda")


def publish(aws: Any, name: str, source: str = SOURCE, **options: Any) -> dict[str, Any]:
    create(aws, name, source, Runtime=RUNTIME, SnapStart=SNAPSHOT, **options)
    version = aws.publish_version(FunctionName=name)
    assert version["State"] in ("Pending", "Active")
    aws.get_waiter("published_version_active").wait(
        FunctionName=name, Qualifier=version["Version"], WaiterConfig={"Delay": 0.05, "MaxAttempts": 600}
    )
    shown: dict[str, Any] = aws.get_function_configuration(FunctionName=name, Qualifier=version["Version"])
    return shown


def test_copies_of_one_init(aws: Any) -> None:
    version = publish(aws, "snap-copies")
    assert version["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}
    latest = aws.get_function_configuration(FunctionName="snap-copies")
    assert latest["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}
    first, _ = invoke(aws, "snap-copies", Qualifier="1")
    assert first == {
        "order": ["before 2", "before 1", "after 1", "after 2"],
        "drawn": first["drawn"], "born": first["born"], "calls": 1, "made": "by init",
        "type": "snap-start", "version": "1", "stream": False, "keys": False,
    }  # fmt: skip
    again, _ = invoke(aws, "snap-copies", Qualifier="1")
    assert (again["calls"], again["drawn"]) == (2, first["drawn"])
    unpublished, _ = invoke(aws, "snap-copies")
    assert (unpublished["type"], unpublished["keys"]) == ("on-demand", True)
    assert unpublished["drawn"] != first["drawn"]


def test_several_at_once_share_the_moment_and_nothing_else(bulb: Running, aws: Any) -> None:
    gate = Gate(bulb, "snap-many")
    source = SOURCE.replace("    calls += 1\n", "    calls += 1\n    wait()\n")
    publish(aws, "snap-many", waiting(source), **gate.settings)
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        calls = [pool.submit(invoke, aws, "snap-many", Qualifier="1") for _ in range(5)]
        try:
            until(lambda: begun(bulb, "snap-many") == 5, "five calls at the same time")
        finally:
            gate.open()
        answers = [call.result()[0] for call in calls]
    assert {(each["drawn"], each["calls"]) for each in answers} == {(answers[0]["drawn"], 1)}


def test_the_log_tells_of_init_at_publishing_and_of_every_restore(bulb: Running, aws: Any) -> None:
    publish(aws, "snap-log", "print('init')\ndef handler(event, context):\n    print('hello')\n")
    invoke(aws, "snap-log", Qualifier="1")
    logs = bulb.client("logs")

    def written() -> list[str]:
        found = logs.filter_log_events(logGroupName="/aws/lambda/snap-log")["events"]
        return [event["message"].rstrip("\n") for event in found]

    until(lambda: any(line.startswith("REPORT") for line in written()), "a REPORT line")
    lines = written()
    kinds = [line.split(" ")[0] for line in lines]
    assert kinds == [
        "INIT_START",
        "init",
        "INIT_REPORT",
        "RESTORE_START",
        "RESTORE_REPORT",
        "START",
        "hello",
        "END",
        "REPORT",
    ]
    assert lines[2].endswith(" ms\tPhase: init\t")
    assert lines[4].startswith("RESTORE_REPORT Restore Duration: ")
    assert "Init Duration" not in lines[-1]
    assert "\tRestore Duration: " in lines[-1]
    assert " ms\tBilled Restore Duration: " in lines[-1]


def test_the_sdk_has_credentials_in_copies(aws: Any) -> None:
    source = """
import boto3
client = boto3.client("sts")
def handler(event, context):
    return client.get_caller_identity()["Arn"]
"""
    publish(aws, "snap-sdk", source, Timeout=20)
    arn, _ = invoke(aws, "snap-sdk", Qualifier="1")
    assert arn.endswith("/snap-sdk")


def test_an_init_that_fails_fails_the_version(aws: Any) -> None:
    create(aws, "snap-broken", "raise ValueError('no')", Runtime=RUNTIME, SnapStart=SNAPSHOT)
    version = aws.publish_version(FunctionName="snap-broken")["Version"]

    def state() -> str:
        shown: str = aws.get_function_configuration(FunctionName="snap-broken", Qualifier=version)["State"]
        return shown

    until(lambda: state() == "Failed", "the version to fail")
    with pytest.raises(ClientError) as caught:
        aws.invoke(FunctionName="snap-broken", Qualifier=version)
    assert caught.value.response["Error"]["Code"] == "ResourceConflictException"


def test_a_hook_that_fails_after_the_restore(aws: Any) -> None:
    source = """
from snapshot_restore_py import register_after_restore
@register_after_restore
def broken():
    raise ValueError("not today")
def handler(event, context):
    return 1
"""
    publish(aws, "snap-hook", source)
    with pytest.raises(ClientError) as caught:
        aws.invoke(FunctionName="snap-hook", Qualifier="1")
    error = caught.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("SnapStartException", 400)


def test_a_crash_ends_the_copy_and_not_the_snapshot(aws: Any) -> None:
    source = SOURCE.replace("    global calls\n", "    global calls\n    event.get('die') and os._exit(3)\n")
    publish(aws, "snap-crash", source)
    first, _ = invoke(aws, "snap-crash", Qualifier="1")
    failed, response = invoke(aws, "snap-crash", {"die": True}, Qualifier="1")
    assert (response["FunctionError"], failed["errorType"]) == ("Unhandled", "Runtime.ExitError")
    after, _ = invoke(aws, "snap-crash", Qualifier="1")
    assert (after["drawn"], after["calls"]) == (first["drawn"], 1)


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        ({"Runtime": "python3.11"}, "InvalidParameterValueException", "python3.11 is not supported for SnapStart"),
        ({"EphemeralStorage": {"Size": 1024}}, "InvalidParameterValueException", "greater than 512 MB"),
    ],
)
def test_where_it_does_not_apply(aws: Any, options: dict[str, Any], code: str, text: str) -> None:
    with pytest.raises(ClientError) as caught:
        create(aws, "snap-not", SOURCE, **{"Runtime": RUNTIME, "SnapStart": SNAPSHOT, **options})
    assert caught.value.response["Error"]["Code"] == code
    assert text in caught.value.response["Error"]["Message"]


def test_nothing_is_provisioned_for_what_starts_from_a_snapshot(aws: Any) -> None:
    publish(aws, "snap-provisioned")
    aws.create_alias(FunctionName="snap-provisioned", Name="live", FunctionVersion="1")
    for qualifier in ("1", "live"):
        with pytest.raises(aws.exceptions.InvalidParameterValueException, match="SnapStart enabled functions"):
            aws.put_provisioned_concurrency_config(
                FunctionName="snap-provisioned", Qualifier=qualifier, ProvisionedConcurrentExecutions=1
            )


def test_deleting_the_version_ends_its_snapshot(bulb: Running, aws: Any) -> None:
    publish(aws, "snap-gone")
    invoke(aws, "snap-gone", Qualifier="1")
    aws.delete_function(FunctionName="snap-gone", Qualifier="1")
    with pytest.raises(aws.exceptions.ResourceNotFoundException):
        aws.invoke(FunctionName="snap-gone", Qualifier="1")


def test_deleting_the_version_while_its_init_runs_ends_that_too(bulb: Running, aws: Any) -> None:
    source = "import time\ntime.sleep(3)\ndef handler(event, context):\n    return 1"
    create(aws, "snap-unborn", source, Runtime=RUNTIME, SnapStart=SNAPSHOT)
    aws.publish_version(FunctionName="snap-unborn")

    def heard(kind: type[EnvironmentStarted | EnvironmentEnded]) -> bool:
        facts = [fact for fact in list(bulb.facts) if isinstance(fact, kind)]
        return any(fact.environment.function.name == "snap-unborn" for fact in facts)

    until(lambda: heard(EnvironmentStarted), "init to begin")
    aws.delete_function(FunctionName="snap-unborn", Qualifier="1")
    until(lambda: heard(EnvironmentEnded), "its end")


@pytest.mark.parametrize("rung", ["userns", "plain"])
def test_a_lower_rung_refuses_it_by_name(tmp_path: Path, rung: str) -> None:
    with running_bulb(tmp_path / "data", isolation=rung) as lower:
        with pytest.raises(ClientError, match=r"SnapStart.* full isolation") as refusal:
            create(lower.client("lambda"), "snap-lower", SOURCE, Runtime=RUNTIME, SnapStart=SNAPSHOT)
        assert refusal.value.response["Error"]["Code"] == "NotImplementedException"


def test_a_version_of_a_better_rung_is_refused_by_name(tmp_path: Path) -> None:
    with running_bulb(tmp_path / "data") as better:
        if better.isolation != "full":
            pytest.skip(f"snapshots need the full rung; this is {better.isolation}")
        publish(better.client("lambda"), "snap-moved")
    with running_bulb(tmp_path / "data", isolation="userns") as lower:
        aws = lower.client("lambda")
        assert invoke(aws, "snap-moved")[0]["type"] == "on-demand"
        with pytest.raises(ClientError, match="it needs full isolation and user namespaces") as refusal:
            invoke(aws, "snap-moved", Qualifier="1")
        assert refusal.value.response["Error"]["Code"] == "SnapStartException"
        assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
