"""The last rung: an ordinary process of the server's user in its own session, with limits. It isolates nothing.

/tmp is the machine's; the sandbox's own temporary directory is told as TMPDIR. The code is used where it lies, told as
LAMBDA_TASK_ROOT, its layers are at LAMBDA_LAYERS_ROOT, and Python is told to leave no compiled files there: others
start from the same. The Runtime API is on a port of the machine's loopback.
"""

import asyncio
import shutil
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bulb.sandbox.cell import Order
from bulb.sandbox.inside.child import listen
from bulb.sandbox.model import Code, Limits
from bulb.sandbox.polled import PolledCell


class PlainCell(PolledCell):
    """One sandbox's lasting part: a temporary directory and a port."""

    def __init__(self, directory: Path, limits: Limits, code: Code | None, kill: Callable[[], None]) -> None:
        super().__init__(limits, code, kill)
        self._directory = directory
        directory.mkdir(mode=0o700)
        self._runtime = listen(0)

    @property
    def variables(self) -> Mapping[str, str]:
        """TMPDIR, where code and layers are, and that nothing is to be compiled into them."""
        told = {"TMPDIR": str(self._directory), "PYTHONDONTWRITEBYTECODE": "1"}
        if self._code is not None:
            told["LAMBDA_TASK_ROOT"] = str(self._code.task)
            if self._code.opt is not None:
                told["LAMBDA_LAYERS_ROOT"] = str(self._code.opt)
        return told

    async def order(self) -> Order:
        """See `Cell`."""
        fields: dict[str, Any] = {
            "isolated": False,
            "uid": None,
            "processes": None,  # it would count whatever the server's user runs on the machine
            "open_files": self._limits.open_files,
            "directory": str(self._code.task if self._code else self._directory),
            "ports": [],
            "variables": dict(self.variables),
        }
        return Order(fields)

    async def claim(self, pid: int, limits: Limits, code: Code) -> bool:
        """See `Cell`. The process learns everything from its variables, but its directory is that of its start."""
        self._limits, self._code = limits, code
        self.unwatch()
        self.watch(pid)
        return True

    def listening(self, runtime: socket.socket, endpoint: socket.socket) -> None:
        """Never: the process shares the machine's network."""
        runtime.close()
        endpoint.close()

    def listeners(self) -> tuple[socket.socket, None]:
        """See `Cell`."""
        return self._runtime.dup(), None

    def addresses(self) -> tuple[str, None]:
        """See `Cell`."""
        return f"127.0.0.1:{self._runtime.getsockname()[1]}", None

    @property
    def is_reachable(self) -> bool:
        """See `Cell`."""
        return True

    async def socket_inside(self) -> socket.socket:
        """See `Cell`: there is one network."""
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)

    def place(self, path: str) -> str:
        """See `Cell`: the code is used where it lies."""
        code = self._code
        for inside, outside in (("/var/task", code and code.task), ("/opt", code and code.opt)):
            if outside and (path == inside or path.startswith(inside + "/")):
                return str(outside) + path[len(inside) :]
        return path

    async def close(self) -> None:
        """See `Cell`."""
        self.unwatch()
        self._runtime.close()
        await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)
