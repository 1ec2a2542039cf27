"""The system calls a sandbox may make: an allow-list, assembled to BPF by hand.

What is not listed answers EPERM; what is newer than the list, and clone3, answers ENOSYS, so that libraries fall back
to the older call (glibc then makes threads with clone, whose flags this filter can read). Four calls are allowed by
their arguments: clone without new namespaces, socket of the usual families, ioctl without typing into terminals,
personality as it is. Everything dangerous that stays reachable needs a capability nobody inside has; the list is there
for the kernel code behind the calls: mounts, namespaces, ptrace, BPF, io_uring, keys, perf, userfaultfd, modules.
"""

import platform
import struct

_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_EPERM, _ENOSYS = 0x00050000 | 1, 0x00050000 | 38
_LOAD, _EQUAL, _ABOVE, _AT_LEAST, _ANY_OF, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND = 0, 4, 16, 24
_X32 = 0x40000000
_CLONE3, _MOVE_MOUNT = 435, 429

_NEW_NAMESPACES = 0x7E020000
_SOCKET_FAMILIES = (1, 2, 10, 16)  # unix, inet, inet6, netlink
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_PERSONALITIES = (0, 0xFFFFFFFF)  # Linux, and asking

# Inclusive ranges of call numbers, taken from the kernel's own tables (asm/unistd_64.h, asm-generic/unistd.h).
# fmt: off

_X86_64 = (
    (0, 100), (102, 102), (104, 133), (135, 135), (137, 138), (140, 152), (157, 158), (160, 160), (162, 162), (186, 204),  # noqa: E501 - a table
    (206, 210), (213, 213), (217, 226), (228, 235), (240, 245), (247, 247), (251, 255), (257, 271), (273, 278),
    (280, 297), (299, 299), (302, 302), (306, 307), (309, 309), (314, 316), (318, 319), (322, 322), (324, 332),
    (334, 334), (424, 424), (434, 434), (436, 437), (439, 439), (441, 441), (444, 446), (449, 449), (451, 456), (462, 462),  # noqa: E501 - a table
)
_AARCH64 = (
    (0, 17), (19, 38), (43, 50), (52, 57), (59, 59), (61, 88), (90, 96), (98, 103), (107, 111), (113, 115), (118, 141),
    (143, 160), (163, 169), (172, 216), (220, 223), (226, 233), (240, 240), (242, 243), (260, 261), (267, 267),
    (269, 269), (274, 276), (278, 279), (281, 281), (283, 291), (293, 293), (424, 424), (434, 434), (436, 437),
    (439, 439), (441, 441), (444, 446), (449, 449), (451, 456), (462, 462),
)
# fmt: on
_MACHINES = {
    "x86_64": (0xC000003E, _X86_64, {"clone": 56, "socket": 41, "ioctl": 16, "personality": 135, "unshare": 272}),
    "aarch64": (0xC00000B7, _AARCH64, {"clone": 220, "socket": 198, "ioctl": 29, "personality": 92, "unshare": 97}),
}


def program(machine: str | None = None, *, may_unshare: int | None = None) -> bytes:
    """The filter for `machine` (default: this one), ready for `syscalls.install_filter`.

    `may_unshare` is for templates, whose forks leave for namespaces of their own: unshare with exactly these flags, and
    move_mount, are allowed as well. Every fork adds the filter without them. Raises KeyError for a machine whose call
    numbers are not known here.
    """
    architecture, allowed, numbers = _MACHINES[machine or platform.machine()]
    code: list[bytes] = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, architecture, 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_AT_LEAST, _X32, 0, 1),
        _step(_RETURN, _ENOSYS),
    ]
    for name, check in (
        ("clone", _refuse_any(_FIRST, _NEW_NAMESPACES)),
        ("socket", _only(_FIRST, _SOCKET_FAMILIES)),
        ("ioctl", _refuse(_SECOND, _TERMINAL_INPUT)),
        ("personality", _only(_FIRST, _PERSONALITIES)),
    ):
        code += [_step(_EQUAL, numbers[name], 0, len(check)), *check]
    code += [_step(_EQUAL, _CLONE3, 0, 1), _step(_RETURN, _ENOSYS)]
    if may_unshare is not None:
        check = _only(_FIRST, (may_unshare,))
        code += [_step(_EQUAL, numbers["unshare"], 0, len(check)), *check]
        code += [_step(_EQUAL, _MOVE_MOUNT, 0, 1), _step(_RETURN, _ALLOW)]
    return b"".join(code + _ranges(allowed))


def _step(operation: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One instruction; jumps count the instructions they skip."""
    return struct.pack("HBBI", operation, if_true, if_false, operand)


def _only(argument: int, values: tuple[int, ...]) -> list[bytes]:
    tests = [_step(_EQUAL, value, len(values) - index, 0) for index, value in enumerate(values)]
    return [_step(_LOAD, argument), *tests, _step(_RETURN, _EPERM), _step(_RETURN, _ALLOW)]


def _refuse(argument: int, values: tuple[int, ...]) -> list[bytes]:
    tests = [_step(_EQUAL, value, len(values) - index, 0) for index, value in enumerate(values)]
    return [_step(_LOAD, argument), *tests, _step(_RETURN, _ALLOW), _step(_RETURN, _EPERM)]


def _refuse_any(argument: int, bits: int) -> list[bytes]:
    return [_step(_LOAD, argument), _step(_ANY_OF, bits, 1, 0), _step(_RETURN, _ALLOW), _step(_RETURN, _EPERM)]


def _ranges(allowed: tuple[tuple[int, int], ...]) -> list[bytes]:
    """The list itself. It ascends: a number below a range's start is in none, one past the last is newer."""
    size = 2 * len(allowed)
    code: list[bytes] = []
    for low, high in allowed:
        code.append(_step(_AT_LEAST, low, 0, size + 1 - len(code)))
        code.append(_step(_ABOVE, high, 0, size - len(code)))
    return [*code, _step(_RETURN, _ENOSYS), _step(_RETURN, _ALLOW), _step(_RETURN, _EPERM)]
