"""The full rung: root, cgroups, own network, own user id, /tmp of the size asked for."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bulb.sandbox.cell import Order
from bulb.sandbox.cgroups import Cgroups
from bulb.sandbox.group import MB, largest_process
from bulb.sandbox.identities import Identities
from bulb.sandbox.memory import HighTriggers, MemoryWatch, ThresholdTriggers
from bulb.sandbox.model import ENDPOINT_PORT, RUNTIME_PORT, Code, Limits
from bulb.sandbox.mounts import Mounts
from bulb.sandbox.network import Network, NetworkProvider, socket_in

_REMOVE_TRIES, _REMOVE_PAUSE_S = 50, 0.01
# A forked process counts as its own what it still shares with its zygote, some 25 MB the group is not charged for.
_SHARED_BYTES = 32 * MB


@dataclass(frozen=True, slots=True)
class Workshop:
    """What all full cells of a server are made with."""

    cgroups: Cgroups
    mounts: Mounts
    networks: NetworkProvider
    identities: Identities
    triggers: ThresholdTriggers | HighTriggers


class FullCell:
    """One sandbox's group, /tmp, network and identity."""

    variables: Mapping[str, str] = {}
    _mounts_code = True

    def __init__(
        self,
        workshop: Workshop,
        name: str,
        limits: Limits,
        code: Code | None,
        kill: Callable[[], None],
        uid: int | None = None,
    ) -> None:
        """Use `open`, not this: nothing is made yet. Without a `uid` of somebody else's it gets one of its own."""
        self._workshop = workshop
        self._name = name
        self._limits = limits
        self._code = code
        self._kill = kill
        self._watch: MemoryWatch | None = None
        self._network: Network | None = None
        self._has_share = False
        self.uid = workshop.identities.take() if uid is None else uid
        self._owns_uid = uid is None
        # Opened with the cell, for its first process: one visit to the mount thread instead of two.
        self._opened: list[tuple[str, int]] = []

    @classmethod
    async def open(
        cls, workshop: Workshop, name: str, limits: Limits, code: Code | None, kill: Callable[[], None]
    ) -> "FullCell":
        """Make everything. `kill` is called when the memory limit is broken. Raises OSError, leaving nothing."""
        cell = cls(workshop, name, limits, code, kill)
        making = asyncio.get_running_loop().run_in_executor(workshop.mounts.thread, cell._make)
        try:
            cell._network = await workshop.networks.take()
            await making
        except BaseException:
            cell._abandon()
            workshop.identities.give_back(cell.uid)
            if cell._network is not None:
                cell._network.discard()
                workshop.networks.released(cell._network)
            raise
        return cell

    def _abandon(self) -> None:
        """Nobody waits any more for what the mount thread makes: let it take that away again once it has."""
        self._workshop.mounts.thread.submit(self._unmake)

    def _unmake(self) -> None:
        """On the mount thread. Nothing where nothing was made."""
        if self._opened:
            for _, fd in self._opened:
                os.close(fd)
            self._tmp.close()
            self._group.remove()

    def _make(self) -> None:
        """On the mount thread. Makes all or nothing."""
        with contextlib.ExitStack() as undo:
            self._group = self._workshop.cgroups.create(self._name)
            undo.callback(self._group.remove)
            self._set_limits(self._limits)
            self._tmp = self._workshop.mounts.temporary(self._name, self._limits.tmp_mb)
            undo.callback(self._tmp.close)
            self._opened = self._open_mounts()
            undo.pop_all()

    def _set_limits(self, limits: Limits) -> None:
        self._group.limit((limits.memory_mb + limits.tmp_mb) * MB, limits.processes)

    async def order(self) -> Order:
        """See `Cell`."""
        assert self._network is not None
        loop = asyncio.get_running_loop()
        descriptors = self._opened or await loop.run_in_executor(self._workshop.mounts.thread, self._open_mounts)
        self._opened = []
        descriptors.append(("network", self._network.namespace()))
        fields = {
            "isolated": True,
            "uid": self.uid,
            "processes": self._limits.processes,
            "open_files": self._limits.open_files,
            "directory": "/var/task",
            "ports": [],
            "variables": {},
        }
        return Order(fields, descriptors)

    def _open_mounts(self) -> list[tuple[str, int]]:
        mounts = self._workshop.mounts
        with contextlib.ExitStack() as undo:
            opened: list[tuple[str, int]] = []

            def add(use: str, fd: int) -> None:
                undo.callback(os.close, fd)
                opened.append((use, fd))

            if self._code is not None and self._mounts_code:
                add("task", mounts.code(self._code.task))
                if self._code.opt is not None:
                    add("opt", mounts.code(self._code.opt))
            add("tmp", self._tmp.copy())
            for fd in self._group.open_entrances():
                add("cgroup", fd)
            undo.pop_all()
        return opened

    async def claim(self, pid: int, limits: Limits, code: Code) -> bool:
        """See `Cell`."""
        await asyncio.get_running_loop().run_in_executor(self._workshop.mounts.thread, self._claim, pid, limits, code)
        self._limits, self._code = limits, code
        self.watch(pid)
        return True

    def _claim(self, pid: int, limits: Limits, code: Code) -> None:
        if limits.tmp_mb != self._limits.tmp_mb:
            self._tmp.resize(limits.tmp_mb)
        self._set_limits(limits)
        self._workshop.mounts.enter_code(pid, code)

    def listening(self, runtime: socket.socket, endpoint: socket.socket) -> None:
        """Never: the network brought its listeners."""
        runtime.close()
        endpoint.close()

    def listeners(self) -> tuple[socket.socket | None, socket.socket | None]:
        """See `Cell`."""
        assert self._network is not None
        return self._network.runtime.dup(), self._network.endpoint.dup()

    def addresses(self) -> tuple[str, str]:
        """See `Cell`."""
        return f"127.0.0.1:{RUNTIME_PORT}", f"127.0.0.1:{ENDPOINT_PORT}"

    @property
    def is_reachable(self) -> bool:
        """See `Cell`."""
        return self._network is not None

    async def socket_inside(self) -> socket.socket | None:
        """See `Cell`. A copy of a template is in the template's network, which is not ours to enter."""
        network = self._network
        if network is None:
            return None
        thread = self._workshop.mounts.thread
        return await asyncio.get_running_loop().run_in_executor(thread, socket_in, network)

    def place(self, path: str) -> str:
        """See `Cell`."""
        return path

    def watch(self, pid: int) -> None:
        """See `Cell`. A blank process has no function whose limit it could break."""
        if self._code is None or self._watch is not None:
            return
        trigger = self._workshop.triggers.create(self._group)
        limit = self._limits.memory_mb * MB
        self._watch = MemoryWatch(self._group, trigger, limit, self._tmp.used_bytes, self._kill)
        self._watch.start()

    @property
    def code(self) -> Code | None:
        """What is mounted for its function, None while it is blank."""
        return self._code

    @property
    def is_watching(self) -> bool:
        """The memory watch has taken effect."""
        return self._watch is not None and self._watch.armed

    def unwatch(self) -> None:
        """See `Cell`."""
        if self._watch is not None:
            self._watch.stop()

    def begin_init(self) -> None:
        """See `Cell`."""
        self.lift_share()
        self._watch = None

    def end_init(self) -> None:
        """See `Cell`."""
        self._group.limit_cpu(self._limits.memory_mb)
        self._has_share = True

    def lift_share(self) -> None:
        """See `Cell`."""
        if self._has_share:
            self._group.limit_cpu(None)
            self._has_share = False

    def freeze(self) -> None:
        """See `Cell`."""
        self._group.freeze()

    def thaw(self) -> None:
        """See `Cell`."""
        self._group.thaw()

    def memory_peak(self) -> int:
        """See `Cell`. The file cache is looked up only when the peak is over the limit: it costs more."""
        peak = self._group.memory_peak() - self._tmp.used_bytes()
        if peak > self._limits.memory_mb * MB:
            peak -= self._group.memory().file
        return max(peak, 0)

    def broke_limit(self) -> bool:
        """See `Cell`. For the moment between the deed and the watch's look, which can be long on a busy machine.

        The group's peak alone would not do: a file in /tmp that was deleted again is in it. So a process must have held
        that much by itself too, beyond what it may share with the zygote.
        """
        watch, limit = self._watch, self._limits.memory_mb * MB
        if watch is None or watch.exceeded:
            return watch is not None
        if self._group.memory_peak() <= watch.judged or self.memory_peak() <= limit:
            return False
        return largest_process(self._group) > limit + _SHARED_BYTES

    def reset_memory_peak(self) -> None:
        """See `Cell`."""
        self._group.reset_memory_peak()

    def was_oom(self) -> bool:
        """See `Cell`."""
        return (self._watch is not None and self._watch.exceeded) or self._group.was_oom()

    async def close(self) -> None:
        """See `Cell`."""
        self.unwatch()
        for _, fd in self._opened:
            os.close(fd)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._workshop.mounts.thread, self._tmp.close)
        for _ in range(_REMOVE_TRIES):
            if self._group.remove():
                break
            await asyncio.sleep(_REMOVE_PAUSE_S)
        if self._network is not None:
            self._network.runtime.close()
            self._network.endpoint.close()
            self._workshop.networks.released(self._network)
        if self._owns_uid:
            self._workshop.identities.give_back(self.uid)
