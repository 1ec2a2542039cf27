"""Many at once, and the server killed among them: what was acknowledged is there, what was capped stays capped."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.e2e.hostile import Neighbour, server
from tests.support.bulb import Process, Running
from tests.support.functions import create, invoke, zipped
from tests.support.waiting import until

# Says which version it is, by its code, and when it ran.
STAMPED = """
import time
def handler(event, context):
    begun = time.time()
    time.sleep(event.get("sleep", 0))
    return [{number}, context.function_version, begun, time.time()]
"""
ONE = "arn:aws:s3:::nothing-is-there"


@pytest.fixture(scope="module")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with server(tmp_path_factory.mktemp("races") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def aws(bulb: Running) -> Any:
    return bulb.client("lambda", max_pool_connections=60)


@pytest.fixture(scope="module")
def neighbour(aws: Any) -> Neighbour:
    return Neighbour(aws)


@pytest.fixture(autouse=True)
def everybody_else_is_fine(neighbour: Neighbour, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    neighbour.assert_undisturbed()
    assert not [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


def publish(aws: Any, name: str, number: int) -> str:
    """A version whose code says `number`."""
    aws.update_function_code(FunctionName=name, ZipFile=zipped(app=STAMPED.format(number=number)))
    aws.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05})
    version: str = aws.publish_version(FunctionName=name)["Version"]
    return version


def test_an_alias_that_moves_under_load_leads_only_where_it_was_told(aws: Any) -> None:
    create(aws, "moving", STAMPED.format(number=0))
    versions = [publish(aws, "moving", number) for number in (1, 2, 3)]
    first, second, never = versions
    aws.create_alias(FunctionName="moving", Name="live", FunctionVersion=first)
    told: list[str] = [first]
    seen: list[str] = []
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            answer, response = invoke(aws, "moving", Qualifier="live")
            assert "FunctionError" not in response
            assert response["ExecutedVersion"] == answer[1] == str(answer[0])
            seen.append(answer[1])

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(load) for _ in range(3)]
        for number in range(40):
            version = (second, first)[number % 2]
            aws.update_alias(FunctionName="moving", Name="live", FunctionVersion=version)
            told.append(version)
            enough = len(seen) + 2
            until(lambda enough=enough: len(seen) > enough, "invocations of the alias")  # type: ignore[misc]
        stop.set()
        for one in running:
            one.result(30)
    assert never not in seen
    # Whoever asks after the answer of the last move is led there at once.
    assert {invoke(aws, "moving", Qualifier="live")[0][1] for _ in range(5)} == {told[-1]}


def test_fifty_publish_at_once(aws: Any) -> None:
    create(aws, "published", STAMPED.format(number=0))
    with ThreadPoolExecutor(50) as pool:
        same = list(pool.map(lambda _: aws.publish_version(FunctionName="published")["Version"], range(50)))
    assert set(same) == {"1"}

    def change(number: int) -> str | None:
        try:
            aws.update_function_configuration(FunctionName="published", Description=str(number))
            version: str = aws.publish_version(FunctionName="published", Description=f"v{number}")["Version"]
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ResourceConflictException", error
            return None
        return version

    with ThreadPoolExecutor(20) as pool:
        published = {version for version in pool.map(change, range(50)) if version}
    pages = aws.get_paginator("list_versions_by_function").paginate(FunctionName="published")
    listed = [version["Version"] for page in pages for version in page["Versions"]]
    assert published <= set(listed)
    assert listed == ["$LATEST", *[str(number) for number in range(1, len(listed))]]


def test_a_cap_that_moves_is_never_exceeded(aws: Any) -> None:
    create(aws, "capped", STAMPED.format(number=0))
    aws.put_function_concurrency(FunctionName="capped", ReservedConcurrentExecutions=4)
    stop, caps = threading.Event(), [4, 1, 3, 2, 4, 1]
    ran: list[tuple[float, float, float]] = []  # when it was sent, and when its handler began and ended
    too_many = {f"ReservedFunction{what}LimitExceeded" for what in ("ConcurrentInvocation", "InvocationRate")}

    def load() -> None:
        while not stop.is_set():
            sent = time.time()
            try:
                answer, _ = invoke(aws, "capped", {"sleep": 0.03})
            except ClientError as error:
                assert error.response["Error"]["Code"] == "TooManyRequestsException"
                assert error.response["Reason"] in too_many
                time.sleep(0.005)
            else:
                ran.append((sent, answer[2], answer[3]))

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(load) for _ in range(8)]
        windows = []
        try:
            for cap in caps:
                aws.put_function_concurrency(FunctionName="capped", ReservedConcurrentExecutions=cap)
                begun, enough = time.time(), len(ran) + 10
                until(lambda enough=enough: len(ran) >= enough, "invocations under the cap")  # type: ignore[misc]
                windows.append((begun, time.time(), cap))
        finally:
            stop.set()
        for one in running:
            one.result(30)
    for begun, ended, cap in windows:
        # What was let in before a lower cap may still run, so those count that were sent and had begun between moves.
        under = [(start, end) for sent, start, end in ran if begun <= sent and start <= ended]
        most = max((sum(start <= moment < end for start, end in under) for moment, _ in under), default=0)
        assert 0 < most <= cap, (cap, most)


def test_deleted_while_it_runs(aws: Any) -> None:
    for qualified in (False, True):
        create(aws, "deleted", STAMPED.format(number=0))
        version = aws.publish_version(FunctionName="deleted")["Version"]
        target = {"Qualifier": version} if qualified else {}
        with ThreadPoolExecutor(6) as pool:
            running = [pool.submit(invoke, aws, "deleted", {"sleep": 0.3}, **target) for _ in range(6)]
            time.sleep(0.1)
            aws.delete_function(FunctionName="deleted", **target)
            for one in running:
                with contextlib.suppress(ClientError):  # It had not begun: there is no such function.
                    answer, response = one.result(30)
                    assert "FunctionError" in response or answer[1] in ("$LATEST", version)
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            invoke(aws, "deleted", **target)
        with contextlib.suppress(ClientError):
            aws.delete_function(FunctionName="deleted")


KINDS = {"version", "alias", "layer", "url", "config", "provisioned", "async"}


def test_killed_in_the_middle(tmp_path: Path) -> None:
    """Three times: what was answered before the kill is there after it, and all references lead somewhere."""
    process = Process(tmp_path / "data", "--egress", "none")
    made: list[tuple[str, str]] = []
    process.start()
    try:
        create(process.client("lambda"), "kept", STAMPED.format(number=0))
        for attempt in range(3):
            stop = threading.Event()
            workers = [threading.Thread(target=work, args=(process.client("lambda"), f"{attempt}-{n}", made, stop))
                       for n in range(4)]  # fmt: skip
            for worker in workers:
                worker.start()
            time.sleep(0.5)
            if attempt == 2:
                until(lambda: {kind for kind, _ in made} == KINDS, "one of each")
            process.kill()
            stop.set()
            for worker in workers:
                worker.join(30)
            process.start()
            check(process.client("lambda"), made)
        assert process.stop() == 0
    finally:
        process.kill()
    assert "Traceback" not in process.log()


def work(aws: Any, label: str, made: list[tuple[str, str]], stop: threading.Event) -> None:
    """Make things, and note each as soon as it is acknowledged."""
    on_failure = {"OnFailure": {"Destination": ONE}}
    provisioned = False
    for number in range(200):
        name = f"a-{label}-{number}"
        with contextlib.suppress(ClientError, BotoCoreError):
            aws.update_function_configuration(FunctionName="kept", Description=name)
        try:
            version = aws.publish_version(FunctionName="kept")["Version"]
            made.append(("version", version))
            aws.create_alias(FunctionName="kept", Name=name, FunctionVersion=version)
            made.append(("alias", name))
            url = aws.create_function_url_config(FunctionName="kept", Qualifier=name, AuthType="NONE")["FunctionUrl"]
            made.append(("url", json.dumps([name, url.rpartition(":")[0]])))
            aws.put_function_event_invoke_config(FunctionName="kept", Qualifier=name, DestinationConfig=on_failure)
            made.append(("config", name))
            if not provisioned:
                aws.put_provisioned_concurrency_config(
                    FunctionName="kept", Qualifier=name, ProvisionedConcurrentExecutions=1
                )
                made.append(("provisioned", name))
                provisioned = True
            content = {"ZipFile": zipped(a=f"label = {name!r}")}
            made.append(("layer", aws.publish_layer_version(LayerName="kept", Content=content)["LayerVersionArn"]))
            aws.invoke(FunctionName="kept", Qualifier=name, InvocationType="Event", Payload="{}")
            made.append(("async", name))
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ResourceConflictException", error
        except BotoCoreError:
            return  # The server is dead.
        if stop.is_set():
            return


def check(aws: Any, made: list[tuple[str, str]]) -> None:
    """Each thing that was made is there, and nothing is there in part."""
    aws.get_waiter("function_updated_v2").wait(FunctionName="kept", WaiterConfig={"Delay": 0.05})
    pages = aws.get_paginator("list_versions_by_function").paginate(FunctionName="kept")
    versions = {one["Version"] for page in pages for one in page["Versions"]}
    pages = aws.get_paginator("list_aliases").paginate(FunctionName="kept")
    aliases = {one["Name"]: one["FunctionVersion"] for page in pages for one in page["Aliases"]}
    pages = aws.get_paginator("list_layer_versions").paginate(LayerName="kept")
    layers = {one["LayerVersionArn"] for page in pages for one in page["LayerVersions"]}
    assert set(aliases.values()) <= versions
    for kind, what in made:
        if kind == "version":
            assert what in versions
        elif kind == "layer":
            assert what in layers
        elif kind == "url":
            name, url = json.loads(what)
            assert aws.get_function_url_config(FunctionName="kept", Qualifier=name)["FunctionUrl"].startswith(url)
        elif kind == "provisioned":
            assert aws.get_provisioned_concurrency_config(FunctionName="kept", Qualifier=what)
        elif kind == "config":
            assert aws.get_function_event_invoke_config(FunctionName="kept", Qualifier=what)
        else:
            assert what in aliases
    for name in list(aliases)[-3:]:
        assert invoke(aws, "kept", Qualifier=name)[0][1] == aliases[name]
    for arn in sorted(layers)[:3]:
        assert aws.get_layer_version_by_arn(Arn=arn)["Content"]["CodeSize"]
