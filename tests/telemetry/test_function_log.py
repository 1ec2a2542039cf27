"""What ends up in an environment's stream, and in what order."""

import struct
import time
from dataclasses import dataclass

from bulb.core.clock import SystemClock
from bulb.core.facts import EnvironmentEnded, Facts, InvocationThrottled
from bulb.telemetry.buffer import STREAM_BYTES, Buffer, LogStream, StreamName
from bulb.telemetry.function_log import FunctionLog
from bulb.telemetry.listener import FunctionLogs
from bulb.telemetry.report import LogFormat
from tests.telemetry.facts import AT, BEGUN, ENVIRONMENT, FINISHED, FUNCTION, STARTED, finished


@dataclass(frozen=True)
class Options:
    log_format: LogFormat = "Text"
    system_log_level: str | None = None


class OneStream:
    """Just the part of the log store that opens streams."""

    def __init__(self) -> None:
        self.hurried = 0
        self.buffer = Buffer(self._hurry)
        self.stream: LogStream | None = None

    def _hurry(self) -> None:
        self.hurried += 1

    def open_stream(self, account: str, region: str, group: str, stream: str) -> LogStream:
        self.stream = LogStream(self.buffer, StreamName(account, region, group, stream))
        return self.stream


def opened(options: Options) -> tuple[FunctionLog, LogStream, Facts]:
    store = OneStream()
    logs = FunctionLogs(store, SystemClock())  # type: ignore[arg-type]
    log = logs.open(ENVIRONMENT, options)
    facts = Facts()
    facts.add(logs.listen)
    assert store.stream is not None
    return log, store.stream, facts


def test_a_whole_life_in_order() -> None:
    log, stream, facts = opened(Options())
    facts.emit(STARTED)
    log.feed(b"loading\n")
    facts.emit(BEGUN)
    log.feed(b"hello\nunfinished")
    facts.emit(FINISHED)
    facts.emit(InvocationThrottled(FUNCTION, AT, "ConcurrentInvocationLimitExceeded"))
    facts.emit(EnvironmentEnded(ENVIRONMENT, AT, "idle"))
    first_words = [message.split(" ")[0].rstrip("\n") for _, message in stream.events]
    assert first_words == ["INIT_START", "loading", "START", "hello", "unfinished", "END", "REPORT"]
    assert stream.events[4][0] <= stream.events[5][0]  # readers see events in the order of their time
    tail = log.tail().decode()
    assert tail.startswith("START RequestId: A")
    assert tail.endswith("Init Duration: 110.90 ms\t\n")


def test_the_tail_is_the_last_four_kilobytes_of_this_invocation() -> None:
    log, _, facts = opened(Options())
    facts.emit(BEGUN)
    log.feed(b"x" * 5000 + b"\n" + "é".encode() * 3000 + b"\n" + b"y\n" * 100)
    assert len(log.tail()) == 4096
    assert log.tail().endswith(b"y\ny\n")
    facts.emit(BEGUN)
    assert log.tail() == b"START RequestId: A Version: $LATEST\n"


def test_json_lines_obey_the_level() -> None:
    for level, kinds in (("DEBUG", 4), ("INFO", 3), ("WARN", 0)):
        _, stream, facts = opened(Options("JSON", level))
        for fact in (STARTED, BEGUN, FINISHED):
            facts.emit(fact)
        assert len(stream.events) == kinds
    _, stream, facts = opened(Options("JSON", "WARN"))
    facts.emit(finished(status="timeout"))
    assert [message[45:65] for _, message in stream.events] != []
    assert len(stream.events) == 2


def test_a_frames_time_is_believed_only_near_ours() -> None:
    log, stream, _ = opened(Options())
    now = time.time()
    for microseconds in (int((now - 2) * 1e6), 17):
        log.feed(b"\xa5\x5a\x00\x03" + struct.pack(">IQ", 1, microseconds) + b"m")
    assert stream.events[0][0] == int((now - 2) * 1e6) // 1000
    assert abs(stream.events[1][0] - now * 1000) < 5000


def test_a_frame_is_read_neither_before_what_came_before_it_nor_after_what_comes_next() -> None:
    log, stream, _ = opened(Options())
    now = time.time()
    for ahead_s in (-2, 60):
        log.feed(b"printed\n")
        log.feed(b"\xa5\x5a\x00\x03" + struct.pack(">IQ", 6, int((now + ahead_s) * 1e6)) + b"logged")
    log.feed(b"printed\n")
    assert [message for _, message in stream.events] == ["printed\n", "logged\n"] * 2 + ["printed\n"]
    times = [at for at, _ in stream.events]
    assert times == sorted(times)
    assert times[-1] < (now + 50) * 1000


def test_a_stream_that_is_not_flushed_is_full_some_day() -> None:
    log, stream, _ = opened(Options())
    while not log.is_full:
        log.feed(b"z" * 60_000 + b"\n")
    assert stream.bytes < STREAM_BYTES + 70_000
    stream._buffer.take()
    assert not log.is_full


def test_an_invocation_costs_microseconds() -> None:
    log, stream, facts = opened(Options())
    began = time.thread_time()  # not what others have of the processor
    for _ in range(2000):
        facts.emit(BEGUN)
        log.feed(b"hello\n")
        facts.emit(FINISHED)
    each = (time.thread_time() - began) / 2000
    stream._buffer.take()
    print(f"{each * 1e6:.1f} us for each invocation")
    assert each < 200e-6  # 15 is the aim on an idle machine; this guards the order of magnitude


def test_a_stream_that_becomes_full_asks_for_a_flush_once() -> None:
    store = OneStream()
    stream = store.open_stream("000000000000", "us-east-1", "g", "s")
    for _ in range(5):
        stream.write(0, "x" * 1_000_000)
    assert stream.is_full
    assert store.hurried == 1
