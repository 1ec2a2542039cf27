"""The system calls Python has no name for, through ctypes. Loads on both sides of the wall; OSError names the call.

Only thin calls live here: no order, no policy. Numbers are those every architecture shares since Linux 5.x, except
where `seccomp.py` says otherwise; the few that differ are looked up by machine.
"""

import ctypes
import fcntl
import os
import platform
import socket
import struct
from collections.abc import Callable

CLONE_FS = 0x200
NEWNS, NEWUTS, NEWIPC = 0x20000, 0x4000000, 0x8000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE, MS_SLAVE = 32, 4096, 16384, 1 << 18, 1 << 19
MNT_DETACH = 2

ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4
_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_OPEN_TREE_CLONE, _OPEN_TREE_CLOEXEC = 1, os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH = 4
_FSCONFIG_SET_STRING, _FSCONFIG_CMD_CREATE, _FSCONFIG_CMD_RECONFIGURE = 1, 6, 7
_FSPICK_CLOEXEC, _FSPICK_EMPTY_PATH = 1, 8

# The calls added since 5.1 have one number everywhere.
_OPEN_TREE, _MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT, _FSPICK, _MOUNT_SETATTR = 428, 429, 430, 431, 432, 433, 442
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}.get(platform.machine(), -1)
_CAPGET, _CAPSET = {"x86_64": (125, 126), "aarch64": (90, 91)}.get(platform.machine(), (-1, -1))
_THIS_THREAD, _CAPABILITY_BITS = struct.pack("Ii", 0x20080522, 0), 64

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP = 1, 4, 24
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, PR_CAP_AMBIENT, PR_SET_CHILD_SUBREAPER = 38, 22, 47, 36
_PR_CAP_AMBIENT_RAISE, _PR_CAP_AMBIENT_CLEAR_ALL = 2, 4
_SECCOMP_MODE_FILTER = 2
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCGSKNS, _IFF_UP = 0x8913, 0x8914, 0x894C, 1

_libc = ctypes.CDLL(None, use_errno=True)
_syscall: Callable[..., int] = _libc.syscall
_libc.syscall.restype = ctypes.c_long


def _check(result: int, call: str, about: str = "") -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}", about or None)
    return result


def unshare(flags: int) -> None:
    """Leave the namespaces in `flags` for new ones (NEWPID: for the next child)."""
    _check(_libc.unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    """Enter the namespace `fd` refers to."""
    _check(_libc.setns(fd, kind), "setns")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """The classic mount(2)."""
    _check(
        _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode()),
        "mount",
        target,
    )


def bind(source: str, target: str, read_only: bool = True) -> None:
    """Make `source` (a tree with everything mounted in it) visible at `target` as well."""
    fd = open_tree(source, recursive=True)
    try:
        set_mount_attributes(fd, (ATTR_RDONLY if read_only else 0) | ATTR_NOSUID, recursive=True)
        move_mount(fd, target)
    finally:
        os.close(fd)


def unmount(target: str) -> None:
    """Take `target` out of this mount namespace now; whoever still uses it keeps it."""
    _check(_libc.umount2(target.encode(), MNT_DETACH), "umount", target)


def pivot_root(new_root: str, put_old: str) -> None:
    """Make `new_root` the root; the old one appears at `put_old`."""
    _check(_syscall(_PIVOT_ROOT, new_root.encode(), put_old.encode()), "pivot_root", new_root)


def open_tree(path: str, recursive: bool = False) -> int:
    """A detached copy of the mount at `path`, as a descriptor that `move_mount` puts somewhere."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | (_AT_RECURSIVE if recursive else 0)
    return _check(_syscall(_OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags), "open_tree", str(path))


def clone_mount(fd: int) -> int:
    """A detached copy of the mount `fd` refers to. A detached source needs Linux 6.15."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_EMPTY_PATH
    return _check(_syscall(_OPEN_TREE, fd, b"", flags), "open_tree")


def move_mount(fd: int, target: str | os.PathLike[str]) -> None:
    """Attach the detached mount `fd` at `target`."""
    result = _syscall(_MOVE_MOUNT, fd, b"", _AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH)
    _check(result, "move_mount", str(target))


def set_mount_attributes(fd: int, attributes: int, recursive: bool = False) -> None:
    """Add ATTR_* to the mount `fd` refers to."""
    value = struct.pack("QQQQ", attributes, 0, 0, 0)
    flags = _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0)
    _check(_syscall(_MOUNT_SETATTR, fd, b"", flags, value, ctypes.c_size_t(len(value))), "mount_setattr")


def new_tmpfs(size_bytes: int, mode: str = "1777", attributes: int = ATTR_NOSUID | ATTR_NODEV) -> int:
    """A new, empty, detached tmpfs of at most `size_bytes`."""
    context = _check(_syscall(_FSOPEN, b"tmpfs", 1), "fsopen")
    try:
        for name, value in (("size", str(size_bytes)), ("mode", mode)):
            set_string = _syscall(_FSCONFIG, context, _FSCONFIG_SET_STRING, name.encode(), value.encode(), 0)
            _check(set_string, "fsconfig", name)
        _check(_syscall(_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0), "fsconfig")
        return _check(_syscall(_FSMOUNT, context, 1, attributes), "fsmount")
    finally:
        os.close(context)


def resize_tmpfs(fd: int, size_bytes: int) -> None:
    """Change what the tmpfs mounted at descriptor `fd` may hold."""
    context = _check(_syscall(_FSPICK, fd, b"", _FSPICK_CLOEXEC | _FSPICK_EMPTY_PATH), "fspick")
    try:
        value = str(size_bytes).encode()
        _check(_syscall(_FSCONFIG, context, _FSCONFIG_SET_STRING, b"size", value, 0), "fsconfig", "size")
        _check(_syscall(_FSCONFIG, context, _FSCONFIG_CMD_RECONFIGURE, None, None, 0), "fsconfig")
    finally:
        os.close(context)


def prctl(option: int, first: int = 0, second: int = 0) -> int:
    """prctl(2) with up to two arguments."""
    words = [ctypes.c_ulong(word) for word in (first, second, 0, 0)]
    return _check(_libc.prctl(option, *words), "prctl")


def drop_bounding_set() -> None:
    """From now on no exec can give any capability."""
    for capability in range(_CAPABILITY_BITS):
        if _libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) < 0:
            return  # past the last capability this kernel knows


def drop_capabilities() -> None:
    """Empty the effective, permitted, inheritable and ambient sets of this thread."""
    prctl(PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    _check(_syscall(_CAPSET, _THIS_THREAD, bytes(24)), "capset")


def keep_capabilities_over_exec() -> None:
    """Make what this thread is permitted ambient: a user other than root keeps nothing otherwise."""
    data = ctypes.create_string_buffer(24)
    _check(_syscall(_CAPGET, _THIS_THREAD, data), "capget")
    effective_low, permitted_low, _, effective_high, permitted_high, _ = struct.unpack("6I", data.raw)
    low, high = (effective_low, permitted_low, permitted_low), (effective_high, permitted_high, permitted_high)
    _check(_syscall(_CAPSET, _THIS_THREAD, struct.pack("6I", *low, *high)), "capset")
    permitted = permitted_low | permitted_high << 32
    for capability in range(_CAPABILITY_BITS):
        if permitted >> capability & 1:
            prctl(PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def install_filter(program: bytes) -> None:
    """Install the assembled BPF `program` as this thread's seccomp filter, for good."""
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: a count of 8-byte instructions, and where they are.
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
    prctl(PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(header))


def bring_up_loopback() -> None:
    """Set `lo` of the present network namespace up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack_from("h", fcntl.ioctl(probe, _SIOCGIFFLAGS, request), 16)[0]
        fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))


def network_of(listener: socket.socket) -> int:
    """A descriptor of the network namespace the socket `listener` lives in."""
    return int(fcntl.ioctl(listener, _SIOCGSKNS))
