"""The rung without root: all namespaces, seccomp and a sized /tmp through a user namespace, but no cgroups."""

import socket
from collections.abc import Callable, Mapping
from typing import Any

from bulb.sandbox.cell import Order
from bulb.sandbox.group import MB
from bulb.sandbox.inside.root import MACHINE
from bulb.sandbox.model import ENDPOINT_PORT, RUNTIME_PORT, Code, Limits
from bulb.sandbox.polled import PolledCell


class UsernsCell(PolledCell):
    """One sandbox's lasting part. Its /tmp is kept by the zygote, which alone has rights in the user namespace."""

    variables: Mapping[str, str] = {}

    def __init__(self, name: str, limits: Limits, code: Code | None, kill: Callable[[], None]) -> None:
        super().__init__(limits, code, kill)
        self._name = name
        self._listeners: tuple[socket.socket, socket.socket] | None = None

    async def order(self) -> Order:
        """See `Cell`. The child mounts the code itself, by the path it has on the machine."""
        fields: dict[str, Any] = {
            "isolated": True,
            "uid": None,
            "processes": self._limits.processes,
            "open_files": self._limits.open_files,
            "directory": "/var/task",
            "ports": [RUNTIME_PORT, ENDPOINT_PORT],
            "variables": {},
            "machine": MACHINE,
            "temporary": [self._name, self._limits.tmp_mb * MB],
            "task": str(self._code.task.resolve()) if self._code else None,
            "opt": str(self._code.opt.resolve()) if self._code and self._code.opt else None,
        }
        return Order(fields)

    async def claim(self, pid: int, limits: Limits, code: Code) -> bool:
        """See `Cell`. Nobody outside may mount into the locked process, so it is replaced."""
        self._limits, self._code = limits, code
        return False

    def listening(self, runtime: socket.socket, endpoint: socket.socket) -> None:
        """See `Cell`."""
        self._close_listeners()
        self._listeners = runtime, endpoint

    def listeners(self) -> tuple[socket.socket | None, socket.socket | None]:
        """See `Cell`. None when the process died before it made them."""
        if self._listeners is None:
            return None, None
        return self._listeners[0].dup(), self._listeners[1].dup()

    def addresses(self) -> tuple[str, str]:
        """See `Cell`."""
        return f"127.0.0.1:{RUNTIME_PORT}", f"127.0.0.1:{ENDPOINT_PORT}"

    @property
    def is_reachable(self) -> bool:
        """See `Cell`."""
        return False

    async def socket_inside(self) -> None:
        """See `Cell`: the network belongs to a user namespace the server has no rights in."""

    def place(self, path: str) -> str:
        """See `Cell`."""
        return path

    async def close(self) -> None:
        """See `Cell`."""
        self.unwatch()
        self._close_listeners()

    def _close_listeners(self) -> None:
        for listener in self._listeners or ():
            listener.close()
        self._listeners = None
