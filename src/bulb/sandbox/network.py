"""Where sandboxes get their network from: a namespace made in advance, with both listeners already open in it.

A network namespace is the one dear part of a sandbox (about 1 ms of kernel time), so it is made off the cold path by a
thread and kept in a small pool. `LoopbackNetworks` gives loopback only; a provider with egress has the same face.
"""

import asyncio
import contextlib
import os
import socket
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from bulb.sandbox.inside import syscalls
from bulb.sandbox.inside.child import listen
from bulb.sandbox.model import ENDPOINT_PORT, RUNTIME_PORT

_POOL = 32
_REST_S = 0.02


@dataclass(frozen=True, slots=True)
class Network:
    """A ready network: two non-blocking listeners inside it. They keep it alive, and `namespace` finds it by them."""

    runtime: socket.socket
    endpoint: socket.socket

    def namespace(self) -> int:
        """A new descriptor of the network namespace, for setns; the caller closes it."""
        return syscalls.network_of(self.runtime)

    def discard(self) -> None:
        """Close both: the namespace goes when the last process in it does."""
        self.runtime.close()
        self.endpoint.close()


class NetworkProvider(Protocol):
    """Who makes networks. Called on the event loop."""

    egress: bool
    egress_reason: str
    name_servers: tuple[str, ...]

    async def take(self) -> Network:
        """A network nobody else uses. At once while the pool lasts."""

    def released(self, network: Network) -> None:
        """The sandbox of `network` is gone; its descriptors are closed already."""

    async def close(self) -> None:
        """Let go of every network that was not taken."""


class LoopbackNetworks:
    """Networks with nothing but loopback."""

    egress = False
    name_servers: tuple[str, ...] = ()

    def __init__(
        self,
        size: int = _POOL,
        prepare: Callable[[], None] = syscalls.bring_up_loopback,
        egress_reason: str = "functions reach 127.0.0.1 only",
    ) -> None:
        """Keep `size` ready. `prepare` is run inside each new namespace, on the thread that makes it."""
        self.egress_reason = egress_reason
        self._ready: deque[Network] = deque()
        self._size = size
        self._prepare = prepare
        # Its thread moves from one new network namespace to the next and never does anything else.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="networks")
        self._refilling: asyncio.Task[None] | None = None
        self._closed = False

    async def take(self) -> Network:
        """A network nobody else uses. At once while the pool lasts."""
        network = self._ready.popleft() if self._ready else await self._make()
        self.refill()
        return network

    def refill(self) -> None:
        """Fill the pool up in the background."""
        if not self._closed and (self._refilling is None or self._refilling.done()):
            self._refilling = asyncio.create_task(self._fill())

    async def _fill(self) -> None:
        # The sandbox that just took one is being born: it gets the processors first.
        await asyncio.sleep(_REST_S)
        while len(self._ready) < self._size and not self._closed:
            self._ready.append(await self._make())

    async def _make(self) -> Network:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._make_one)

    def _make_one(self) -> Network:
        syscalls.unshare(syscalls.NEWNET)
        self._prepare()
        return Network(listen(RUNTIME_PORT), listen(ENDPOINT_PORT))

    def released(self, network: Network) -> None:
        """Nothing to take back: the kernel removes a namespace nobody is in."""

    async def close(self) -> None:
        """Let go of every network that was not taken."""
        self._closed = True
        if self._refilling is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._refilling
        while self._ready:
            self._ready.popleft().discard()
        await asyncio.to_thread(self._thread.shutdown)


def socket_in(network: Network) -> socket.socket:
    """A new non-blocking TCP socket in `network`. The thread goes there and comes back: not for the main one."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    there = network.namespace()
    try:
        syscalls.setns(there, syscalls.NEWNET)
        try:
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        finally:
            syscalls.setns(home, syscalls.NEWNET)
    finally:
        os.close(there)
        os.close(home)
