"""A small world of network namespaces: a "machine" in which the server runs, and an "internet" beyond it.

The real machine's network is never touched: everything runs on a thread that left it, and threads and processes begun
there are in the machine of that world. It is gone when the last of them is.
"""

import contextlib
import os
import shutil
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from bulb.sandbox import forwarding, links, netlink
from bulb.sandbox.inside import syscalls
from bulb.sandbox.links import Link
from bulb.sandbox.netlink import Netlink, Request

MACHINE, INTERNET = IPv4Address("203.0.113.2"), IPv4Address("203.0.113.1")
EVERYWHERE = IPv4Network("0.0.0.0/0")
OUTWARD = "eth0"
_OUTWARD_INDEX = 2
_NFT_GETTABLE = 10 << 8 | 1


class Namespace:
    """A network namespace that can be visited."""

    def __init__(self) -> None:
        """The one the present thread is in."""
        self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    @contextlib.contextmanager
    def visited(self) -> Iterator[None]:
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            syscalls.setns(self.fd, syscalls.NEWNET)
            yield
        finally:
            syscalls.setns(home, syscalls.NEWNET)
            os.close(home)

    def ask(self, *requests: Request) -> None:
        with self.visited(), Netlink(netlink.ROUTE) as own:
            own.send(*requests)

    def has(self, address: str, index: int = _OUTWARD_INDEX) -> None:
        """Give the namespace one more address."""
        self.ask(links.address(index, IPv4Address(address), IPv4Address(address)))

    def listener(self, address: str, port: int) -> socket.socket:
        with self.visited():
            return socket.create_server((address, port))

    def datagrams(self, address: str, port: int) -> socket.socket:
        with self.visited():
            receiving = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiving.bind((address, port))
        return receiving

    def reaches(self, address: str, port: int, seconds: float = 20) -> bool:
        """Whether a connection from here succeeds within `seconds`."""
        with self.visited(), contextlib.suppress(OSError):
            socket.create_connection((address, port), seconds).close()
            return True
        return False


class World:
    """The machine, where the present thread is, joined to the internet by `eth0`, its default route."""

    def __init__(self, default_route: bool = True) -> None:
        self.internet = _new_namespace()
        self.machine = _new_namespace()
        self._extra: list[Namespace] = []
        self.machine.ask(
            links.cable(Link(_OUTWARD_INDEX, OUTWARD, 1500), Link(2, "world", 1500), self.internet.fd),
            links.bring_up(_OUTWARD_INDEX),
        )
        self.internet.ask(links.bring_up(2), links.address(2, INTERNET, MACHINE))
        self.machine.ask(links.address(_OUTWARD_INDEX, MACHINE, INTERNET))
        if default_route:
            self.machine.ask(links.route(EVERYWHERE, _OUTWARD_INDEX, INTERNET))
        syscalls.setns(self.machine.fd, syscalls.NEWNET)

    def neighbour(self, address: str) -> Namespace:
        """Another namespace beside the machine, joined to it by a link of its own; its default route is the machine."""
        beside = _new_namespace()
        syscalls.setns(self.machine.fd, syscalls.NEWNET)
        self._extra.append(beside)
        index, own, gateway = 50 + len(self._extra), IPv4Address(address), IPv4Address(address) + 1
        self.machine.ask(
            links.cable(Link(index, f"lan{index}", 1500), Link(2, "eth0", 1500), beside.fd),
            links.bring_up(index),
            links.address(index, gateway, own),
        )
        beside.ask(links.bring_up(2), links.address(2, own, gateway), links.route(EVERYWHERE, 2, gateway))
        return beside

    def close(self) -> None:
        record = forwarding._place_of_this_namespace()
        for namespace in (self.machine, self.internet, *self._extra):
            os.close(namespace.fd)
        shutil.rmtree(record, ignore_errors=True)

    def links(self) -> set[str]:
        """The links of the machine."""
        with Netlink(netlink.ROUTE) as own:
            return {link.name for link in links.links(own)}

    def routes(self) -> set[str]:
        """The main routing table of the machine."""
        with Netlink(netlink.ROUTE) as own:
            return {str(route.to) for route in links.routes(own) if route.table == 254}

    def tables(self) -> int:
        """How many tables of packet rules the machine has."""
        with Netlink(netlink.NETFILTER) as own:
            return len(list(own.dump(Request(_NFT_GETTABLE, 0, struct.pack(">BBH", 0, 0, 0), "listing tables"))))

    def forwards(self, link: str = OUTWARD) -> bool:
        return Path(f"/proc/sys/net/ipv4/conf/{link}/forwarding").read_text().strip() == "1"

    def state(self) -> tuple[set[str], set[str], int, bool]:
        """Everything a server may leave behind."""
        return self.links(), self.routes(), self.tables(), self.forwards()


def set_forwarding(link: str = "all", on: bool = True) -> None:
    """Let the present namespace forward what comes in by `link`."""
    Path(f"/proc/sys/net/ipv4/conf/{link}/forwarding").write_text(str(int(on)))


def _new_namespace() -> Namespace:
    """On return the thread is in it."""
    syscalls.unshare(syscalls.NEWNET)
    # A new namespace begins with the real machine's settings; ours is an ordinary machine that is no router.
    set_forwarding(on=False)
    made = Namespace()
    made.ask(links.bring_up(links.LOOPBACK))
    return made


def in_world(body: Callable[[World], None], default_route: bool = True) -> None:
    """Run `body` in a world of its own, on a thread of its own."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            world = World(default_route)
            try:
                body(world)
            finally:
                world.close()
        except BaseException as error:  # pytest's own outcomes too: they are raised again where pytest sees them
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def _lacking() -> str:
    """Why no world can be made here, or nothing. Tried in a process of its own."""
    if os.geteuid() != 0:
        return "namespaces and NAT need root"
    pid = os.fork()
    if pid == 0:
        code = 1
        with contextlib.suppress(OSError):
            in_world(lambda world: world.tables())
            code = 0
        os._exit(code)
    return "this kernel lacks network namespaces, veth or nf_tables" if os.waitpid(pid, 0)[1] else ""


_reason = _lacking()
needs_a_world = pytest.mark.skipif(bool(_reason), reason=_reason or "-")
