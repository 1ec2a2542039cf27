"""Hostile functions that use everything up: processes, memory, disk, processors, sockets, the log, the response."""

import os
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.hostile import (
    BE_MARKED,
    Ending,
    Function,
    Neighbour,
    events_of,
    exit_error,
    marked_processes,
    server,
    timed_out,
)
from tests.support.bulb import Running
from tests.support.waiting import until

MB = 1 << 20
# A neighbour's answer takes a millisecond or two; this is what a test on a busy machine may still call prompt.
# It is less than any of the attacks that last.
PROMPT_S = {"full": 2.5, "userns": 10.0}  # without a CPU limit a bomb takes its share of the machine
KILLED = "Runtime exited with error: signal: killed"


@pytest.fixture(scope="module")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with server(tmp_path_factory.mktemp("floods") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def neighbour(bulb: Running) -> Neighbour:
    return Neighbour(bulb.client("lambda"))


@pytest.fixture(scope="module")
def greedy(bulb: Running) -> Function:
    """The smallest function there is."""
    return Function(bulb.client("lambda"), "greedy", MemorySize=128, Timeout=30)


@pytest.fixture(autouse=True)
def everybody_else_is_fine(greedy: Function, neighbour: Neighbour) -> Iterator[None]:
    yield
    greedy.assert_works()
    neighbour.assert_undisturbed()


def server_descriptors() -> int:
    """What the server, which runs in this process, has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def during(neighbour: Neighbour, greedy: Function, attack: str) -> tuple[Ending, float]:
    """How `attack` ends, and how long an answer of the neighbour took meanwhile: the median, in seconds.

    The slowest would tell of the machine: anything may be held up once.
    """
    took = [0.0]  # It may be over before the first.
    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(greedy.run, attack)
        while not ending.done():
            began = time.perf_counter()
            neighbour.assert_undisturbed()
            took.append(time.perf_counter() - began)
    return ending.result(), statistics.median(took[1:] or took)


def needs_a_process_limit(bulb: Running) -> None:
    """Skip where the kernel sets none: without cgroups, for root."""
    if bulb.isolation != "full" and os.geteuid() == 0:
        pytest.skip("without cgroups there is no limit on the processes of root")


def test_a_fork_bomb(bulb: Running, neighbour: Neighbour) -> None:
    needs_a_process_limit(bulb)
    bomber = Function(bulb.client("lambda"), "bomber", MemorySize=1024, Timeout=3)
    attack = f"""
        {BE_MARKED}
        while True:
            try:
                os.fork()
            except OSError:
                pass
    """
    ending, usual = during(neighbour, bomber, attack)
    # Either its time or its memory ends it; the number of processes never does the machine any harm.
    if ending.document["errorType"] == "Sandbox.Timedout":
        timed_out(ending, 3)
    else:
        exit_error(ending, KILLED)
    # A thousand die at the pace of their share of the processors.
    until(lambda: marked_processes() == 0, "the end of its processes", 120)
    assert usual < PROMPT_S[bulb.isolation]
    bomber.assert_works()


def test_threads_without_end(bulb: Running) -> None:
    needs_a_process_limit(bulb)
    weaver = Function(bulb.client("lambda"), "weaver", MemorySize=1024, Timeout=30)
    made = weaver.answer("""
        import threading
        threading.stack_size(65536)
        answer = 0
        event = threading.Event()
        try:
            while True:
                threading.Thread(target=event.wait, daemon=True).start()
                answer += 1
        except RuntimeError:
            event.set()
    """)
    assert 900 < made < 1024


@pytest.mark.parametrize(
    "attack",
    [
        "hoard = []\nwhile True: hoard.append(bytearray(1 << 20))",
        "hoard = b'x' * (900 << 20); time.sleep(5)",
        "import mmap; m = mmap.mmap(-1, 900 << 20); [m.__setitem__(n, 1) for n in range(0, 900 << 20, 4096)]",
        "for n in range(8):\n  if os.fork() == 0:\n    break\nhoard = b'x' * (100 << 20); time.sleep(5)",
    ],
    ids=["little by little", "at once", "mapped", "shared among processes"],
)
def test_a_memory_bomb(bulb: Running, greedy: Function, neighbour: Neighbour, attack: str) -> None:
    ending, usual = during(neighbour, greedy, attack)
    exit_error(ending, KILLED)
    if bulb.isolation == "full":  # below it is the largest of the samples
        assert "\tMax Memory Used: 128 MB\t" in ending.report
    assert usual < PROMPT_S[bulb.isolation]


def test_more_memory_than_the_machine_has_is_refused(greedy: Function) -> None:
    assert "MemoryError" in greedy.refusal("bytearray(1 << 46)")


def test_tmp_is_full_at_its_size(greedy: Function) -> None:
    written, errno = greedy.answer("""
        block, written = b"x" * (1 << 20), 0
        try:
            with open("/tmp/full", "wb", 0) as f:
                while True:
                    written += f.write(block)
        except OSError as error:
            answer = [written, error.errno]
        os.remove("/tmp/full")
    """)
    assert errno == 28
    assert 511 * MB <= written <= 512 * MB


def test_tmp_does_not_count_as_memory(bulb: Running) -> None:
    hoarder = Function(bulb.client("lambda"), "hoarder", MemorySize=128, Timeout=30)
    ending = hoarder.run("""
        block = b"x" * (1 << 20)
        with open("/tmp/300", "wb", 0) as f:
            for _ in range(300):
                f.write(block)
        answer = os.path.getsize("/tmp/300")
    """)
    assert ending.document == 300 * MB
    assert int(ending.report.partition("Max Memory Used: ")[2].partition(" MB")[0]) < 100
    # With /tmp that full the limit is still where it was; the lower rungs look at memory only now and then.
    exit_error(hoarder.run("hoard = b'x' * (200 << 20); time.sleep(5)"), KILLED)
    assert hoarder.answer("answer = os.path.getsize('/tmp/300')") == 300 * MB


def test_every_processor_in_every_thread(bulb: Running, neighbour: Neighbour) -> None:
    burner = Function(bulb.client("lambda"), "burner", MemorySize=3538, Timeout=4)
    attack = """
        for n in range(8):
            if os.fork() == 0:
                break
        while True:
            pass
    """
    ending, usual = during(neighbour, burner, attack)
    timed_out(ending, 4)
    assert usual < PROMPT_S[bulb.isolation]
    burner.assert_works()


def test_a_hundred_megabytes_of_log(greedy: Function, neighbour: Neighbour, bulb: Running) -> None:
    loud = Function(bulb.client("lambda"), "loud", MemorySize=1769, Timeout=55)
    attack = "line = 'x' * 1023\nfor n in range(102_400): print(line)\nprint('the last line'); answer = n"
    ending, usual = during(neighbour, loud, attack)
    assert ending.document == 102_399
    assert usual < PROMPT_S[bulb.isolation]
    assert len(ending.log) <= 4096
    assert "the last line\n" in ending.log
    loud.assert_works()
    logs = bulb.client("logs")
    streams = logs.describe_log_streams(logGroupName="/aws/lambda/loud")["logStreams"]
    (stream,) = [s["logStreamName"] for s in streams]
    newest = logs.get_log_events(logGroupName="/aws/lambda/loud", logStreamName=stream, limit=10)["events"]
    assert any(event["message"] == "the last line\n" for event in newest)


def test_one_line_without_an_end(greedy: Function) -> None:
    ending = greedy.run("os.write(1, b'y' * 3_000_000) and os.write(1, b'\\0\\xff' * 10); answer = 1")
    assert ending.document == 1
    assert ending.report


@pytest.mark.parametrize(
    ("size", "fits"), [(6_291_554, True), (6_291_555, False), (10_000_000, False)], ids=["fits", "a byte more", "10 MB"]
)  # fmt: skip
def test_a_response(greedy: Function, size: int, fits: bool) -> None:
    ending = greedy.run(f"answer = 'x' * {size}")  # as JSON, two quotation marks more
    if fits:
        assert ending.document == "x" * size
        return
    assert ending.failed
    assert ending.document == {
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        "errorType": "Function.ResponseSizeTooLarge",
    }
    assert ending.report.endswith("\tStatus: error\tError Type: Function.ResponseSizeTooLarge")


def test_an_error_as_large_as_it_likes(greedy: Function) -> None:
    ending = greedy.run("raise ValueError('x' * 10_000_000)")
    assert ending.failed


def test_two_thousand_connections_to_the_endpoint(bulb: Running, neighbour: Neighbour) -> None:
    caller = Function(bulb.client("lambda"), "caller", MemorySize=1769, Timeout=20)
    before = server_descriptors()
    attack = """
        import socket
        child = not (os.fork() and os.fork())
        held = []
        for n in range(900):
            held.append(socket.socket())
            held[n].setblocking(False)
            held[n].connect_ex(("127.0.0.1", 4566))
        time.sleep(0.5)
        for s in held:
            try:
                s.send(b"GET / HTTP/1.1\\r\\nHost: x")
            except OSError:
                pass
        if child:
            time.sleep(60)
        answer = len(held)
    """
    ending, usual = during(neighbour, caller, attack)
    assert ending.document == 900
    assert usual < PROMPT_S[bulb.isolation]
    # The server holds as many of them as one function is good for, and none when the environment is gone.
    assert server_descriptors() - before < 400
    caller.aws.update_function_configuration(FunctionName="caller", Description="another environment")
    caller.aws.get_waiter("function_updated_v2").wait(FunctionName="caller", WaiterConfig={"Delay": 0.05})
    until(lambda: server_descriptors() - before < 100, "the end of the connections")
    assert caller.answer("import boto3; answer = boto3.client('s3').list_buckets()['Buckets']") == []


def test_connections_by_the_thousand_one_after_the_other(greedy: Function) -> None:
    assert (
        greedy.answer("""
        import socket
        for n in range(1000):
            socket.create_connection(("127.0.0.1", 9001 if n % 2 else 4566), 20).close()
        answer = n
    """)
        == 999
    )


def test_events_of_everybody_are_still_told(bulb: Running) -> None:
    assert any(message.startswith("REPORT") for message in events_of(bulb, "neighbour"))
