"""Responses to the transport: framing, back-pressure, and the cut that marks a body which broke off."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator

from bulb.http.encoding import CLOSE, KEEP_1_0, encode_head, has_body
from bulb.http.message import Response

_log = logging.getLogger(__name__)
_JOIN_BYTES = 65_536


class ResponseWriter:
    """One connection's writing side. `streaming` is true while a body is being taken from its iterator."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.streaming = False
        self._transport = transport
        self._writable: asyncio.Future[None] | None = None
        self._held = b""

    @property
    def blocked(self) -> bool:
        """The client reads more slowly than we write."""
        return self._writable is not None

    def pause(self) -> None:
        """The transport holds as much as it should."""
        if self._writable is None:
            self._writable = asyncio.get_running_loop().create_future()

    def resume(self) -> None:
        """The client has caught up, or is gone."""
        if self._writable is not None:
            self._writable.set_result(None)
            self._writable = None

    async def send(self, response: Response, method: str, http_1_0: bool, keep_alive: bool) -> bool:
        """Write a response. False: the connection must close, as asked or because the response's end is the close."""
        if isinstance(response.body, bytes):
            connection = (KEEP_1_0 if http_1_0 else "") if keep_alive else CLOSE
            self._send_bytes(response, response.body, method, connection)
            await self.drained()
            return keep_alive
        try:
            return await self._send_stream(response, response.body, method, http_1_0, keep_alive)
        finally:
            if (close := getattr(response.body, "aclose", None)) is not None:
                await close()

    def hold(self, response: Response) -> None:
        """Keep a small response back and send it together with the next one."""
        assert isinstance(response.body, bytes)
        framing = f"content-length: {len(response.body)}\r\n" if has_body("", response.status) else ""
        self._held += self._head(response, framing, "") + response.body

    def _send_bytes(self, response: Response, body: bytes, method: str, connection: str) -> None:
        sends_body = has_body(method, response.status)
        if sends_body or (method == "HEAD" and response.header("content-length") is None):
            framing = f"content-length: {len(body)}\r\n"
        else:
            framing = ""
        head = self._head(response, framing, connection)
        if not sends_body or not body:
            self._write(head)
        elif len(body) <= _JOIN_BYTES:
            self._write(head + body)
        else:
            self._write(head)
            self._write(body)

    async def _send_stream(
        self, response: Response, body: AsyncIterator[bytes], method: str, http_1_0: bool, keep_alive: bool
    ) -> bool:
        declared = response.header("content-length")
        sends_body = has_body(method, response.status)
        chunked = declared is None and not http_1_0 and sends_body
        if declared is None and sends_body and not chunked:
            keep_alive = False  # HTTP/1.0 has no chunks: the close is the end.
        connection = (KEEP_1_0 if http_1_0 else "") if keep_alive else CLOSE
        self._write(self._head(response, "transfer-encoding: chunked\r\n" if chunked else "", connection))
        if not sends_body:
            return keep_alive
        self.streaming = True
        try:
            sent = await self._send_chunks(body, chunked)
        except ConnectionError:
            raise
        except Exception:
            # The status is out already: only a cut connection tells the client that this is not the whole.
            _log.exception("A response body failed after its headers were sent")
            self._transport.abort()
            return False
        finally:
            self.streaming = False
        if declared is not None and sent != int(declared):
            _log.error("A response promised %s bytes and sent %d", declared, sent)
            self._transport.abort()
            return False
        return keep_alive

    async def _send_chunks(self, body: AsyncIterator[bytes], chunked: bool) -> int:
        sent = 0
        async for part in body:
            if not part:
                continue
            sent += len(part)
            if chunked:
                self._write(b"%x\r\n" % len(part))
                self._write(part)
                self._write(b"\r\n")
            else:
                self._write(part)
            await self.drained()
        if chunked:
            self._write(b"0\r\n\r\n")
            await self.drained()
        return sent

    def _head(self, response: Response, framing: str, connection: str) -> bytes:
        try:
            return encode_head(response, framing, connection, int(time.time()))
        except ValueError:  # Includes text outside latin-1 (UnicodeEncodeError).
            _log.exception("A response had an unsafe header")
            self._write(encode_head(Response(500), "content-length: 0\r\n", CLOSE, int(time.time())))
            raise ConnectionAbortedError from None

    def _write(self, data: bytes) -> None:
        if self._transport.is_closing():
            raise ConnectionResetError("The client closed the connection")
        if self._held:
            data, self._held = self._held + data, b""
        self._transport.write(data)

    async def drained(self) -> None:
        """Return when the client has caught up."""
        if self._writable is not None:
            await asyncio.shield(self._writable)
