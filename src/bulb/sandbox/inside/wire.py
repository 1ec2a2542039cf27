"""What server and zygote say to each other: JSON over a SEQPACKET socket, descriptors beside it.

To the zygote: `spawn` (a process; the names in `fds` say what each descriptor is, in order), `signal`, `forget` (a
sandbox is gone for good). From it: `ready` or `broken` once; then for each process `born`, `listening` (with two
descriptors), `failed` (with the reason), `exit`.
"""

import array
import json
import socket
from typing import Any

MESSAGE_BYTES = 65_536
_MOST_DESCRIPTORS = 16
Message = dict[str, Any]


class ChildPlan:
    """One `spawn`, understood: descriptors by their use, and who the child will be."""

    def __init__(self, message: Message, descriptors: list[int]) -> None:
        named = list(zip(message["fds"], descriptors, strict=True))
        by_name = dict(named)
        self.id: str = message["id"]
        self.isolated: bool = message["isolated"]
        self.uid: int | None = message["uid"]
        self.processes: int | None = message["processes"]
        self.open_files: int = message["open_files"]
        self.directory: str = message["directory"]
        self.ports: list[int] = message["ports"]
        self.variables: dict[str, str] = message["variables"]
        self.api = by_name["api"]
        self.log = by_name["log"]
        # Only of a supervised sandbox: its supervisor's socket, and the pipe for what extensions write.
        self.supervision = by_name.get("supervision")
        self.extension_log = by_name.get("extension_log")
        self.network = by_name.get("network")
        self.tmp = by_name.get("tmp")
        # Only without root: where the machine's own tree is seen, the code's paths in it, and whose /tmp of what size.
        self.machine: str | None = message.get("machine")
        self.task_path: str | None = message.get("task")
        self.opt_path: str | None = message.get("opt")
        self.temporary: tuple[str, int] | None = message.get("temporary")
        self.task = by_name.get("task")
        self.opt = by_name.get("opt")
        # A template's end of the channel that asks for forks of it.
        self.snapshot = by_name.get("snapshot")
        self.cgroups = [fd for name, fd in named if name == "cgroup"]
        self.descriptors = descriptors


def send(channel: socket.socket, message: Message, descriptors: tuple[int, ...] = ()) -> None:
    """One message, whole or not at all. Raises BlockingIOError when a non-blocking channel is full."""
    data = json.dumps(message, separators=(",", ":")).encode()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    channel.sendmsg([data], rights)


def receive(channel: socket.socket) -> tuple[Message, list[int]] | None:
    """The next message; None when the other side is gone."""
    data, descriptors, _, _ = socket.recv_fds(channel, MESSAGE_BYTES, _MOST_DESCRIPTORS)
    if not data:
        return None
    return json.loads(data), descriptors
