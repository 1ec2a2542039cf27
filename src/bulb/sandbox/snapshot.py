"""Templates: sandboxes whose process is forked, after a function's init, instead of a new one being made.

The template places nothing itself (see `inside/restoring.py`); what needs privilege is done here: cgroup and identity
of each fork. A fork's files and limits are its own. User id and network are the template's: forks of one template are
copies of one function's version and may meet on loopback.
"""

import asyncio
import contextlib
import os
import signal
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from bulb.core.deadline import call_when_over
from bulb.sandbox.cell import Order
from bulb.sandbox.full import FullCell, Workshop
from bulb.sandbox.inside import wire
from bulb.sandbox.model import Exit, Limits
from bulb.sandbox.sandbox import Sandbox
from bulb.sandbox.zygote import Process

_CREDENTIALS = struct.Struct("3i")
_MESSAGE_BYTES = 4_096
_BIRTHS_IN_FLIGHT = 16
# A template whose own code keeps it from forking is not waited for any longer.
_BORN_WITHIN_S = 10.0


class RestoredCell(FullCell):
    """The cell of a fork: all its own but the user id and the network, which are the template's."""

    _mounts_code = False  # a fork has it already

    def __init__(
        self, workshop: Workshop, name: str, limits: Limits, template: FullCell, kill: Callable[[], None]
    ) -> None:
        super().__init__(workshop, name, limits, template.code, kill, uid=template.uid)

    @classmethod
    async def restored(
        cls, workshop: Workshop, name: str, limits: Limits, template: FullCell, kill: Callable[[], None]
    ) -> "RestoredCell":
        """Make group and /tmp. Raises OSError, leaving nothing."""
        cell = cls(workshop, name, limits, template, kill)
        try:
            await asyncio.get_running_loop().run_in_executor(workshop.mounts.thread, cell._make)
        except BaseException:
            cell._abandon()
            raise
        return cell

    async def order(self) -> Order:
        """See `Cell`: /tmp and the group; the rest a fork has already."""
        loop = asyncio.get_running_loop()
        descriptors = self._opened or await loop.run_in_executor(self._workshop.mounts.thread, self._open_mounts)
        self._opened = []
        return Order({"ports": [], "processes": self._limits.processes}, descriptors)

    def listeners(self) -> tuple[None, None]:
        """See `Cell`: the template's serve all."""
        return None, None


class Template:
    """A sandbox that can be forked once its runtime waits to be. Stands where a zygote stands for other sandboxes."""

    def __init__(self, sandbox: Sandbox, channel: socket.socket) -> None:
        """`channel` is the server's end of what the sandbox's process got as its snapshot channel."""
        self.sandbox = sandbox
        self.alive = True
        # Its own: forks it is slow to make must not keep other functions from starting.
        self.births = asyncio.Semaphore(_BIRTHS_IN_FLIGHT)
        self._channel = channel
        self._forks: dict[str, _Fork] = {}
        self._unplaced = 0

    @property
    def cell(self) -> FullCell:
        """The cell forks are made like."""
        assert isinstance(self.sandbox.cell, FullCell)
        return self.sandbox.cell

    def spawn(self, name: str, order: Order, process: Process) -> None:
        """Ask for a fork. Returns at once; `process` is told how it goes."""
        by_use = {use: fd for use, fd in order.descriptors if use != "cgroup"}
        groups = [fd for use, fd in order.descriptors if use == "cgroup"]
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        fork = _Fork(ours, groups, self.cell.uid, process, self._placed, lambda: self._forks.pop(name, None))
        self._forks[name] = fork
        rights = (theirs.fileno(), by_use["api"], by_use["log"], by_use["tmp"])
        try:
            self._unplaced += 1
            self.sandbox.thaw()
            wire.send(self._channel, {"processes": order.fields["processes"]}, rights)
        except OSError as error:
            fork.fail(f"the template cannot be forked: {error}")
        finally:
            theirs.close()
            for fd in by_use.values():
                os.close(fd)

    def signal(self, name: str, number: int) -> None:
        """Send a signal to the fork `name`, if it still exists."""
        if (fork := self._forks.get(name)) is not None:
            fork.signal(number)

    def freeze(self) -> None:
        """Nothing of the function runs in a template: what its init left running stops here."""
        if self._unplaced == 0 and self.alive:
            self.sandbox.freeze()

    def _placed(self) -> None:
        """A fork has left the template's group, or never will."""
        self._unplaced -= 1
        self.freeze()

    def forget(self, name: str) -> None:
        """Nothing is kept of a fork that has ended."""

    async def close(self) -> None:
        """End the template and with it every fork that is left."""
        self.alive = False
        self._channel.close()
        await self.sandbox.close()


class _Fork:
    """One fork: the conversation in which it is placed, then the news of its end."""

    def __init__(
        self,
        channel: socket.socket,
        groups: list[int],
        uid: int,
        process: Process,
        placed: Callable[[], None],
        over: Callable[[], object],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._channel = channel
        self._groups = groups
        self._uid = uid
        self._process = process
        self._placed: Callable[[], None] | None = placed
        self._over = over
        self._pidfd = -1
        self._ended_early: int | None = None
        channel.setblocking(False)
        self._loop.add_reader(channel.fileno(), self._read)
        self._is_over = False
        self._late = call_when_over(self._loop, _BORN_WITHIN_S, self._too_late)

    def signal(self, number: int) -> None:
        """To the function's process; one that is not born yet gets it at its birth."""
        if self._pidfd < 0:
            self._ended_early = number
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

    def _too_late(self) -> None:
        if self._pidfd < 0 and not self._is_over:
            self.fail(f"the template did not fork within {_BORN_WITHIN_S:.0f} s")

    def fail(self, why: str) -> None:
        """It will never be."""
        self._process.failed(why)
        self._end(Exit(status=None, signal=signal.SIGKILL))

    def _read(self) -> None:
        try:
            data, ancillary, _, _ = self._channel.recvmsg(_MESSAGE_BYTES, socket.CMSG_SPACE(_CREDENTIALS.size))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        try:
            self._hear(data, ancillary)
        except (ValueError, OverflowError, OSError):
            # Code of the function's init can hold the other end: what makes no sense ends the fork, like any end.
            self._end(Exit(status=None, signal=signal.SIGKILL))

    def _hear(self, data: bytes, ancillary: list[tuple[int, int, bytes]]) -> None:
        word, _, rest = data.decode(errors="replace").partition(" ")
        if word == "left" and self._placed is not None:
            self._place(_sender(ancillary))
        elif word == "born" and self._pidfd < 0:
            self._born(_sender(ancillary))
        elif word == "failed":
            self.fail(rest)
        elif word == "exit":
            self._end(_exit_of(rest))
        else:
            self._end(Exit(status=None, signal=signal.SIGKILL))

    def _place(self, pid: int) -> None:
        try:
            for group in self._groups:
                os.write(group, str(pid).encode())
            process = Path("/proc", str(pid))
            (process / "setgroups").write_text("deny")
            (process / "uid_map").write_text(f"{self._uid} {self._uid} 1")
            (process / "gid_map").write_text(f"{self._uid} {self._uid} 1")
            self._leaves()
            self._channel.send(b"go")
        except OSError as error:
            self.fail(f"the fork could not be placed: {error}")

    def _leaves(self) -> None:
        if self._placed is not None:
            self._placed()
            self._placed = None

    def _born(self, pid: int) -> None:
        try:
            self._pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return  # it has ended already; the news of that follows
        self._late.cancel()
        self._process.born(pid)
        if self._ended_early is not None:
            self.signal(self._ended_early)

    def _end(self, exit_: Exit) -> None:
        self._is_over = True
        self._leaves()
        self._late.cancel()
        self._loop.remove_reader(self._channel.fileno())
        self._channel.close()
        for fd in (*self._groups, *([self._pidfd] if self._pidfd >= 0 else [])):
            os.close(fd)
        self._groups = []
        self._over()
        self._process.ended(exit_)


def _sender(ancillary: list[tuple[int, int, bytes]]) -> int:
    """The pid, on this machine, of who sent the message."""
    for _, kind, data in ancillary:
        if kind == socket.SCM_CREDENTIALS:
            return int(_CREDENTIALS.unpack(data[: _CREDENTIALS.size])[0])
    raise OSError("a message without credentials")


def _exit_of(told: str) -> Exit:
    status, max_rss, cpu = told.split()
    code = os.waitstatus_to_exitcode(int(status))
    return Exit(
        status=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        max_rss=int(max_rss),
        cpu_s=float(cpu),
    )
