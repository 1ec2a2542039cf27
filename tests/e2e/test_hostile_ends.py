"""Hostile functions that end badly, or refuse to end: what the caller is told, and what is left behind (nothing)."""

import time
from collections.abc import Iterator

import pytest

from tests.e2e.hostile import BE_MARKED, Function, Neighbour, exit_error, marked_processes, server, timed_out
from tests.support.bulb import Running
from tests.support.waiting import until

BRIEF_S = 3


@pytest.fixture(scope="module")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with server(tmp_path_factory.mktemp("ends") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def neighbour(bulb: Running) -> Neighbour:
    return Neighbour(bulb.client("lambda"))


@pytest.fixture(scope="module")
def brief(bulb: Running) -> Function:
    """A function whose time is soon over, and is enough for a new process on a busy machine."""
    return Function(bulb.client("lambda"), "brief", Timeout=BRIEF_S)


@pytest.fixture(autouse=True)
def everybody_else_is_fine(brief: Function, neighbour: Neighbour) -> Iterator[None]:
    yield
    brief.assert_works()
    neighbour.assert_undisturbed()


@pytest.mark.parametrize(
    ("attack", "how"),
    [
        ("os._exit(0)", "Runtime exited without providing a reason"),
        ("os._exit(3)", "Runtime exited with error: exit status 3"),
        ("sys.exit(4)", "Runtime exited with error: exit status 4"),
        ("raise SystemExit", "Runtime exited without providing a reason"),
        ("import ctypes; ctypes.string_at(0)", "Runtime exited with error: signal: segmentation fault"),
        (
            "sys.setrecursionlimit(10**9); f = lambda n: repr(f) and sorted([n], key=f); f(0)",
            "Runtime exited with error: signal: segmentation fault",
        ),
        (
            "fd = os.open('/proc/self/mem', os.O_WRONLY); os.pwrite(fd, b'\\0' * 4096, id(type) & ~4095)",
            "Runtime exited with error: signal: segmentation fault",
        ),
    ],
)
def test_an_end_is_reported_as_it_was(brief: Function, attack: str, how: str) -> None:
    exit_error(brief.run(attack), how)


def test_a_timeout_is_exact_and_leaves_tmp_but_no_memory(brief: Function) -> None:
    brief.answer("open('/tmp/kept', 'w').write('here'); sys.modules['os'].remembered = 1")
    began = time.perf_counter()
    timed_out(brief.run("time.sleep(60)"), BRIEF_S)
    assert BRIEF_S <= time.perf_counter() - began < 30
    assert brief.answer("answer = [count, hasattr(os, 'remembered'), open('/tmp/kept').read()]") == [1, False, "here"]


def test_a_busy_loop_times_out(brief: Function) -> None:
    timed_out(brief.run("while True: pass"), BRIEF_S)


def test_a_loop_that_never_lets_python_look_times_out(brief: Function) -> None:
    timed_out(brief.run("10 ** 10 ** 9"), BRIEF_S)


def test_no_signal_can_be_ignored_long(brief: Function) -> None:
    timed_out(
        brief.run("""
            import signal
            for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                signal.signal(number, signal.SIG_IGN)
            while True:
                try:
                    time.sleep(60)
                except BaseException:
                    pass
        """),
        BRIEF_S,
    )


def test_it_cannot_signal_its_way_out(brief: Function, neighbour: Neighbour) -> None:
    # Everything it may signal is inside; the first process of a sandbox is spared by the kernel even its own SIGKILL.
    ending = brief.run("""
        os.fork() or time.sleep(60)
        for number in (15, 9):
            for target in (-1, 1):
                try:
                    os.kill(target, number)
                except OSError:
                    pass
        answer = [name for name in os.listdir("/proc") if name.isdigit()]
    """)
    assert ending.failed or "1" in ending.document


def test_children_are_gone_with_their_environment(bulb: Running) -> None:
    leaver = Function(bulb.client("lambda"), "leaver", Timeout=BRIEF_S)
    leaver.answer(f"""
        {BE_MARKED}
        for daemon in range(5):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    os.setpgid(0, 0)
                    import signal
                    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                        signal.signal(number, signal.SIG_IGN)
                    os.closerange(0, 1024)
                    while True:
                        time.sleep(60)
                os._exit(0)
            os.wait()
    """)
    assert marked_processes() == 6
    leaver.assert_works()
    # An end by crash, by timeout, and by an update of the function.
    exit_error(leaver.run("os._exit(1)"), "Runtime exited with error: exit status 1")
    assert marked_processes() == 0
    leaver.run(f"{BE_MARKED}; os.fork() or time.sleep(60)")
    timed_out(leaver.run("os.fork(); time.sleep(60)"), BRIEF_S)
    until(lambda: marked_processes() == 0, "the end of what ran out of time")
    leaver.answer(f"{BE_MARKED}; os.fork() or os.setsid() or time.sleep(60)")
    assert marked_processes() == 2
    leaver.aws.update_function_configuration(FunctionName=leaver.name, Description="ends idle environments")
    until(lambda: marked_processes() == 0, "the end of what it left running")
    leaver.aws.get_waiter("function_updated_v2").wait(FunctionName=leaver.name, WaiterConfig={"Delay": 0.05})
    leaver.assert_works()


def test_a_child_that_returns_from_the_handler_too_has_no_say(brief: Function) -> None:
    for _ in range(3):
        assert brief.answer("os.fork(); answer = os.getpid()") == 1


def test_an_orphan_holding_the_output_does_not_hold_the_answer(brief: Function) -> None:
    assert brief.answer("os.fork() or time.sleep(60) or os._exit(0); print('parent'); answer = 1") == 1


def test_closing_every_descriptor(brief: Function) -> None:
    # 120 is how Python says that it could not write what was left in its streams.
    exit_error(brief.run("os.closerange(0, 1024)"), "Runtime exited with error: exit status 120")
    timed_out(brief.run("os.closerange(0, 1024); time.sleep(60)"), BRIEF_S)


def test_stopping_itself_times_out(brief: Function) -> None:
    brief.run("import signal; os.fork() or os.kill(os.getpid(), signal.SIGSTOP); answer = 1")
    timed_out(
        brief.run("import threading; threading.Lock().acquire(); l = threading.Lock(); l.acquire(); l.acquire()"),
        BRIEF_S,
    )


@pytest.mark.parametrize(
    ("source", "how"),
    [
        ("import os; os._exit(7)", "Runtime exited with error: exit status 7"),
        ("import ctypes; ctypes.string_at(0)", "Runtime exited with error: signal: segmentation fault"),
        ("import sys; sys.exit(5)", "Runtime exited with error: exit status 5"),
    ],
)
def test_an_end_during_init_is_reported_and_tried_again(bulb: Running, source: str, how: str) -> None:
    aws = bulb.client("lambda")
    stillborn = Function(aws, f"stillborn-{abs(hash(source))}", source)
    for _ in range(2):
        exit_error(stillborn.call({}), how)


def test_an_init_that_never_ends_times_out(bulb: Running) -> None:
    # Ten seconds for the init phase, then once more inside the invocation's own time.
    endless = Function(bulb.client("lambda"), "endless", "while True: pass", Timeout=1)
    timed_out(endless.call({}), 1)
