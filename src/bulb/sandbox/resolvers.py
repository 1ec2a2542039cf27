"""Whom functions ask for names: the machine's own name servers, if they can be reached from behind NAT."""

import socket
from ipaddress import IPv4Address
from pathlib import Path

# In order: what programs on the machine use; where a resolver on the machine itself writes whom it asks.
_FILES = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"), Path("/run/NetworkManager/resolv.conf"))
# The C library looks at no more.
_MOST = 3


def reachable(files: tuple[Path, ...] = _FILES) -> tuple[IPv4Address, ...]:
    """The name servers of the first file that names any beyond this machine. Empty when there are none.

    A server on one of the machine's own addresses does not count: functions may not reach those.
    """
    for path in files:
        found = tuple(address for address in _servers(path) if not _is_own(address))
        if found:
            return found[:_MOST]
    return ()


def _servers(path: Path) -> list[IPv4Address]:
    try:
        words = [line.split() for line in path.read_text(errors="replace").splitlines()]
    except OSError:
        return []
    named = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]
    return [IPv4Address(name) for name in named if _is_ipv4(name)]


def _is_ipv4(name: str) -> bool:
    try:
        IPv4Address(name)
    except ValueError:
        return False
    return True


def _is_own(address: IPv4Address) -> bool:
    """Whether a socket can have it: the kernel knows all of this machine's addresses, 127.0.0.0/8 included."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True
