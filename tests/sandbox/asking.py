"""Talking to the probe inside a sandbox."""

import ast
import asyncio
import struct
from typing import Any

from bulb.sandbox.host import Sandbox


class Refused(Exception):
    """What the probe was told to do raised this."""


async def _read(sandbox: Sandbox, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = await asyncio.get_running_loop().sock_recv(sandbox.api, length - len(data))
        if not more:
            raise EOFError("the process is gone")
        data += more
    return data


async def greet(sandbox: Sandbox, within_s: float = 20) -> None:
    """Wait for the runtime's first byte."""
    async with asyncio.timeout(within_s):
        assert await _read(sandbox, 1) == b"!"


async def tell(sandbox: Sandbox, source: str) -> None:
    """Send source to run, without waiting."""
    data = source.encode()
    await asyncio.get_running_loop().sock_sendall(sandbox.api, struct.pack(">I", len(data)) + data)


async def ask(sandbox: Sandbox, source: str, within_s: float = 20) -> Any:
    """Run `source` inside; its `answer`, or Refused with what it raised."""
    await tell(sandbox, source)
    return await answer(sandbox, within_s)


async def answer(sandbox: Sandbox, within_s: float = 20) -> Any:
    """The answer to what it was told before."""
    async with asyncio.timeout(within_s):
        length = struct.unpack(">I", await _read(sandbox, 4))[0]
        text = (await _read(sandbox, length)).decode()
    if text[0] == "!":
        raise Refused(text[1:])
    return ast.literal_eval(text[1:])
