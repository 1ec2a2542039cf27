"""One environment's log: what its function prints and what the platform says about it, in order, in one stream."""

from collections import deque
from typing import Protocol

from bulb.core.clock import Clock
from bulb.core.facts import EnvironmentStarted, InitReported, InvocationFinished, InvocationStarted
from bulb.core.limits import LOG_TAIL_BYTES
from bulb.telemetry import report
from bulb.telemetry.buffer import LogStream
from bulb.telemetry.frames import Message, Splitter

# A frame's own time is believed when it is this close to ours; a function may write any number there.
_BELIEVED_MS = 3_600_000


class LogOptions(Protocol):
    """What of a function's configuration decides how it is logged."""

    @property
    def log_format(self) -> report.LogFormat:
        """`Text` or `JSON`."""

    @property
    def system_log_level(self) -> str | None:
        """The least level of the platform's lines that is written, where the format is JSON."""


class FunctionLog:
    """The log of one environment. Everything here runs on the event loop and only appends."""

    def __init__(self, stream: LogStream, clock: Clock, options: LogOptions) -> None:
        self._stream = stream
        self._clock = clock
        self._is_json = options.log_format == "JSON"
        self._level = options.system_log_level
        self._splitter = Splitter()
        self._recent: deque[str] = deque()
        self._recent_characters = 0

    # What environments call.

    @property
    def is_full(self) -> bool:
        """Too much is waiting to be stored: stop reading the pipe for a moment."""
        return self._stream.is_full

    def feed(self, data: bytes) -> None:
        """Bytes as they came out of the environment's log pipe, split anywhere."""
        self._take(self._splitter.feed(data))

    def flush(self) -> None:
        """The writer is gone or paused: what is left of a line is a line."""
        self._take(self._splitter.flush())

    def tail(self) -> bytes:
        """The last 4 KB of the current invocation's log, or of the last one's."""
        return "".join(self._recent).encode("utf-8", "replace")[-LOG_TAIL_BYTES:]

    # What the facts say.

    def started(self, fact: EnvironmentStarted) -> None:
        """INIT_START."""
        if not self._is_json:
            self._write(report.milliseconds(fact.at), report.init_start(fact))
        elif report.is_written("INFO", self._level):
            self._write(report.milliseconds(fact.at), report.json_init_start(fact))

    def init_reported(self, fact: InitReported) -> None:
        """INIT_REPORT."""
        self._flush_before(fact.at)
        if not self._is_json:
            self._write(report.milliseconds(fact.at), report.init_report(fact))
        elif report.is_written("WARN" if fact.status != "success" else "INFO", self._level):
            self._write(report.milliseconds(fact.at), report.json_init_report(fact))

    def begin(self, fact: InvocationStarted) -> None:
        """START; the tail begins here."""
        self._recent.clear()
        self._recent_characters = 0
        if not self._is_json:
            self._write(report.milliseconds(fact.at), report.start(fact))
        elif report.is_written("INFO", self._level):
            self._write(report.milliseconds(fact.at), report.json_start(fact))

    def finished(self, fact: InvocationFinished) -> None:
        """END and REPORT, after all that the function printed."""
        self._flush_before(fact.at)
        at = report.milliseconds(fact.at)
        if not self._is_json:
            self._write(at, report.end(fact))
            self._write(at, report.report(fact))
            return
        if report.is_written(report.runtime_done_level(fact), self._level):
            self._write(at, report.json_runtime_done(fact))
        if report.is_written(report.report_level(fact), self._level):
            self._write(at, report.json_report(fact))

    def _flush_before(self, at: float) -> None:
        """What is left of a line, stamped so that it is not read behind the platform's line that follows."""
        self._take(self._splitter.flush(), at)

    def _take(self, messages: list[Message], at: float | None = None) -> None:
        if not messages:
            return
        now = report.milliseconds(self._clock.now() if at is None else at)
        for timestamp, text in messages:
            believed = timestamp is not None and abs(timestamp - now) < _BELIEVED_MS
            self._write(timestamp if timestamp is not None and believed else now, text)

    def _write(self, timestamp_ms: int, text: str) -> None:
        self._stream.write(timestamp_ms, text)
        self._recent.append(text[-LOG_TAIL_BYTES:])
        self._recent_characters += min(len(text), LOG_TAIL_BYTES)
        # A character is at least a byte, so this many characters are always enough for the tail.
        while self._recent_characters - len(self._recent[0]) >= LOG_TAIL_BYTES:
            self._recent_characters -= len(self._recent.popleft())
