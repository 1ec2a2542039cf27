"""Reserved concurrency, the account's limit and the rates, as callers meet them."""

import http.client
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bulb.core.facts import InvocationFinished, InvocationThrottled
from tests.support.bulb import Process, Running, running_bulb
from tests.support.functions import create, invoke
from tests.support.gates import ObjectGate, begun
from tests.support.waiting import until

# Runs until its gate, an object in a bucket, is there.
GATED = """
    import os, time, urllib.request

    def wait(event):
        while 'gate' in event:
            try:
                urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL'] + event['gate'], timeout=5).close()
                break
            except OSError:
                time.sleep(0.02)

    def handler(event, context):
        wait(event)
        return 'done'
"""


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with room for two invocations of an account, and no rates."""
    with running_bulb(
        tmp_path_factory.mktemp("narrow") / "data", account_concurrency=2, request_rate=0, scaling_rate=0
    ) as running:
        yield running


class Held:
    """A call that is under way until it is let go."""

    def __init__(self, server: Running, name: str) -> None:
        aws, before = server.client("lambda"), begun(server, name)
        self._gate = ObjectGate(server)
        self._answers: list[Any] = []
        self._thread = threading.Thread(target=self._call, args=(aws, name), daemon=True)
        self._thread.start()
        until(lambda: begun(server, name) > before or self._answers, "the call to begin")
        assert begun(server, name) > before, self._answers

    def _call(self, aws: Any, name: str) -> None:
        try:
            self._answers.append(invoke(aws, name, {"gate": self._gate.path})[0])
        except Exception as error:  # it is told by whoever waits for the call to begin, or for its answer
            self._answers.append(error)

    def let_go(self) -> None:
        """It ends as any other."""
        self._gate.open()
        self._thread.join(30)
        assert self._answers == ["done"]


def refusal(aws: Any, name: str, **settings: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as refused:
        invoke(aws, name, **settings)
    response: dict[str, Any] = refused.value.response
    assert response["Error"]["Code"] == "TooManyRequestsException"
    assert response["Error"]["Message"] == "Rate Exceeded."
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 429
    return response


def reports(server: Running, name: str) -> int:
    logs = server.client("logs")
    events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    return sum(event["message"].startswith("REPORT") for event in events)


def test_of_two_calls_at_a_reservation_of_one_the_second_is_refused_at_once(bulb: Running) -> None:
    aws = bulb.client("lambda")
    create(aws, "reserved-one", GATED, Timeout=20)
    aws.put_function_concurrency(FunctionName="reserved-one", ReservedConcurrentExecutions=1)
    first = Held(bulb, "reserved-one")
    response = refusal(aws, "reserved-one")
    assert response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert int(response["ResponseMetadata"]["HTTPHeaders"]["retry-after"]) >= 1
    first.let_go()
    assert invoke(aws, "reserved-one")[0] == "done"
    until(lambda: reports(bulb, "reserved-one") == 2, "two reports, for a refused call is no invocation")


def test_a_refused_call_is_a_throttle_and_no_invocation(bulb: Running) -> None:
    """Of two at once at a reservation of one: one runs, the other is a 429; each is counted once, as what it was."""
    aws = bulb.client("lambda")
    create(aws, "reserved-two", GATED, Timeout=20)
    aws.put_function_concurrency(FunctionName="reserved-two", ReservedConcurrentExecutions=1)
    together = threading.Barrier(2)
    gate = ObjectGate(bulb)
    outcomes: list[str] = []

    def call() -> None:
        client = bulb.client("lambda")
        together.wait(30)
        try:
            outcomes.append(invoke(client, "reserved-two", {"gate": gate.path})[0])
        except ClientError as refused:
            outcomes.append(refused.response["Reason"])

    calls = [threading.Thread(target=call) for _ in range(2)]
    for one in calls:
        one.start()
    until(lambda: outcomes, "one to be refused")
    gate.open()
    for one in calls:
        one.join(30)
    assert sorted(outcomes) == ["ReservedFunctionConcurrentInvocationLimitExceeded", "done"]
    heard = [fact for fact in bulb.facts if function_of(fact) == "reserved-two"]
    (throttle,) = [fact for fact in heard if isinstance(fact, InvocationThrottled)]
    assert throttle.reason == "ReservedFunctionConcurrentInvocationLimitExceeded"
    (finished,) = [fact for fact in heard if isinstance(fact, InvocationFinished)]
    assert (finished.status, finished.error_type) == ("success", None)


def function_of(fact: Any) -> str | None:
    ref = getattr(fact, "function", None) or getattr(getattr(fact, "environment", None), "function", None)
    return ref.name if ref is not None else None


def test_however_a_call_ends_its_room_is_free_again(bulb: Running) -> None:
    source = GATED.replace(
        "wait(event)\n        return",
        """how = event.get('how')
        if how == 'raise':
            raise ValueError(how)
        if how == 'exit':
            os._exit(1)
        if how == 'late':
            time.sleep(60)
        wait(event)
        return""",
    )
    aws = bulb.client("lambda")
    create(aws, "mixed", source, Timeout=5)
    create(aws, "unborn", "raise RuntimeError('no')")
    for name in ("mixed", "unborn"):
        aws.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    for how in ("raise", "exit", "late", "exit", "raise"):
        assert invoke(aws, "mixed", {"how": how})[1]["FunctionError"] == "Unhandled"
    for _ in range(3):
        assert invoke(aws, "unborn")[1]["FunctionError"] == "Unhandled"
    gate, before = ObjectGate(bulb), begun(bulb, "mixed")
    connection = http.client.HTTPConnection(bulb.url.removeprefix("http://"), timeout=10)
    connection.request("POST", "/2015-03-31/functions/mixed/invocations", json.dumps({"gate": gate.path}))
    until(lambda: begun(bulb, "mixed") > before, "the call to begin")
    connection.close()  # the caller goes, the function runs on
    assert refusal(aws, "mixed")["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"

    gate.open()

    def let_in() -> bool:
        try:
            return bool(invoke(aws, "mixed")[0] == "done")
        except ClientError:
            return False

    until(let_in, "the end of the call nobody waits for")
    first = Held(bulb, "mixed")
    refusal(aws, "mixed")
    first.let_go()


def test_the_refusal_byte_for_byte(bulb: Running) -> None:
    aws = bulb.client("lambda")
    create(aws, "stopped", GATED)
    aws.put_function_concurrency(FunctionName="stopped", ReservedConcurrentExecutions=0)
    request = urllib.request.Request(bulb.url + "/2015-03-31/functions/stopped/invocations", b"{}")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert refused.value.code == 429
    assert refused.value.headers["x-amzn-errortype"].startswith("TooManyRequestsException")
    assert refused.value.headers["retry-after"] == "1"
    assert json.load(refused.value) == {
        "Type": "User",
        "message": "Rate Exceeded.",
        "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
    }


def test_zero_stops_at_once_what_runs_ends_and_deleting_lets_go_again(bulb: Running) -> None:
    aws = bulb.client("lambda")
    create(aws, "zeroed", GATED, Timeout=20)
    call = Held(bulb, "zeroed")
    aws.put_function_concurrency(FunctionName="zeroed", ReservedConcurrentExecutions=0)
    assert refusal(aws, "zeroed")["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    call.let_go()
    assert aws.get_function(FunctionName="zeroed")["Concurrency"] == {"ReservedConcurrentExecutions": 0}
    aws.delete_function_concurrency(FunctionName="zeroed")
    assert "Concurrency" not in aws.get_function(FunctionName="zeroed")
    assert "ReservedConcurrentExecutions" not in aws.get_function_concurrency(FunctionName="zeroed")
    assert invoke(aws, "zeroed")[0] == "done"


def test_a_function_that_calls_itself_at_a_reservation_of_one_is_refused_and_does_not_hang(bulb: Running) -> None:
    source = """
        import boto3
        def handler(event, context):
            if event.get('deep'):
                return 'deep'
            try:
                client = boto3.client('lambda')
                client.invoke(FunctionName=context.function_name, Payload=b'{"deep": true}')
            except client.exceptions.TooManyRequestsException as refused:
                return refused.response['Reason']
    """
    aws = bulb.client("lambda")
    create(aws, "itself", source, Timeout=30, Environment={"Variables": {"AWS_MAX_ATTEMPTS": "1"}})
    aws.put_function_concurrency(FunctionName="itself", ReservedConcurrentExecutions=1)
    assert invoke(aws, "itself")[0] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    aws.delete_function_concurrency(FunctionName="itself")


def test_the_accounts_limit_holds_for_all_functions_together(narrow: Running) -> None:
    aws = narrow.client("lambda")
    create(aws, "left", GATED, Timeout=20)
    create(aws, "right", GATED, Timeout=20)
    calls = [Held(narrow, "left"), Held(narrow, "right")]
    assert refusal(aws, "left")["Reason"] == "ConcurrentInvocationLimitExceeded"
    for call in calls:
        call.let_go()
    assert invoke(aws, "left")[0] == "done"
    settings = aws.get_account_settings()["AccountLimit"]
    assert settings["ConcurrentExecutions"] == settings["UnreservedConcurrentExecutions"] == 2


def test_two_that_call_each_other_at_the_accounts_limit_are_refused_and_do_not_hang(narrow: Running) -> None:
    source = """
        import boto3, json
        def handler(event, context):
            client = boto3.client('lambda')
            other = 'pong' if context.function_name == 'ping' else 'ping'
            try:
                return json.loads(client.invoke(FunctionName=other, Payload=b'{}')['Payload'].read())
            except client.exceptions.TooManyRequestsException as refused:
                return [context.function_name, refused.response['Reason']]
    """
    aws = narrow.client("lambda")
    for name in ("ping", "pong"):
        create(aws, name, source, Timeout=30, Environment={"Variables": {"AWS_MAX_ATTEMPTS": "1"}})
    assert invoke(aws, "ping")[0] == ["pong", "ConcurrentInvocationLimitExceeded"]


def test_a_reservation_of_one_takes_ten_calls_a_second(tmp_path: Any) -> None:
    with running_bulb(tmp_path / "data") as server:
        aws = server.client("lambda")
        create(aws, "hasty", "def handler(event, context): return 1")
        aws.put_function_concurrency(FunctionName="hasty", ReservedConcurrentExecutions=1)
        answers = 0
        with pytest.raises(ClientError) as refused:
            for _ in range(50):
                server.clock.advance(-5)  # However long a call takes, no token comes back meanwhile.
                answers += invoke(aws, "hasty")[0]
        assert answers >= 10
        assert refused.value.response["Reason"] == "ReservedFunctionInvocationRateLimitExceeded"
        server.clock.advance(1)
        assert invoke(aws, "hasty")[0] == 1


def test_environments_are_not_started_faster_than_the_scaling_rate(tmp_path: Any) -> None:
    with running_bulb(tmp_path / "data", scaling_rate=1) as server:
        aws = server.client("lambda")
        create(aws, "steep", GATED, Timeout=20)
        first = Held(server, "steep")
        assert refusal(aws, "steep")["Reason"] == "FunctionInvocationRateLimitExceeded"
        server.clock.advance(10)
        assert invoke(aws, "steep")[0] == "done"
        first.let_go()


def test_an_event_that_finds_no_room_comes_back_and_runs_once(tmp_path: Any) -> None:
    with running_bulb(tmp_path / "data") as server:
        aws = server.client("lambda")
        create(aws, "patient", GATED, Timeout=20)
        aws.put_function_concurrency(FunctionName="patient", ReservedConcurrentExecutions=1)
        first = Held(server, "patient")
        accepted = aws.invoke(FunctionName="patient", InvocationType="Event", Payload=b"{}")
        assert accepted["StatusCode"] == 202
        first.let_go()

        def twice() -> bool:
            server.clock.advance(1)
            return reports(server, "patient") == 2

        until(twice, "the event to run", every=0.1)


def test_a_streamed_call_is_counted_and_refused_like_any_other(bulb: Running) -> None:
    aws = bulb.client("lambda")
    create(aws, "streamed-one", GATED, Timeout=20)
    aws.put_function_concurrency(FunctionName="streamed-one", ReservedConcurrentExecutions=1)
    answer = aws.invoke_with_response_stream(FunctionName="streamed-one", Payload=b"{}")
    assert b"".join(event["PayloadChunk"]["Payload"] for event in answer["EventStream"] if "PayloadChunk" in event)
    first = Held(bulb, "streamed-one")
    with pytest.raises(ClientError) as refused:
        aws.invoke_with_response_stream(FunctionName="streamed-one", Payload=b"{}")
    assert refused.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    first.let_go()
    aws.delete_function_concurrency(FunctionName="streamed-one")


def test_a_reservation_outlives_kill_nine(tmp_path: Any) -> None:
    server = Process(tmp_path / "data")
    server.start()
    try:
        aws = server.client("lambda")
        create(aws, "kept", GATED)
        aws.put_function_concurrency(FunctionName="kept", ReservedConcurrentExecutions=0)
        server.kill()
        server.start()
        aws = server.client("lambda")
        assert refusal(aws, "kept")["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        assert aws.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 1000
    finally:
        server.kill()


def test_what_is_refused(bulb: Running) -> None:
    aws = bulb.client("lambda")
    create(aws, "greedy", GATED)
    with pytest.raises(ClientError) as refused:
        aws.put_function_concurrency(FunctionName="greedy", ReservedConcurrentExecutions=901)
    assert refused.value.response["Error"] == {
        "Code": "InvalidParameterValueException",
        "Message": "Specified ReservedConcurrentExecutions for function decreases account's "
        "UnreservedConcurrentExecution below its minimum value of [100].",
    }
    with pytest.raises(ClientError) as refused:
        aws.put_function_concurrency(FunctionName="greedy:1", ReservedConcurrentExecutions=1)
    assert refused.value.response["Error"]["Message"] == (
        "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. "
        "Please specify either a function name or an unqualified function ARN."
    )
    for operation in (aws.get_function_concurrency, aws.delete_function_concurrency):
        with pytest.raises(
            ClientError, match="Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody"
        ):
            operation(FunctionName="nobody")


def test_the_unreserved_pool_shrinks_with_a_reservation_and_grows_when_the_function_goes(bulb: Running) -> None:
    aws = bulb.client("lambda", region="eu-north-1")
    create(aws, "pooled", GATED)
    aws.put_function_concurrency(FunctionName="pooled", ReservedConcurrentExecutions=300)
    assert aws.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 700
    with pytest.raises(ClientError, match=r"minimum value of \[100\]"):
        aws.put_function_concurrency(FunctionName="pooled", ReservedConcurrentExecutions=901)
    aws.put_function_concurrency(FunctionName="pooled", ReservedConcurrentExecutions=900)
    aws.delete_function(FunctionName="pooled")

    def pool() -> int:
        limit: int = aws.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
        return limit

    until(lambda: pool() == 1000, "the pool to be whole again")
