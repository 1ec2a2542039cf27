"""From the server's side to a zygote: own mount namespace, root built and entered, interpreter executed in it.

Run by the server's own interpreter as a short script. What it does is privileged and happens once per image.
"""

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from . import root, syscalls

# Enters `inside.zygote` without making it `__main__`, whose place belongs to the runtime.
_ENTRY = (
    "import sys; sys.path.insert(0, {where!r}); "
    "from inside.zygote import main; main({control}, {ns}, {where!r}, {rt!r})"
)


def main() -> None:
    """Read the order from the first argument, become the zygote it describes."""
    order = json.loads(sys.argv[1])
    control = order["control"]
    os.set_inheritable(control, True)
    if not order["isolated"]:
        entry = _ENTRY.format(where=order["parent"], control=control, ns=-1, rt=order["runtime"])
        os.execve(order["python"], [order["python"], *order["flags"], "-c", entry], order["environment"])  # noqa: S606
    namespace = _enter_namespaces(order["user_namespace"])
    _enter_root(order)
    entry = _ENTRY.format(where=root.HIDDEN, control=control, ns=namespace, rt="/var/runtime")
    os.execve(order["python"], [order["python"], *order["flags"], "-c", entry], order["environment"])  # noqa: S606


def _enter_namespaces(user_namespace: bool) -> int:
    """Own mounts and name; without root a user namespace first, in which this process has the right to.

    Returns a descriptor of the present pid namespace for coming back to, -1 where that is not allowed.
    """
    if user_namespace:
        uid, gid = os.geteuid(), os.getegid()
        inner = root.default_identity()[0]
        syscalls.unshare(syscalls.NEWUSER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{inner} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{inner} {gid} 1")
        syscalls.keep_capabilities_over_exec()
    syscalls.unshare(syscalls.NEWNS | syscalls.NEWUTS)
    syscalls.mount("", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    socket.sethostname(root.HOSTNAME)
    if user_namespace:
        return -1  # the way back to the machine's pid namespace is closed to us
    namespace = os.open("/proc/self/ns/pid", os.O_RDONLY)
    os.set_inheritable(namespace, True)
    return namespace


def _enter_root(order: dict[str, Any]) -> None:
    at = Path(order["mountpoint"])
    first, count = order["uids"]
    plan = root.RootPlan(
        language=order["language"],
        runtime=order["runtime"],
        inside=order["inside"],
        interpreter=order["interpreter"],
        uids=(first, count),
        name_servers=tuple(order["name_servers"]),
    )
    root.build(at, plan)
    os.chdir(at)
    if order["user_namespace"]:
        # A new /proc needs a pid namespace of this user namespace, which only a child can be in: lend the machine's.
        syscalls.bind("/proc", str(at / "proc"))
    else:
        syscalls.mount("proc", str(at / "proc"), "proc", syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC)
    old = at / root.MACHINE[1:]
    old.mkdir()
    syscalls.pivot_root(".", str(old))
    os.chdir("/")
    # Without root every child takes its code from there and then lets go of it.
    if not order["user_namespace"]:
        syscalls.unmount(root.MACHINE)
        Path(root.MACHINE).rmdir()


main()
