"""Provisioned concurrency: environments that are there before anybody asks."""

import json
import threading
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.bulb import Process, Running, running_bulb
from tests.support.functions import create, invoke, zipped
from tests.support.gates import Gate, begun, waiting
from tests.support.waiting import until

SOURCE = """
    import os, threading
    born = os.urandom(4).hex()
    def handler(event, context):
        if event.get('die'):
            os._exit(3)
        if event.get('die_later'):
            threading.Timer(0.01, os._exit, [3]).start()
        return [os.environ['AWS_LAMBDA_INITIALIZATION_TYPE'], born, context.function_version]
"""


def published(aws: Any, name: str, source: str = SOURCE, **settings: Any) -> str:
    create(aws, name, source, **settings)
    version: str = aws.publish_version(FunctionName=name)["Version"]
    aws.get_waiter("published_version_active").wait(
        FunctionName=name, Qualifier=version, WaiterConfig={"Delay": 0.05, "MaxAttempts": 600}
    )
    return version


def provide(aws: Any, name: str, qualifier: str, executions: int) -> dict[str, Any]:
    answer: dict[str, Any] = aws.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=executions
    )
    return answer


def shown(aws: Any, name: str, qualifier: str) -> dict[str, Any]:
    answer: dict[str, Any] = aws.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)
    return answer


def ready(aws: Any, name: str, qualifier: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        answer = shown(aws, name, qualifier)
        return answer if answer["Status"] != "IN_PROGRESS" else None

    return until(look, "the environments to be ready")


def counts(answer: dict[str, Any]) -> tuple[int, int, int]:
    return (
        answer["RequestedProvisionedConcurrentExecutions"],
        answer["AllocatedProvisionedConcurrentExecutions"],
        answer["AvailableProvisionedConcurrentExecutions"],
    )


def refused(call: Any, **params: Any) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as refusal:
        call(**params)
    response = refusal.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_from_in_progress_to_ready_and_the_first_call_finds_it_initialised(bulb: Running) -> None:
    aws = bulb.client("lambda")
    version = published(aws, "provided")
    answer = provide(aws, "provided", version, 2)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert (counts(answer), answer["Status"]) == ((2, 0, 0), "IN_PROGRESS")
    answer = ready(aws, "provided", version)
    assert (counts(answer), answer["Status"]) == ((2, 2, 2), "READY")
    assert answer["LastModified"].endswith("+0000")
    document = invoke(aws, "provided", Qualifier=version)[0]
    assert document[0] == "provisioned-concurrency"
    assert document[2] == version
    assert invoke(aws, "provided")[0][0] == "on-demand"
    (listed,) = aws.list_provisioned_concurrency_configs(FunctionName="provided")["ProvisionedConcurrencyConfigs"]
    assert listed["FunctionArn"].endswith(f":function:provided:{version}")
    assert counts(listed) == (2, 2, 2)
    with urllib.request.urlopen(bulb.url + "/_bulb/bill", timeout=10) as bill:
        (line,) = [line for line in json.load(bill)["lines"] if line["function"] == "provided"]
    assert line["provisioned_gb_seconds"] == 2 * 0.125 * 300
    assert line["provisioned_run_gb_seconds"] > 0
    aws.delete_function(FunctionName="provided")


def test_init_is_reported_with_the_first_call_and_not_billed_with_it(bulb: Running) -> None:
    aws = bulb.client("lambda")
    version = published(aws, "prepaid", "import time\ntime.sleep(3)\ndef handler(event, context): return 1", Timeout=20)
    provide(aws, "prepaid", version, 1)
    ready(aws, "prepaid", version)
    assert invoke(aws, "prepaid", Qualifier=version)[0] == 1

    def report() -> str | None:
        events = bulb.client("logs").filter_log_events(logGroupName="/aws/lambda/prepaid")["events"]
        return next((event["message"] for event in events if event["message"].startswith("REPORT")), None)

    fields = dict(part.split(": ") for part in until(report, "the report").strip().split("\t"))
    assert float(fields["Init Duration"].removesuffix(" ms")) >= 3000
    assert int(fields["Billed Duration"].removesuffix(" ms")) < 3000
    aws.delete_function(FunctionName="prepaid")


def test_what_fails_to_initialise_is_failed_with_its_reason(bulb: Running) -> None:
    aws = bulb.client("lambda")
    version = published(aws, "unprovided", "raise RuntimeError('no')")
    provide(aws, "unprovided", version, 2)
    answer = ready(aws, "unprovided", version)
    assert (answer["Status"], answer["StatusReason"]) == ("FAILED", "FUNCTION_ERROR_INIT_FAILURE")
    assert counts(answer)[2] == 0
    aws.delete_function(FunctionName="unprovided")


def test_calls_beyond_the_provisioned_spill_over_to_environments_on_demand(bulb: Running) -> None:
    aws, gate = bulb.client("lambda"), Gate(bulb, "spilling")
    source = "def handler(event, context):\n    wait()\n    return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']"
    version = published(aws, "spilling", waiting(source), **gate.settings)
    provide(aws, "spilling", version, 1)
    ready(aws, "spilling", version)
    kinds: list[str] = []

    def call() -> None:
        kinds.append(invoke(bulb.client("lambda"), "spilling", Qualifier=version)[0])

    calls = [threading.Thread(target=call) for _ in range(2)]
    for one in calls:
        one.start()
    try:
        until(lambda: begun(bulb, "spilling") == 2, "two calls at the same time")
    finally:
        gate.open()
        for one in calls:
            one.join()
    assert sorted(kinds) == ["on-demand", "provisioned-concurrency"]
    aws.delete_function(FunctionName="spilling")


def test_when_all_that_is_reserved_is_provisioned_nothing_else_runs(bulb: Running) -> None:
    aws = bulb.client("lambda")
    version = published(aws, "all-provided", Timeout=20)
    aws.put_function_concurrency(FunctionName="all-provided", ReservedConcurrentExecutions=1)
    assert refused(
        aws.put_provisioned_concurrency_config,
        FunctionName="all-provided",
        Qualifier=version,
        ProvisionedConcurrentExecutions=2,
    ) == (
        "InvalidParameterValueException",
        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
        400,
    )
    provide(aws, "all-provided", version, 1)
    ready(aws, "all-provided", version)
    with pytest.raises(ClientError) as refusal:
        invoke(aws, "all-provided")
    assert refusal.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert invoke(aws, "all-provided", Qualifier=version)[0][0] == "provisioned-concurrency"
    assert refused(aws.put_function_concurrency, FunctionName="all-provided", ReservedConcurrentExecutions=0) == (
        "InvalidParameterValueException",
        " ReservedConcurrentExecutions  0 should not be lower than function's total provisioned concurrency [1].",
        400,
    )
    aws.delete_function(FunctionName="all-provided")


def test_one_that_dies_is_replaced_while_idle_and_after_a_call(tmp_path: Any) -> None:
    # Not frozen, which it could be before it has come to its end.
    with running_bulb(tmp_path / "data", stock=0, freeze_after=3600) as server:
        aws = server.client("lambda")
        version = published(aws, "mortal")
        provide(aws, "mortal", version, 1)
        ready(aws, "mortal", version)
        first = invoke(aws, "mortal", Qualifier=version)[0]
        document, _ = invoke(aws, "mortal", {"die": True}, Qualifier=version)
        assert document["errorType"] == "Runtime.ExitError"
        until(lambda: counts(shown(aws, "mortal", version)) == (1, 1, 1), "a new one")
        second = invoke(aws, "mortal", Qualifier=version)[0]
        assert second[0] == "provisioned-concurrency"
        assert second[1] != first[1]
        invoke(aws, "mortal", {"die_later": True}, Qualifier=version)
        logs = server.client("logs")

        def environments() -> int:
            return len(logs.describe_log_streams(logGroupName="/aws/lambda/mortal")["logStreams"])

        until(lambda: environments() == 3, "a third, without anybody asking")
        ready(aws, "mortal", version)
        third = invoke(aws, "mortal", Qualifier=version)[0]
        assert third[0] == "provisioned-concurrency"
        assert third[1] != second[1]


def test_they_are_not_reaped_and_old_ones_are_replaced_before_they_go(tmp_path: Any) -> None:
    with running_bulb(tmp_path / "data", stock=0) as server:
        aws = server.client("lambda")
        version = published(aws, "lasting")
        provide(aws, "lasting", version, 1)
        ready(aws, "lasting", version)
        first = invoke(aws, "lasting", Qualifier=version)[0]
        server.clock.advance(3600)
        assert invoke(aws, "lasting", Qualifier=version)[0] == first
        server.clock.advance(6 * 3600)

        def renewed() -> bool:
            kind, born, _ = invoke(aws, "lasting", Qualifier=version)[0]
            server.clock.advance(1)
            assert kind == "provisioned-concurrency"
            return bool(born != first[1])

        until(renewed, "a younger one")


def test_an_alias_with_weights_splits_them_and_one_that_moves_takes_them_along(bulb: Running) -> None:
    aws = bulb.client("lambda")
    one = published(aws, "moving")
    slow = SOURCE.replace("born =", "import time; time.sleep(2)  # long enough to be called meanwhile\n    born =")
    aws.update_function_code(FunctionName="moving", ZipFile=zipped(app=slow))
    aws.get_waiter("function_updated_v2").wait(FunctionName="moving", WaiterConfig={"Delay": 0.05})
    two = aws.publish_version(FunctionName="moving")["Version"]
    aws.create_alias(FunctionName="moving", Name="live", FunctionVersion=one)
    provide(aws, "moving", "live", 2)
    ready(aws, "moving", "live")
    assert invoke(aws, "moving", Qualifier="live")[0][::2] == ["provisioned-concurrency", one]
    assert refused(
        aws.put_provisioned_concurrency_config,
        FunctionName="moving",
        Qualifier=one,
        ProvisionedConcurrentExecutions=1,
    ) == ("ResourceConflictException", "Version is pointed by a Provisioned Concurrency alias", 409)
    aws.update_alias(FunctionName="moving", Name="live", FunctionVersion=two)
    assert invoke(aws, "moving", Qualifier="live")[0][::2] == ["provisioned-concurrency", one]
    moved = ["provisioned-concurrency", two]
    until(lambda: invoke(aws, "moving", Qualifier="live")[0][::2] == moved, "the move", every=0.25)
    assert counts(ready(aws, "moving", "live")) == (2, 2, 2)
    assert refused(aws.get_provisioned_concurrency_config, FunctionName="moving", Qualifier=one) == (
        "ProvisionedConcurrencyConfigNotFoundException",
        "No Provisioned Concurrency Config found for this function",
        404,
    )
    assert invoke(aws, "moving", Qualifier=one)[0][::2] == ["on-demand", one]
    aws.update_alias(FunctionName="moving", Name="live", RoutingConfig={"AdditionalVersionWeights": {one: 0.5}})
    assert counts(ready(aws, "moving", "live")) == (2, 2, 2)
    until(lambda: invoke(aws, "moving", Qualifier=one)[0][0] == "provisioned-concurrency", "its half of them")
    aws.delete_alias(FunctionName="moving", Name="live")
    until(lambda: invoke(aws, "moving", Qualifier=one)[0][0] == "on-demand", "the end of them")
    aws.delete_function(FunctionName="moving")


def test_they_are_there_again_after_kill_nine(tmp_path: Any) -> None:
    server = Process(tmp_path / "data")
    server.start()
    try:
        aws = server.client("lambda")
        version = published(aws, "again")
        provide(aws, "again", version, 2)
        server.kill()
        server.start()
        aws = server.client("lambda")
        assert counts(ready(aws, "again", version)) == (2, 2, 2)
        assert invoke(aws, "again", Qualifier=version)[0][0] == "provisioned-concurrency"
        aws.delete_provisioned_concurrency_config(FunctionName="again", Qualifier=version)
        assert invoke(aws, "again", Qualifier=version)[0][0] == "on-demand"
    finally:
        server.kill()


def test_what_does_not_fit_on_the_machine_stays_in_progress_and_is_told_truly(tmp_path: Any) -> None:
    with running_bulb(tmp_path / "data", stock=0, capacity=1) as server:
        aws = server.client("lambda")
        version = published(aws, "large")
        provide(aws, "large", version, 3)
        until(lambda: counts(shown(aws, "large", version))[2] == 1, "the one that fits")
        assert shown(aws, "large", version)["Status"] == "IN_PROGRESS"
        assert invoke(aws, "large", Qualifier=version)[0][0] == "provisioned-concurrency"


def test_an_alias_moves_although_the_machine_has_no_room_for_both(tmp_path: Any) -> None:
    with running_bulb(tmp_path / "data", stock=0, capacity=1) as server:
        aws = server.client("lambda")
        one = published(aws, "narrow")
        aws.update_function_configuration(FunctionName="narrow", Description="another")
        aws.get_waiter("function_updated_v2").wait(FunctionName="narrow", WaiterConfig={"Delay": 0.05})
        two = aws.publish_version(FunctionName="narrow")["Version"]
        aws.create_alias(FunctionName="narrow", Name="live", FunctionVersion=one)
        provide(aws, "narrow", "live", 1)
        ready(aws, "narrow", "live")
        aws.update_alias(FunctionName="narrow", Name="live", FunctionVersion=two)
        assert counts(ready(aws, "narrow", "live")) == (1, 1, 1)
        assert invoke(aws, "narrow", Qualifier="live")[0][::2] == ["provisioned-concurrency", two]


def test_a_function_made_again_has_none_of_the_old_ones(bulb: Running) -> None:
    aws = bulb.client("lambda")
    for shade in ("old", "new"):
        version = published(aws, "again-made", f"def handler(event, context): return {shade!r}")
        provide(aws, "again-made", version, 2)
        ready(aws, "again-made", version)
        assert invoke(aws, "again-made", Qualifier=version)[0] == shade
        aws.delete_function(FunctionName="again-made")


def test_the_pool_of_the_account_lacks_what_is_provisioned(bulb: Running) -> None:
    aws = bulb.client("lambda", region="eu-south-1")
    version = published(aws, "claiming")
    provide(aws, "claiming", version, 2)
    ready(aws, "claiming", version)
    assert aws.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 998
    put = aws.put_provisioned_concurrency_config
    for executions, message in [
        (1001, "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [1000]."),
        (
            901,
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
            "minimum value of [100].",
        ),
    ]:
        assert refused(put, FunctionName="claiming", Qualifier=version, ProvisionedConcurrentExecutions=executions) == (
            "InvalidParameterValueException",
            message,
            400,
        )
    aws.delete_function(FunctionName="claiming")
    limit = "UnreservedConcurrentExecutions"
    until(lambda: aws.get_account_settings()["AccountLimit"][limit] == 1000, "the pool to be whole again")


def test_lists_have_pages(bulb: Running) -> None:
    aws = bulb.client("lambda")
    one = published(aws, "paged")
    aws.update_function_configuration(FunctionName="paged", Description="another")
    aws.get_waiter("function_updated_v2").wait(FunctionName="paged", WaiterConfig={"Delay": 0.05})
    two = aws.publish_version(FunctionName="paged")["Version"]
    for version in (one, two):
        provide(aws, "paged", version, 1)
    pages = aws.get_paginator("list_provisioned_concurrency_configs").paginate(
        FunctionName="paged", PaginationConfig={"PageSize": 1}
    )
    listed = [[item["FunctionArn"] for item in page["ProvisionedConcurrencyConfigs"]] for page in pages]
    arn = "arn:aws:lambda:us-east-1:000000000000:function:paged"
    assert listed == [[f"{arn}:{one}"], [f"{arn}:{two}"]]
    aws.delete_function(FunctionName="paged")


def test_what_is_refused(bulb: Running) -> None:
    aws = bulb.client("lambda")
    version = published(aws, "choosy")
    arn = "arn:aws:lambda:us-east-1:000000000000:function:choosy"
    put, get = aws.put_provisioned_concurrency_config, aws.get_provisioned_concurrency_config
    delete = aws.delete_provisioned_concurrency_config
    one = {"FunctionName": "choosy", "ProvisionedConcurrentExecutions": 1}
    assert refused(put, Qualifier="$LATEST", **one) == (
        "InvalidParameterValueException",
        "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
        400,
    )
    for operation in (get, delete):
        assert refused(operation, FunctionName="choosy", Qualifier="$LATEST") == (
            "InvalidParameterValueException",
            "The function resource provided must be an alias or a published version.",
            400,
        )
        assert refused(operation, FunctionName="choosy", Qualifier="nowhere") == (
            "ResourceNotFoundException",
            f"Cannot find alias arn: {arn}:nowhere",
            404,
        )
    assert refused(put, Qualifier="nowhere", **one)[1] == f"Cannot find alias arn: {arn}:nowhere"
    assert refused(put, Qualifier="77", **one)[1] == f"Function not found: {arn}:77"
    aws.create_alias(FunctionName="choosy", Name="newest", FunctionVersion="$LATEST")
    assert refused(put, Qualifier="newest", **one)[1].endswith("cannot be applied to unpublished function versions.")
    aws.create_alias(FunctionName="choosy", Name="wanders", FunctionVersion=version)
    provide(aws, "choosy", "wanders", 1)
    ready(aws, "choosy", "wanders")
    aws.update_alias(FunctionName="choosy", Name="wanders", FunctionVersion="$LATEST")
    answer = ready(aws, "choosy", "wanders")
    assert (counts(answer), answer["Status"]) == ((1, 0, 0), "FAILED")
    until(lambda: invoke(aws, "choosy", Qualifier="wanders")[0][::2] == ["on-demand", "$LATEST"], "the move")
    delete(FunctionName="choosy", Qualifier="wanders")
    aws.create_alias(FunctionName="choosy", Name="live", FunctionVersion=version)
    provide(aws, "choosy", version, 1)
    assert refused(put, Qualifier="live", **one) == (
        "ResourceConflictException",
        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
        409,
    )
    delete(FunctionName="choosy", Qualifier=version)
    assert refused(get, FunctionName="choosy", Qualifier=version)[0] == "ProvisionedConcurrencyConfigNotFoundException"
    assert aws.list_provisioned_concurrency_configs(FunctionName="choosy")["ProvisionedConcurrencyConfigs"] == []
    aws.delete_function(FunctionName="choosy")
