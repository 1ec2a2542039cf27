"""Ends of asynchronous events, told where callers asked: real handlers, a real server whose clock moves."""

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bulb.core.facts import (
    AsyncEventDropped,
    AsyncEventReceived,
    AsyncEventTried,
    InvocationFinished,
    InvocationStarted,
)
from tests.support.bulb import Running, running_bulb
from tests.support.functions import create, invoke
from tests.support.queues import Queue
from tests.support.waiting import until

SQS = "arn:aws:sqs:us-east-1:000000000000"
ARN = "arn:aws:lambda:us-east-1:000000000000:function"

# Tells of each of its runs in a bucket, then does what its event says.
TELLING = """
    import boto3, os
    s3 = boto3.client("s3")

    def handler(event, context):
        run = f"{context.function_name}/{event['id']}/{context.aws_request_id}/{os.urandom(8).hex()}"
        s3.put_object(Bucket="runs", Key=run)
        if event.get("fail"):
            raise ValueError("as asked")
        return {"done": event["id"]}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("events") / "data"
    with running_bulb(folder, stock=1) as running:
        running.client("s3").create_bucket(Bucket="runs")
        yield running


@pytest.fixture(scope="module")
def aws(server: Running) -> Any:
    return server.client("lambda")


def runs(server: Running, name: str, event: str) -> list[str]:
    listed = server.client("s3").list_objects_v2(Bucket="runs", Prefix=f"{name}/{event}/")
    return [item["Key"].split("/")[2] for item in listed.get("Contents", ())]


def send(aws: Any, name: str, event: dict[str, Any], **settings: Any) -> str:
    answer = aws.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event), **settings)
    assert answer["StatusCode"] == 202
    request_id: str = answer["ResponseMetadata"]["RequestId"]
    return request_id


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_failures_are_retried_as_often_as_configured_and_then_told_twice(
    server: Running, aws: Any, retries: int
) -> None:
    name = f"retried-{retries}"
    told, dead = Queue.make(server, name), Queue.make(server, f"{name}-dead")
    create(aws, name, TELLING, DeadLetterConfig={"TargetArn": f"{SQS}:{name}-dead"}, Timeout=20)
    aws.put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=retries,
        DestinationConfig={"OnFailure": {"Destination": f"{SQS}:{name}"}},
    )
    payload = {"id": "x", "fail": True}
    request_id = send(aws, name, payload)
    for attempt, delay in enumerate((60, 120)[:retries], 1):
        until(lambda n=attempt: put_back(server, name) == n, f"the event put back after attempt {attempt}")
        assert len(runs(server, name, "x")) == attempt
        advance_until(server, lambda n=attempt: len(runs(server, name, "x")) > n, delay)
        waited = at(server, InvocationStarted, request_id, attempt) - at(
            server, InvocationFinished, request_id, attempt - 1
        )
        assert delay - 0.01 <= waited <= delay + 30
    record, letter = told.next()["Body"], dead.next()
    assert runs(server, name, "x") == [request_id] * (retries + 1), "the same id each time"
    timestamp = json.loads(record)["timestamp"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", timestamp)
    assert (
        server.as_inside(record)
        == f'{{"version":"1.0","timestamp":"{timestamp}","requestContext":{{"requestId":"{request_id}",'
        f'"functionArn":"{ARN}:{name}:$LATEST","condition":"RetriesExhausted","approximateInvokeCount":{retries + 1}}},'
        '"requestPayload":{"id": "x", "fail": true},'
        '"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},'
        f'"responsePayload":{{"errorMessage": "as asked", "errorType": "ValueError", "requestId": "{request_id}", '
        '"stackTrace": ["  File \\"/var/task/app.py\\", line 9, in handler\\n'
        '    raise ValueError(\\"as asked\\")\\n"]}}'
    )
    assert letter["Body"] == json.dumps(payload)
    assert letter["MessageAttributes"] == {
        "RequestID": {"DataType": "String", "StringValue": request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": "200"},
        "ErrorMessage": {"DataType": "String", "StringValue": "as asked"},
    }
    assert told.all() == dead.all() == []
    heard = [fact for fact in server.facts if getattr(fact, "request_id", None) == request_id]
    assert [type(fact) for fact in heard] == [
        AsyncEventReceived,
        *[InvocationStarted, InvocationFinished, AsyncEventTried] * (retries + 1),
        AsyncEventDropped,
    ]
    assert {fact.status for fact in heard if isinstance(fact, InvocationFinished)} == {"error"}


def put_back(server: Running, name: str) -> int:
    """How often the function's event was put back into the queue, once it is there."""
    waiting = "SELECT attempts FROM storage_queue WHERE lease_generation = 0 AND lane LIKE ?"
    with contextlib.closing(sqlite3.connect(f"file:{server.data / 'bulb.db'}?mode=ro", uri=True)) as database:
        row = database.execute(waiting, (f"%:{name}:%",)).fetchone()
    return 0 if row is None else int(row[0])


def advance_until(server: Running, happened: Any, delay: float) -> None:
    """Not before `delay` seconds of the server's clock, and soon after."""
    server.clock.advance(delay - 15)
    assert not happened(), "too early"
    server.clock.advance(16)
    until(happened, f"an attempt after {delay} s")


def at(server: Running, kind: type[InvocationStarted] | type[InvocationFinished], request_id: str, index: int) -> float:
    """When, by the server's clock, the event's attempt of that index began or ended."""
    times = [fact.at for fact in server.facts if isinstance(fact, kind) and fact.request_id == request_id]
    return times[index]


def test_success_is_told_to_another_function_and_that_ones_end_too(server: Running, aws: Any) -> None:
    last = Queue.make(server, "end")
    create(aws, "last", "def handler(event, context):\n    return event['requestContext']['condition']")
    create(aws, "first", "def handler(event, context):\n    return event")
    for name, target in (("first", f"{ARN}:last"), ("last", f"{SQS}:end")):
        aws.put_function_event_invoke_config(
            FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": target}}
        )
    send(aws, "first", {"n": 1})
    end = json.loads(last.next()["Body"])
    assert end["requestContext"]["functionArn"] == f"{ARN}:last:$LATEST"
    assert end["requestContext"]["condition"] == "Success"
    assert end["responsePayload"] == "Success"
    assert end["requestPayload"]["requestContext"]["functionArn"] == f"{ARN}:first:$LATEST"
    assert end["requestPayload"]["responsePayload"] == {"n": 1}


def test_failures_are_written_to_a_bucket(server: Running, aws: Any) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="failures")
    create(aws, "to-bucket", "def handler(event, context):\n    raise ValueError('no')")
    aws.put_function_event_invoke_config(
        FunctionName="to-bucket",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::failures"}},
    )
    request_id = send(aws, "to-bucket", {"n": 1})
    [item] = until(lambda: s3.list_objects_v2(Bucket="failures").get("Contents"), "the object")
    assert re.fullmatch(
        r"aws/lambda/async/to-bucket/\d{4}/\d\d/\d\d/\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d-[0-9a-f-]{36}", item["Key"]
    )
    record = json.loads(s3.get_object(Bucket="failures", Key=item["Key"])["Body"].read())
    assert record["requestContext"]["requestId"] == request_id
    assert record["responsePayload"]["errorMessage"] == "no"


def test_nothing_reserved_ends_events_at_once(server: Running, aws: Any) -> None:
    stopped, dead = Queue.make(server, "stopped"), Queue.make(server, "stopped-dead")
    create(aws, "stopped", "def handler(event, context): pass", DeadLetterConfig={"TargetArn": f"{SQS}:stopped-dead"})
    aws.put_function_concurrency(FunctionName="stopped", ReservedConcurrentExecutions=0)
    aws.put_function_event_invoke_config(
        FunctionName="stopped", DestinationConfig={"OnFailure": {"Destination": f"{SQS}:stopped"}}
    )
    request_id = send(aws, "stopped", {"n": 1})
    told = stopped.next()["Body"]
    timestamp = json.loads(told)["timestamp"]
    assert told == (
        f'{{"version":"1.0","timestamp":"{timestamp}","requestContext":{{"requestId":"{request_id}","functionArn":'
        f'"{ARN}:stopped:$LATEST","condition":"ZeroReservedConcurrency","approximateInvokeCount":0}},'
        '"requestPayload":{"n": 1}}'
    )
    assert dead.next()["MessageAttributes"].keys() == {"RequestID", "ErrorMessage"}


def test_events_of_an_alias_follow_the_rules_of_the_alias(server: Running, aws: Any) -> None:
    of_alias, of_latest = Queue.make(server, "of-alias"), Queue.make(server, "of-latest")
    create(aws, "named", "def handler(event, context):\n    raise ValueError('no')")
    aws.publish_version(FunctionName="named")
    aws.create_alias(FunctionName="named", Name="live", FunctionVersion="1")
    for qualifier, queue in (("live", "of-alias"), ("$LATEST", "of-latest")):
        aws.put_function_event_invoke_config(
            FunctionName="named",
            Qualifier=qualifier,
            MaximumRetryAttempts=0,
            DestinationConfig={"OnFailure": {"Destination": f"{SQS}:{queue}"}},
        )
    send(aws, "named", {}, Qualifier="live")
    record = json.loads(of_alias.next()["Body"])
    assert record["requestContext"]["functionArn"] == f"{ARN}:named:live"
    assert record["responseContext"]["executedVersion"] == "1"
    assert not of_latest.all()


def test_an_alias_deleted_while_an_event_waits_has_it_told_where_alias_and_version_said(
    server: Running, aws: Any
) -> None:
    told, dead = Queue.make(server, "of-deleted"), Queue.make(server, "dead-of-deleted")
    source = "def handler(event, context):\n    raise ValueError('no')"
    create(aws, "unnamed", source, DeadLetterConfig={"TargetArn": f"{SQS}:dead-of-deleted"})
    aws.publish_version(FunctionName="unnamed")
    aws.create_alias(FunctionName="unnamed", Name="live", FunctionVersion="1")
    aws.put_function_event_invoke_config(
        FunctionName="unnamed",
        Qualifier="live",
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": f"{SQS}:of-deleted"}},
    )
    request_id = send(aws, "unnamed", {"n": 1}, Qualifier="live")
    until(lambda: put_back(server, "unnamed") == 1, "the event put back after its failure")
    aws.delete_alias(FunctionName="unnamed", Name="live")
    server.clock.advance(61)
    record = json.loads(told.next()["Body"])
    del record["timestamp"]
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{ARN}:unnamed:live",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 2,
        },
        "requestPayload": {"n": 1},
        "responseContext": {"statusCode": 404},
    }
    letter = dead.next()
    assert letter["Body"] == '{"n": 1}'
    assert letter["MessageAttributes"] == {
        "RequestID": {"DataType": "String", "StringValue": request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": "404"},
        "ErrorMessage": {"DataType": "String", "StringValue": f"Function not found: {ARN}:unnamed:live"},
    }


def test_an_event_that_is_too_old_is_not_tried_again(server: Running, aws: Any) -> None:
    aged = Queue.make(server, "aged")
    create(aws, "aged", "def handler(event, context):\n    raise ValueError('no')")
    aws.put_function_event_invoke_config(
        FunctionName="aged",
        MaximumEventAgeInSeconds=60,
        DestinationConfig={"OnFailure": {"Destination": f"{SQS}:aged"}},
    )
    send(aws, "aged", {})
    context = json.loads(aged.next()["Body"])["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("EventAgeExceeded", 1)


LOOPING = """
    import boto3
    lambda_, s3 = boto3.client("lambda"), boto3.client("s3")

    def handler(event, context):
        s3.put_object(Bucket="runs", Key=f"{context.function_name}/{event['id']}/{event['n']:03}/x")
        if event["n"] < 25:
            event["n"] += 1
            import json
            lambda_.invoke(FunctionName=context.function_name, InvocationType="Event", Payload=json.dumps(event))
"""


def test_a_function_that_invokes_itself_is_stopped_after_sixteen_passes_unless_it_may(
    server: Running, aws: Any
) -> None:
    dead = Queue.make(server, "loop-dead")
    create(aws, "loop", LOOPING, Timeout=20, DeadLetterConfig={"TargetArn": f"{SQS}:loop-dead"})
    send(aws, "loop", {"id": "cut", "n": 1})
    assert json.loads(dead.next()["Body"])["n"] == 17
    assert len(runs(server, "loop", "cut")) == 16
    assert aws.get_function_recursion_config(FunctionName="loop")["RecursiveLoop"] == "Terminate"
    aws.put_function_recursion_config(FunctionName="loop", RecursiveLoop="Allow")
    send(aws, "loop", {"id": "long", "n": 1})
    until(lambda: len(runs(server, "loop", "long")) == 25, "all 25 passes")


def test_a_loop_through_a_bucket_is_stopped_too(server: Running, aws: Any) -> None:
    s3, dead = server.client("s3"), Queue.make(server, "circle-dead")
    s3.create_bucket(Bucket="circle")
    source = """
        import boto3
        s3 = boto3.client("s3")

        def handler(event, context):
            key = int(event["Records"][0]["s3"]["object"]["key"])
            if key < 25:
                s3.put_object(Bucket="circle", Key=str(key + 1))
    """
    arn = create(aws, "circling", source, Timeout=20, DeadLetterConfig={"TargetArn": f"{SQS}:circle-dead"})
    s3.put_bucket_notification_configuration(
        Bucket="circle",
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    s3.put_object(Bucket="circle", Key="1")
    [record] = json.loads(dead.next()["Body"])["Records"]
    assert record["s3"]["object"]["key"] == "17"
    assert s3.list_objects_v2(Bucket="circle")["KeyCount"] == 17


def test_a_synchronous_caller_is_told_of_the_loop(server: Running, aws: Any) -> None:
    source = """
        import boto3, json
        lambda_ = boto3.client("lambda")

        def handler(event, context):
            try:
                answer = lambda_.invoke(FunctionName=context.function_name, Payload=json.dumps(event + 1))
            except lambda_.exceptions.RecursiveInvocationException as error:
                return [event, error.response["ResponseMetadata"]["HTTPStatusCode"]]
            return json.load(answer["Payload"])
    """
    create(aws, "inward", source, Timeout=30)
    answer, _ = invoke(aws, "inward", 1)
    assert answer == [16, 400]


def test_what_goes_nowhere_is_refused(server: Running, aws: Any) -> None:
    create(aws, "strict", "def handler(event, context): pass")

    def refused(**members: Any) -> str:
        with pytest.raises(ClientError) as caught:
            aws.put_function_event_invoke_config(FunctionName="strict", **members)
        error = caught.value.response["Error"]
        return f"{error['Code']}: {error['Message']}"

    def to(success: str | None = None, failure: str | None = None) -> dict[str, Any]:
        chosen = {"OnSuccess": success, "OnFailure": failure}
        return {"DestinationConfig": {k: {"Destination": v} for k, v in chosen.items() if v}}

    invalid = "InvalidParameterValueException: "
    assert refused() == invalid + "You must specify at least one of error handling or destination setting."
    own = invalid + "You can't specify the function as a destination for itself."
    assert refused(**to(f"{ARN}:strict")) == own
    assert refused(**to(failure=f"{ARN}:strict:live")) == own
    assert refused(**to(f"{ARN}:nobody")) == invalid + f"The destination ARN {ARN}:nobody is invalid."
    assert refused(**to("arn:aws:s3:::b")) == invalid + (
        "The provided destination config DestinationConfig(onSuccess=OnSuccess(destination=arn:aws:s3:::b), "
        "onFailure=null) is invalid."
    )


def test_configurations_are_put_updated_listed_and_deleted(server: Running, aws: Any) -> None:
    create(aws, "configured", "def handler(event, context): pass")
    aws.publish_version(FunctionName="configured")

    def code(**about: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            aws.get_function_event_invoke_config(**about)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]

    missing = f"The function {ARN}:configured:$LATEST doesn't have an EventInvokeConfig"
    assert code(FunctionName="configured") == ("ResourceNotFoundException", missing)
    with pytest.raises(ClientError, match=re.escape("The function doesn't exist.")):
        aws.put_function_event_invoke_config(FunctionName="nobody", MaximumRetryAttempts=0)
    with pytest.raises(ClientError, match=re.escape(missing)):
        aws.update_function_event_invoke_config(FunctionName="configured", MaximumRetryAttempts=0)
    put = aws.put_function_event_invoke_config(FunctionName="configured", MaximumRetryAttempts=0)
    members = {key: value for key, value in put.items() if key not in ("ResponseMetadata", "LastModified")}
    assert members == {
        "FunctionArn": f"{ARN}:configured:$LATEST",
        "MaximumRetryAttempts": 0,
        "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}},
    }
    updated = aws.update_function_event_invoke_config(FunctionName="configured", MaximumEventAgeInSeconds=60)
    assert (updated["MaximumRetryAttempts"], updated["MaximumEventAgeInSeconds"]) == (0, 60)
    kept = aws.get_function_event_invoke_config(FunctionName="configured")
    assert kept | {"ResponseMetadata": None} == updated | {"ResponseMetadata": None}
    aws.put_function_event_invoke_config(FunctionName="configured", Qualifier="1", MaximumEventAgeInSeconds=99)
    page = aws.list_function_event_invoke_configs(FunctionName="configured", MaxItems=1)
    rest = aws.list_function_event_invoke_configs(FunctionName="configured", Marker=page["NextMarker"])
    found = [*page["FunctionEventInvokeConfigs"], *rest["FunctionEventInvokeConfigs"]]
    assert [item["FunctionArn"].rpartition(":")[2] for item in found] == ["$LATEST", "1"]
    assert "NextMarker" not in rest
    aws.delete_function_event_invoke_config(FunctionName="configured")
    assert code(FunctionName="configured") == ("ResourceNotFoundException", missing)
    assert aws.get_function_event_invoke_config(FunctionName="configured", Qualifier="1")


def test_a_dead_letter_target_is_a_queue_or_a_topic_and_can_be_cleared(server: Running, aws: Any) -> None:
    create(aws, "lettered", "def handler(event, context): pass", DeadLetterConfig={"TargetArn": f"{SQS}:q"})
    shown = aws.get_function_configuration(FunctionName="lettered")
    assert shown["DeadLetterConfig"] == {"TargetArn": f"{SQS}:q"}
    aws.update_function_configuration(FunctionName="lettered", DeadLetterConfig={"TargetArn": ""})
    assert "DeadLetterConfig" not in aws.get_function_configuration(FunctionName="lettered")
    with pytest.raises(ClientError, match="neither an Amazon SQS queue nor an SNS topic"):
        create(aws, "wrong", "def handler(event, context): pass", DeadLetterConfig={"TargetArn": "arn:aws:s3:::b"})
