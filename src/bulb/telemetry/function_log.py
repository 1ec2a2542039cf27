"""One environment's log: what its function prints and what the platform says about it, in order, in one stream."""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from bulb.core.clock import Clock
from bulb.core.facts import (
    EnvironmentStarted,
    ExtensionReported,
    InitReported,
    InitRuntimeDone,
    InvocationFinished,
    InvocationStarted,
    RestoreReported,
    RestoreStarted,
    RuntimeDone,
    TelemetryDropped,
    TelemetrySubscribed,
)
from bulb.core.limits import LOG_TAIL_BYTES
from bulb.telemetry import events, report
from bulb.telemetry.buffer import LogStream
from bulb.telemetry.events import Entry
from bulb.telemetry.frames import Message, Splitter

# A frame's own time is believed when it is this close to ours; a function may write any number there. But it is never
# after the moment it was read, nor before the line that came before it: readers sort by time, and order would be lost.
_BELIEVED_MS = 3_600_000
Follower = Callable[[Entry], None]


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
        self._extensions: Splitter | None = None
        self._follower: Follower | None = None
        self._runtime_done = False
        self._last_ms = 0
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

    def feed_extensions(self, data: bytes) -> None:
        """The same for the pipe the extensions write to."""
        self._extensions = self._extensions or Splitter()
        self._take(self._extensions.feed(data), kind="extension")

    def flush(self) -> None:
        """The writer is gone or paused: what is left of a line is a line."""
        self._take(self._splitter.flush())
        if self._extensions is not None:
            self._take(self._extensions.flush(), kind="extension")

    def follow(self, follower: Follower | None) -> None:
        """Tell `follower` every event and every line from now on, in order, also what the log itself leaves out."""
        self._follower = follower

    def tail(self) -> bytes:
        """The last 4 KB of the current invocation's log, or of the last one's."""
        return "".join(self._recent).encode("utf-8", "replace")[-LOG_TAIL_BYTES:]

    # What the facts say.

    def started(self, fact: EnvironmentStarted) -> None:
        """INIT_START."""
        self._say("INFO", events.init_start(fact), report.init_start(fact))

    def init_runtime_done(self, fact: InitRuntimeDone) -> None:
        """Nothing in the text format."""
        self._say(events.level(fact.status == "success", "DEBUG"), events.init_runtime_done(fact))

    def init_reported(self, fact: InitReported) -> None:
        """INIT_REPORT, in the text format only of an init that failed, or is not part of any invocation."""
        self._flush_before(fact.at)
        failed = fact.status != "success"
        is_told = failed or fact.environment.initialization == "snap-start"
        self._say(
            events.level(not failed, "DEBUG"), events.init_report(fact), report.init_report(fact) if is_told else ""
        )

    def restoring(self, fact: RestoreStarted) -> None:
        """RESTORE_START."""
        self._say("INFO", events.restore_start(fact), report.restore_start(fact))

    def restored(self, fact: RestoreReported) -> None:
        """RESTORE_REPORT."""
        self._flush_before(fact.at)
        level = events.level(fact.status == "success", "DEBUG")
        self._say(level, events.restore_runtime_done(fact))
        self._say(level, events.restore_report(fact), report.restore_report(fact))

    def extension(self, fact: ExtensionReported) -> None:
        """EXTENSION."""
        self._say(events.level(fact.error_type is None), events.extension(fact), report.extension(fact))

    def subscribed(self, fact: TelemetrySubscribed) -> None:
        """TELEMETRY or LOGS."""
        self._say("INFO", events.subscription(fact), report.subscription(fact))

    def dropped(self, fact: TelemetryDropped) -> None:
        """Nothing in the text format; its subscriber is told by whoever dropped."""
        if self._is_json and report.is_written("WARN", self._level):
            self._write(report.milliseconds(fact.at), events.line(events.dropped(fact)))

    def begin(self, fact: InvocationStarted) -> None:
        """START; the tail begins here."""
        self._recent.clear()
        self._recent_characters = 0
        self._runtime_done = False
        if self._follower is not None:
            self._follower(events.start(fact, full=True))
        if not self._is_json:
            self._write(report.milliseconds(fact.at), report.start(fact))
        elif report.is_written("INFO", self._level):
            self._write(report.milliseconds(fact.at), events.line(events.start(fact)))

    def runtime_done(self, fact: RuntimeDone | InvocationFinished) -> None:
        """Nothing in the text format."""
        self._flush_before(fact.at)
        self._runtime_done = True
        if self._follower is not None:
            self._follower(events.runtime_done(fact, full=True))
        if self._is_json and report.is_written(events.level(fact.status == "success", "DEBUG"), self._level):
            self._write(report.milliseconds(fact.at), events.line(events.runtime_done(fact)))

    def finished(self, fact: InvocationFinished) -> None:
        """END and REPORT, after all that the function printed."""
        self._flush_before(fact.at)
        at = report.milliseconds(fact.at)
        if not self._runtime_done and (self._is_json or self._follower is not None):
            self.runtime_done(fact)
        if self._follower is not None:
            self._follower(events.report(fact, full=True))
        if not self._is_json:
            self._write(at, report.end(fact))
            self._write(at, report.report(fact))
        elif report.is_written(events.level(fact.status == "success"), self._level):
            self._write(at, events.line(events.report(fact)))

    def _say(self, level: report.Level, entry: Entry, text: str = "") -> None:
        """One event, to the follower and to the log in its format; nothing there when its text is empty."""
        if self._follower is not None:
            self._follower(entry)
        if self._is_json:
            if report.is_written(level, self._level):
                self._write(report.milliseconds(entry.at), events.line(entry))
        elif text:
            self._write(report.milliseconds(entry.at), text)

    def _flush_before(self, at: float) -> None:
        """What is left of a line, stamped so that it is not read behind the platform's line that follows."""
        self._take(self._splitter.flush(), at)

    def _take(self, messages: list[Message], at: float | None = None, kind: str = "function") -> None:
        if not messages:
            return
        now = report.milliseconds(self._clock.now() if at is None else at)
        for timestamp, text in messages:
            believed = timestamp is not None and abs(timestamp - now) < _BELIEVED_MS
            stamp = max(min(timestamp, now), self._last_ms) if timestamp is not None and believed else now
            self._write(stamp, text)
            if self._follower is not None:
                self._follower(Entry(stamp / 1000, kind, text))

    def _write(self, timestamp_ms: int, text: str) -> None:
        self._stream.write(timestamp_ms, text)
        self._last_ms = timestamp_ms
        self._recent.append(text[-LOG_TAIL_BYTES:])
        self._recent_characters += min(len(text), LOG_TAIL_BYTES)
        # A character is at least a byte, so this many characters are always enough for the tail.
        while self._recent_characters - len(self._recent[0]) >= LOG_TAIL_BYTES:
            self._recent_characters -= len(self._recent.popleft())
