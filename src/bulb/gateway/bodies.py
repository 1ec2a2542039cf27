"""Request bodies on their way to the parser: collected where they must be whole, decoded where they come in chunks."""

import asyncio
import zlib
from dataclasses import replace

from bulb.core.errors import AwsError
from bulb.gateway.exchange import Exchange
from bulb.http.message import Body, BufferedBody, Request
from bulb.wire.sigv4 import decode_body
from bulb.wire.target import is_form

# Unpacking more than this takes longer than a turn of the event loop should.
_THREAD_BYTES = 65_536
_GZIP_WINDOW = 31


def too_large(limit: int, operation: str | None) -> AwsError:
    """The request is larger than any we take."""
    where = f" for the {operation} operation" if operation else ""
    return AwsError("RequestEntityTooLargeException", f"Request must be smaller than {limit} bytes{where}", status=413)


async def collect(body: Body, limit: int, operation: str | None = None) -> bytes:
    """The whole body. Raises AwsError 413 as soon as it is known to be longer than `limit` bytes."""
    if body.length is not None and body.length > limit:
        raise too_large(limit, operation)
    if body.buffered is not None:
        return body.buffered
    parts: list[bytes] = []
    size = 0
    async for part in body:
        size += len(part)
        if size > limit:
            raise too_large(limit, operation)
        parts.append(part)
    return b"".join(parts)


async def collect_form(request: Request, limit: int) -> Request:
    """A request whose form can be read: the query protocol names the operation in it. Others are returned unread.

    A form that is compressed is unpacked in the returned copy; the request itself keeps what was signed.
    """
    if request.method != "POST" or not is_form(request):
        return request
    if request.body.buffered is None:
        request.body = BufferedBody(await collect(request.body, limit))
    return await _unpacked(request, limit) if _is_gzip(request) else request


async def collect_whole(exchange: Exchange, limit: int) -> None:
    """Read the body of an operation that needs it whole, before its signature (which covers it) is looked at."""
    plan, request = exchange.plan, exchange.request
    if plan.streams or plan.checked_body:
        return
    if request.body.buffered is None:
        request.body = BufferedBody(await collect(request.body, limit, plan.operation))
    if plan.may_be_gzip and exchange.plain is request and _is_gzip(request):
        exchange.plain = await _unpacked(request, limit)


async def open_body(exchange: Exchange, limit: int) -> None:
    """Set `body`: bytes, or a stream that is decoded and checked while the service reads it."""
    plan, request = exchange.plan, exchange.plain
    if plan.checked_body:
        stream = decode_body(exchange.authorization, request, exchange.secret)
        exchange.body = stream if plan.streams else await stream.read(limit)
    elif plan.streams:
        exchange.body = decode_body(None, request, None)
    else:
        exchange.body = request.body.buffered or b""


def _is_gzip(request: Request) -> bool:
    return request.headers.get("content-encoding") == "gzip"


async def _unpacked(request: Request, limit: int) -> Request:
    packed = request.body.buffered or b""
    data = await asyncio.to_thread(_unpack, packed, limit) if len(packed) > _THREAD_BYTES else _unpack(packed, limit)
    return replace(request, body=BufferedBody(data))


def _unpack(packed: bytes, limit: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=_GZIP_WINDOW)
    try:
        data = unpacker.decompress(packed, limit + 1)
    except zlib.error as error:
        raise AwsError("SerializationException", f"The gzip body is damaged: {error}") from None
    if len(data) > limit:
        raise too_large(limit, None)
    if not unpacker.eof:
        raise AwsError("SerializationException", "The gzip body ends too early")
    return data
