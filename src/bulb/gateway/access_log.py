"""One JSON line for each request, without secrets: no query string (presigned ones are signed), no headers, no body.

The request only hands its values to a queue; the line is made and written by the log's own thread.
"""

import logging
import queue
from dataclasses import dataclass
from logging.handlers import QueueListener
from types import TracebackType

import orjson

from bulb.core.clock import iso_millis

_QUEUED_LINES = 10_000


@dataclass(frozen=True, slots=True)
class Line:
    """One request that was answered. It becomes text only when it is written. `seconds` is until the headers."""

    at: float
    request_id: str
    client: str
    method: str
    path: str
    status: int
    seconds: float
    service: str | None
    operation: str | None
    account: str | None
    access_key: str | None
    error: str | None

    def __str__(self) -> str:
        line = {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) is not None}
        line["at"] = iso_millis(self.at)
        line["seconds"] = round(self.seconds, 6)
        return orjson.dumps(line).decode()


class AccessLog:
    """Writes lines through `handler` (a file's, a stream's) from a thread of its own. Use as a context manager.

    When the handler cannot keep up, lines are dropped rather than memory filled; `dropped` counts them.
    """

    def __init__(self, handler: logging.Handler) -> None:
        """Take the handler; it is closed with the log."""
        self.dropped = 0
        self._lines: queue.Queue[logging.LogRecord] = queue.Queue(_QUEUED_LINES)
        self._handler = handler
        self._listener = QueueListener(self._lines, handler)

    def record(self, line: Line) -> None:
        """Take a line. Returns at once."""
        entry = logging.LogRecord("bulb.access", logging.INFO, "", 0, "%s", (line,), None)
        try:
            self._lines.put_nowait(entry)
        except queue.Full:
            self.dropped += 1

    def __enter__(self) -> "AccessLog":
        self._listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.stop()
        self._handler.close()
