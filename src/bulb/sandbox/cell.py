"""What differs between the rungs, behind one face: a cell is everything of a sandbox that outlives its processes.

`Sandbox` runs processes in a cell; the cell says what a new process is given, and applies the limits. One cell per
sandbox, used from the event loop.
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from bulb.sandbox.model import Code, Limits


@dataclass(slots=True)
class Order:
    """What the zygote is told about a new process. `descriptors` (use, descriptor) are closed once they are sent."""

    fields: dict[str, Any]
    descriptors: list[tuple[str, int]] = field(default_factory=list)

    def close(self) -> None:
        """It is not sent."""
        for _, fd in self.descriptors:
            os.close(fd)


class Cell(Protocol):
    """One sandbox's lasting part."""

    @property
    def variables(self) -> Mapping[str, str]:
        """Environment variables the process has to be told because of this rung."""

    async def order(self) -> Order:
        """What a new process of this cell is given: its mounts, network, limits and identity. Raises OSError."""

    async def claim(self, pid: int, limits: Limits, code: Code) -> bool:
        """Give the running, locked process `pid` its function. False: it cannot be, a new process must be started."""

    def listening(self, runtime: socket.socket, endpoint: socket.socket) -> None:
        """The process made its own listeners."""

    def listeners(self) -> tuple[socket.socket | None, socket.socket | None]:
        """New sockets for the ports inside, the caller's to close: the Runtime API's and the AWS endpoint's."""

    def addresses(self) -> tuple[str, str | None]:
        """`host:port` of both as the process inside sees them; no endpoint where the machine's own is to be used."""

    @property
    def is_reachable(self) -> bool:
        """Whether `socket_inside` makes one."""

    async def socket_inside(self) -> socket.socket | None:
        """A new non-blocking TCP socket of the sandbox's network; None where only a process inside can make one."""

    def place(self, path: str) -> str:
        """Where what is at `path` on the full rung is on this one: /var/task, /opt and below."""

    def watch(self, pid: int) -> None:
        """The process lives: watch its memory, if it has a function."""

    def unwatch(self) -> None:
        """The process is gone."""

    def end_init(self) -> None:
        """From now on only the CPU share of its memory."""

    def begin_init(self) -> None:
        """A whole CPU again, for a new process."""

    def lift_share(self) -> None:
        """As much CPU as there is, for what is to end: a thousand processes need some of it to die."""

    def freeze(self) -> None:
        """Stop all processes, where the machine can."""

    def thaw(self) -> None:
        """Let them go on."""

    def memory_peak(self) -> int:
        """Bytes of function memory at most so far, without /tmp."""

    def broke_limit(self) -> bool:
        """The living process had more memory than its limit, but the watch has not come to stop it yet."""

    def reset_memory_peak(self) -> None:
        """Measure anew from here."""

    def was_oom(self) -> bool:
        """The last process was killed for its memory."""

    async def close(self) -> None:
        """Nothing of the cell is left. Its processes are gone already."""
