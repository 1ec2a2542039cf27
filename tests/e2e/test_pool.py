"""How long environments live, when they are frozen, and what happens when there is no room."""

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bulb.core.facts import EnvironmentEnded
from tests.support.bulb import Running, running_bulb
from tests.support.functions import create, invoke
from tests.support.gates import Gate, begun, waiting
from tests.support.waiting import until


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with room for one environment and nothing in stock."""
    with running_bulb(tmp_path_factory.mktemp("pool") / "data", capacity=1, stock=0) as running:
        yield running


def environments(server: Running) -> dict[str, int]:
    with urllib.request.urlopen(server.url + "/_bulb/status", timeout=30) as answer:
        states: dict[str, int] = json.load(answer)["environments"]["states"]
    return states


def test_an_idle_environment_ends_after_ten_minutes(small: Running) -> None:
    aws = small.client("lambda")
    create(aws, "idle", "n = 0\ndef handler(event, context):\n    global n\n    n += 1\n    return n")
    assert invoke(aws, "idle")[0] == 1
    small.clock.advance(590)
    time.sleep(0.3)
    assert environments(small) == {"ready": 1}
    small.clock.advance(20)
    until(lambda: environments(small) == {}, "the end of the idle environment")
    assert invoke(aws, "idle")[0] == 1


def test_the_environment_of_a_deleted_version_ends(small: Running) -> None:
    aws = small.client("lambda")
    create(aws, "numbered", "def handler(event, context): return context.function_version")
    aws.publish_version(FunctionName="numbered")
    assert invoke(aws, "numbered:1")[0] == "1"
    assert sum(environments(small).values()) == 1
    aws.delete_function(FunctionName="numbered", Qualifier="1")
    until(lambda: environments(small) == {}, "the end of the version's environment")


def test_the_longest_idle_makes_room_and_a_busy_one_does_not(small: Running) -> None:
    aws, gate = small.client("lambda"), Gate(small, "first")
    source = "def handler(event, context):\n    if event.get('wait'):\n        wait()\n    return 'first'"
    create(aws, "first", waiting(source), **gate.settings)
    create(aws, "second", "def handler(event, context): return 'second'")
    assert invoke(aws, "first")[0] == "first"
    assert invoke(aws, "second")[0] == "second"
    assert sum(environments(small).values()) == 1
    busy = threading.Thread(target=lambda: invoke(small.client("lambda"), "first", {"wait": True}))
    busy.start()
    try:
        until(lambda: environments(small) == {"busy": 1}, "the call to begin")
        with pytest.raises(ClientError) as refusal:
            invoke(aws, "second")
    finally:
        gate.open()
        busy.join()
    error: Any = refusal.value.response
    assert error["Error"]["Code"] == "TooManyRequestsException"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert error["Error"]["Message"] == "Rate Exceeded."
    assert error["Reason"] == "ConcurrentInvocationLimitExceeded"
    assert error["ResponseMetadata"]["HTTPHeaders"]["retry-after"]
    assert invoke(aws, "second")[0] == "second"


def test_what_runs_beside_the_handler_stands_still_between_calls(bulb: Running) -> None:
    if bulb.isolation != "full":
        pytest.skip(f"freezing needs the full rung; this is {bulb.isolation}")
    aws = bulb.client("lambda")
    source = """
        import threading, time
        ticks = 0
        def tick():
            global ticks
            while True:
                time.sleep(0.05)
                ticks += 1
        threading.Thread(target=tick, daemon=True).start()
        def handler(event, context): return ticks
    """
    create(aws, "ticks", source)
    before = invoke(aws, "ticks")[0]
    time.sleep(4)  # 80 ticks; the pool takes a tenth of a second to freeze what is idle, or longer where much is to do
    assert invoke(aws, "ticks")[0] - before < 50


def test_a_deleted_functions_environments_end(bulb: Running) -> None:
    aws = bulb.client("lambda")
    create(aws, "deleted", "def handler(event, context): return 1")
    invoke(aws, "deleted")
    aws.delete_function(FunctionName="deleted")

    def ended() -> bool:
        ends = [fact for fact in list(bulb.facts) if isinstance(fact, EnvironmentEnded)]
        return any(fact.environment.function.name == "deleted" for fact in ends)

    until(ended, "the end of its environment")
    with pytest.raises(ClientError, match="Function not found: "):
        invoke(aws, "deleted")


def test_a_call_under_way_ends_on_the_old_code(bulb: Running) -> None:
    aws, gate = bulb.client("lambda"), Gate(bulb, "changing")
    source = (
        "def handler(event, context):\n    if event.get('wait'):\n        wait()\n    return os.environ.get('SHADE')"
    )
    create(aws, "changing", waiting(source), **gate.settings)
    answers: list[Any] = []
    call = threading.Thread(target=lambda: answers.append(invoke(bulb.client("lambda"), "changing", {"wait": True})[0]))
    call.start()
    try:
        until(lambda: begun(bulb, "changing") == 1, "the call to begin")
        aws.update_function_configuration(FunctionName="changing", Environment={"Variables": {"SHADE": "new"}})
        aws.get_waiter("function_updated_v2").wait(FunctionName="changing", WaiterConfig={"Delay": 0.05})
        assert invoke(aws, "changing")[0] == "new"
        assert answers == []
    finally:
        gate.open()
        call.join()
    assert answers == [None]
