"""From the bytes of an environment's log pipe to log messages. No I/O, no state but the bytes of an unfinished message.

Two kinds of writers share the pipe. Anybody's plain output is split at line feeds. A runtime that knows the platform
writes frames: type (a5 5a 00 and one byte for format and level), length of the message (4 bytes, big-endian),
microseconds since 1970 (8 bytes), message; so a message of many lines stays one message.

The bytes are the function's, so they may be anything. The result depends on the bytes alone, not on how they were cut;
nothing raises; no message is longer than `MESSAGE_BYTES` (longer ones are cut, between characters); what is waiting for
its end is never more than that either. A frame with an absurd length only takes what its own function wrote next.
"""

from typing import NamedTuple

MESSAGE_BYTES = 1_048_576 - 26  # the largest log event, less what CloudWatch adds to each
_MAGIC = b"\xa5\x5a\x00"
_HEADER_BYTES = 16
_CONTINUATION_FIRST, _CONTINUATION_LAST = 0x80, 0xBF  # bytes of a UTF-8 character after its first


class Message(NamedTuple):
    """One log message, ending in a line feed. `timestamp_ms` is None for plain lines."""

    timestamp_ms: int | None
    text: str


class Splitter:
    """Takes bytes as they come, gives the messages they complete."""

    def __init__(self, message_bytes: int = MESSAGE_BYTES) -> None:
        self._most = message_bytes
        self._waiting = b""
        self._frame_left = 0
        self._frame_ms: int | None = None

    def feed(self, data: bytes) -> list[Message]:
        """The messages that end in `data`."""
        buffer = self._waiting + data if self._waiting else data
        messages: list[Message] = []
        position = 0
        while position < len(buffer):
            step = self._in_frame if self._frame_left else self._in_lines
            after = step(buffer, position, messages)
            if after == position:
                break
            position = after
        self._waiting = buffer[position:]
        return messages

    def flush(self) -> list[Message]:
        """Nothing more comes for now: what is waiting is a message, and an unfinished frame has ended."""
        rest, timestamp = self._waiting, self._frame_ms
        self._waiting, self._frame_left, self._frame_ms = b"", 0, None
        return [_message(timestamp, piece) for piece in self._pieces(rest)]

    def _in_lines(self, buffer: bytes, start: int, messages: list[Message]) -> int:
        """Take one line or one frame header; `start` when neither is complete."""
        newline = buffer.find(b"\n", start)
        frame = buffer.find(_MAGIC, start, newline if newline >= 0 else len(buffer))
        end = frame if frame >= 0 else newline
        if end - start > self._most:
            return self._cut(buffer, start, messages)
        if end < 0:
            # A magic number could begin at the last two bytes that are there: cut only when it is clear that none does.
            return self._cut(buffer, start, messages) if len(buffer) - start >= self._most + len(_MAGIC) else start
        if frame < 0:
            messages.append(_message(None, buffer[start:end]))
            return end + 1
        if len(buffer) < frame + _HEADER_BYTES:
            return start
        if frame > start:
            messages.append(_message(None, buffer[start:frame]))
        self._frame_left = int.from_bytes(buffer[frame + 4 : frame + 8], "big")
        self._frame_ms = int.from_bytes(buffer[frame + 8 : frame + 16], "big") // 1000
        if self._frame_left == 0:
            self._frame_ms = None
        return frame + _HEADER_BYTES

    def _in_frame(self, buffer: bytes, start: int, messages: list[Message]) -> int:
        """Take the rest of a frame, or as much of it as makes one message; `start` when too little is there."""
        available = len(buffer) - start
        if self._frame_left <= self._most and available >= self._frame_left:
            end = start + self._frame_left
            messages.append(_framed(self._frame_ms, buffer[start:end]))
            self._frame_left, self._frame_ms = 0, None
            return end
        if available > self._most and self._frame_left > self._most:
            end = _between_characters(buffer, start, start + self._most)
            messages.append(_framed(self._frame_ms, buffer[start:end]))
            self._frame_left -= end - start
            return end
        return start

    def _cut(self, buffer: bytes, start: int, messages: list[Message]) -> int:
        end = _between_characters(buffer, start, start + self._most)
        messages.append(_message(None, buffer[start:end]))
        return end

    def _pieces(self, rest: bytes) -> list[bytes]:
        return [rest[start : start + self._most] for start in range(0, len(rest), self._most)]


def _between_characters(buffer: bytes, start: int, end: int) -> int:
    """`end`, or up to three bytes before it where it would cut a UTF-8 character."""
    for candidate in range(end, max(end - 4, start), -1):
        if not _CONTINUATION_FIRST <= buffer[candidate] <= _CONTINUATION_LAST:
            return candidate
    return end


def _message(timestamp_ms: int | None, raw: bytes) -> Message:
    return Message(timestamp_ms, raw.decode("utf-8", "replace") + "\n")


def _framed(timestamp_ms: int | None, raw: bytes) -> Message:
    # Runtimes put a carriage return for each line feed inside a message, so that nobody splits it.
    text = raw.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    return Message(timestamp_ms, text if text.endswith("\n") else text + "\n")
