"""AWS event streams (`application/vnd.amazon.eventstream`): one self-checking binary message per event.

A message is: total length, headers length, CRC-32 of these two; headers; payload; CRC-32 of everything before it.
"""

import struct
import zlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from bulb.core.errors import AwsError
from bulb.wire.documents import Encoder
from bulb.wire.json import dumps
from bulb.wire.shapes import Shape
from bulb.wire.timestamps import to_unix

CONTENT_TYPE = "application/vnd.amazon.eventstream"

_STRING, _BLOB, _INT, _LONG, _TIMESTAMP = 7, 6, 4, 5, 8


def encode_event(headers: Mapping[str, str | bytes | bool | int], payload: bytes) -> bytes:
    """One message."""
    encoded = b"".join(_header(name, value) for name, value in headers.items())
    total = 12 + len(encoded) + len(payload) + 4
    prelude = struct.pack(">II", total, len(encoded))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + encoded + payload
    return message + struct.pack(">I", zlib.crc32(message))


def _header(name: str, value: str | bytes | bool | int) -> bytes:
    raw_name = name.encode()
    start = bytes([len(raw_name)]) + raw_name
    match value:
        case bool():
            return start + (b"\x00" if value else b"\x01")
        case int():
            return start + struct.pack(">Bq", _LONG, value)
        case bytes():
            return start + struct.pack(">BH", _BLOB, len(value)) + value
        case _:
            text = value.encode()
            return start + struct.pack(">BH", _STRING, len(text)) + text


class EventEncoder:
    """Writes the events of one event stream shape, bodies by `encoder` (the protocol's own)."""

    def __init__(self, shape: Shape, encoder: Encoder) -> None:
        self._shape = shape
        self._encoder = encoder

    def event(self, event: Mapping[str, Any]) -> bytes:
        """One event `{"PayloadChunk": {"Payload": b"..."}}` as a message."""
        ((name, values),) = event.items()
        shape = self._shape.members[name]
        headers: dict[str, str | bytes | bool | int] = {":message-type": "event", ":event-type": name}
        body: dict[str, Any] = {}
        payload: bytes | None = None
        for member_name, value in values.items():
            member = shape.members[member_name]
            if value is None:
                continue
            if member.traits.get("eventheader"):
                headers[member_name] = int(to_unix(value) * 1000) if member.type == "timestamp" else value
            elif member.traits.get("eventpayload"):
                payload, content_type = self._payload(member, value)
                headers[":content-type"] = content_type
            else:
                body[member_name] = value
        if payload is None:
            headers[":content-type"] = "application/json"
            payload = dumps(self._encoder.of(shape)(body))
        return encode_event(headers, payload)

    def exception(self, error: AwsError) -> bytes:
        """An error in the middle of a stream: modelled ones by name, others as an error message."""
        if error.code in self._shape.members:
            headers = {":message-type": "exception", ":exception-type": error.code, ":content-type": "application/json"}
            return encode_event(headers, dumps({"message": error.message, **error.members}))
        headers = {":message-type": "error", ":error-code": error.code, ":error-message": error.message}
        return encode_event(headers, b"")

    def initial_response(self, body: Any) -> bytes:
        """The members beside the stream, which the json protocols send as a first event."""
        headers = {":message-type": "event", ":event-type": "initial-response", ":content-type": "application/json"}
        return encode_event(headers, dumps(body))

    async def messages(self, events: AsyncIterator[Mapping[str, Any]], initial: Any = None) -> AsyncIterator[bytes]:
        """Each event as it comes; an AwsError raised by the source becomes the last message."""
        if initial is not None:
            yield self.initial_response(initial)
        try:
            async for event in events:
                yield self.event(event)
        except AwsError as error:
            yield self.exception(error)

    def _payload(self, member: Shape, value: Any) -> tuple[bytes, str]:
        if member.type == "blob":
            return bytes(value), "application/octet-stream"
        if member.type == "string":
            return value.encode(), "text/plain"
        return dumps(self._encoder.of(member)(value)), "application/json"
