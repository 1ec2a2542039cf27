"""The way out of the sandboxes of one server: a network namespace of its own, between theirs and the machine's.

    sandbox eth0 ---- s1 |        | out ------ bulb-1a2b3c4d | machine |--- outward links
    sandbox eth0 ---- s2 | router |                          |  (NAT)  |
         ...             |        |                          |         |

The machine sees a single link. Nothing of this outlives the server: the router namespace lives by the descriptor held
here, all links end in it, and the machine's packet rules belong to a socket. What stays is undone by `forwarding.py`.

Who may reach whom is decided twice. The router: sandboxes send out, never to each other and never to the router, and
not to where clouds hand out credentials. The machine: functions reach none of its own addresses, whichever they come by
and before anything redirects them; nobody begins a connection to a function; the rest is masqueraded.

The router's own routes say which sandbox addresses are in use: a taken one is refused with EEXIST.
"""

import errno
import itertools
import os
import secrets
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from bulb.sandbox import links, netlink, packetrules, resolvers
from bulb.sandbox.forwarding import Forwarding
from bulb.sandbox.inside import syscalls
from bulb.sandbox.links import Link, Route
from bulb.sandbox.netlink import Netlink
from bulb.sandbox.packetrules import Chain, Hook, Policy, Table, verdict

# Carriers' and laboratories' ranges: the least likely to be somebody's network. From the end, as people start at 0.
_RANGES = (IPv4Network("100.64.0.0/10"), IPv4Network("198.18.0.0/15"))
_SLICE_PREFIX = 18
_EVERYWHERE = IPv4Network("0.0.0.0/0")
# Where clouds give a machine its credentials: AWS, Google, Azure and most others; Azure's host; Alibaba; Oracle.
_MACHINE_SECRETS = (
    IPv4Network("169.254.0.0/16"),
    IPv4Network("168.63.129.16/32"),
    IPv4Network("100.100.100.200/32"),
    IPv4Network("192.0.0.192/32"),
)
_TCP, _UDP, _DNS = 6, 17, 53
_UPLINK, _INSIDE = "out", "eth0"
_UPLINK_INDEX, _INSIDE_INDEX, _FIRST_INDEX = 2, 2, 10
_MAIN_TABLE = 254
_SMALLEST_MTU = 576
_TRIES = 64
_SETTINGS = Path("/proc/sys/net")


@dataclass(frozen=True, slots=True)
class Ways:
    """What the machine's routes say: free addresses, links that lead outward, the largest packet of the default one."""

    free: tuple[IPv4Network, ...]
    outward: tuple[str, ...]
    mtu: int


def ways_of(routes: Iterable[Route], found: Iterable[Link]) -> Ways:
    """Read the routing tables. Raises OSError when nothing leads out or no range is free."""
    routes = [route for route in routes if route.to.prefixlen or route.table == _MAIN_TABLE]
    by_index = {link.index: link for link in found}
    default = [by_index[route.link] for route in routes if not route.to.prefixlen and route.link in by_index]
    if not default:
        raise OSError(errno.ENETUNREACH, "this machine has no default route")
    taken = [route.to for route in routes if route.to.prefixlen]
    slices = itertools.chain.from_iterable(
        reversed(list(range_.subnets(new_prefix=_SLICE_PREFIX))) for range_ in _RANGES
    )
    free = tuple(slice_ for slice_ in slices if not any(slice_.overlaps(other) for other in taken))
    if not free:
        raise OSError(errno.EADDRNOTAVAIL, "no address range is free for functions")
    used = {route.link for route in routes if route.table == _MAIN_TABLE} - {links.LOOPBACK, 0}
    outward = tuple(sorted(by_index[index].name for index in used if index in by_index))
    return Ways(free, tuple(name for name in outward if not name.startswith("bulb-")), default[0].mtu)


@dataclass(frozen=True, slots=True)
class Slice:
    """The addresses of one server: two for the link between machine and router, the others for sandboxes."""

    network: IPv4Network

    @property
    def machine(self) -> IPv4Address:
        """The machine's end of the link."""
        return self.network[1]

    @property
    def router(self) -> IPv4Address:
        """The router, on all its links."""
        return self.network[2]

    def sandbox(self, turn: int) -> IPv4Address:
        """The address whose turn it is: long before one comes again its former user's connections are forgotten."""
        first = 16
        return self.network[first + turn % (self.network.num_addresses - first - 1)]


def machine_rules(name: str, pool: IPv4Network, switched_on: Iterable[str]) -> Table:
    """What the machine does with packets of functions, and with others that come in by links `switched_on` for them."""
    drop, accept = verdict(Policy.DROP), verdict(Policy.ACCEPT)
    from_functions, to_functions = packetrules.came_by(name), packetrules.goes_by(name)
    elsewhere = packetrules.goes_not_by(name)
    # Deliberate redirections (a published port) stay possible.
    strangers = tuple(
        (*packetrules.came_by(link), *elsewhere, *packetrules.begins(), *packetrules.was_not_redirected(), *drop)
        for link in switched_on
    )
    return Table(
        name,
        (
            # Before all of the machine's own rules (from -300), which can make a local address look like a remote one.
            Chain(
                "arriving",
                Hook.BEFORE_ROUTING,
                -350,
                ((*from_functions, *packetrules.is_for_this_machine(), *drop),),
            ),
            Chain("to-machine", Hook.IN, -10, ((*from_functions, *drop),)),
            Chain(
                "forwarded",
                Hook.FORWARD,
                -10,
                ((*to_functions, *packetrules.answers(), *accept), (*to_functions, *drop), *strangers),
            ),
            Chain(
                "leaving",
                Hook.AFTER_ROUTING,
                100,
                ((*packetrules.is_from(pool), *elsewhere, *packetrules.masquerade()),),
                kind="nat",
            ),
        ),
    )


def router_rules(name_servers: Iterable[IPv4Address]) -> Table:
    """What the router lets pass: answers in; out all but the machine's secrets, where a name server may live too."""
    drop, accept = verdict(Policy.DROP), verdict(Policy.ACCEPT)
    outward = packetrules.goes_by(_UPLINK)
    names = tuple(
        (*outward, *packetrules.is_for(server), *packetrules.is_for_port(protocol, _DNS), *accept)
        for server in name_servers
        for protocol in (_UDP, _TCP)
    )
    secret = tuple((*outward, *packetrules.is_for(network), *drop) for network in _MACHINE_SECRETS)
    rules = (
        (*packetrules.came_by(_UPLINK), *packetrules.goes_not_by(_UPLINK), *accept),
        *names,
        *secret,
        (*outward, *packetrules.is_ipv4(), *accept),
    )
    return Table(
        "bulb", (Chain("to-router", Hook.IN, 0, (), Policy.DROP), Chain("passing", Hook.FORWARD, 0, rules, Policy.DROP))
    )


class Router:
    """The router of one server. One thread at a time may use it."""

    def __init__(self) -> None:
        """Use `open`."""
        self.name = f"bulb-{secrets.token_hex(4)}"
        self.name_servers: tuple[IPv4Address, ...] = ()
        self.switched_on: list[str] = []
        self.closed_forwarders: list[packetrules.ForeignChain] = []
        self._turns = itertools.count()
        self._leaving = ExitStack()

    @classmethod
    def open(cls) -> "Router":
        """Build everything. Blocks some milliseconds. Raises OSError, leaving nothing."""
        router = cls()
        # A thread of its own, as it visits another namespace and must never be somebody else's there.
        with ThreadPoolExecutor(1, thread_name_prefix="router") as thread:
            try:
                thread.submit(router._build).result()
            except BaseException:
                router.close()
                raise
        return router

    def _build(self) -> None:
        machine = self._held(Netlink(netlink.ROUTE))
        rules = self._held(Netlink(netlink.NETFILTER))
        ways = ways_of(links.routes(machine), links.links(machine))
        self._mtu = max(ways.mtu, _SMALLEST_MTU)
        self.name_servers = resolvers.reachable()
        self.closed_forwarders = list(packetrules.closed_forwarders(rules))
        forwarding = Forwarding.open()
        self._leaving.callback(forwarding.close)
        self.switched_on = forwarding.switch_on(ways.outward)
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._build_router()
        finally:
            syscalls.setns(home, syscalls.NEWNET)
            os.close(home)
        self._slice = self._join(machine, ways.free)
        packetrules.put_in_place(rules, machine_rules(self.name, self._slice.network, self.switched_on))
        (_SETTINGS / "ipv4/conf" / self.name / "forwarding").write_text("1")
        self._configure_uplink()

    def _held(self, socket: Netlink) -> Netlink:
        self._leaving.callback(socket.close)
        return socket

    def _build_router(self) -> None:
        """On return the thread is in the router namespace."""
        syscalls.unshare(syscalls.NEWNET)
        self._namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._leaving.callback(os.close, self._namespace)
        self._router = self._held(Netlink(netlink.ROUTE))
        packetrules.put_in_place(self._held(Netlink(netlink.NETFILTER)), router_rules(self.name_servers))
        # New namespaces begin with what the machine has set, so all that matters is said.
        for kind in ("all", "default"):
            for setting, value in (
                ("rp_filter", "1"),
                ("arp_ignore", "0"),
                ("arp_filter", "0"),
                ("send_redirects", "0"),
            ):
                (_SETTINGS / "ipv4/conf" / kind / setting).write_text(value)
        (_SETTINGS / "ipv4/ip_forward").write_text("1")
        self._has_ipv6 = (_SETTINGS / "ipv6").exists()
        if self._has_ipv6:
            (_SETTINGS / "ipv6/conf/default/disable_ipv6").write_text("1")

    def _join(self, machine: Netlink, free: Iterable[IPv4Network]) -> Slice:
        """Link machine and router with the first slice that no other server takes at this moment."""
        here, there = Link(0, self.name, self._mtu), Link(_UPLINK_INDEX, _UPLINK, self._mtu)
        machine.send(links.cable(here, there, self._namespace))
        index = next(link.index for link in links.links(machine) if link.name == self.name)
        self._leaving.callback(machine.send, links.remove(index))
        machine.send(links.bring_up(index))
        for network in free:
            slice_ = Slice(network)
            try:
                machine.send(links.address(index, slice_.machine, slice_.router))
                machine.send(links.route(network, index, slice_.router))
            except FileExistsError:
                continue
            return slice_
        raise OSError(errno.EADDRNOTAVAIL, "no address range is free for functions")

    def _configure_uplink(self) -> None:
        slice_ = self._slice
        self._router.send(
            links.bring_up(links.LOOPBACK),
            links.bring_up(_UPLINK_INDEX),
            links.address(_UPLINK_INDEX, slice_.router, slice_.machine),
            links.route(_EVERYWHERE, _UPLINK_INDEX, slice_.machine),
        )

    def connect(self) -> None:
        """Give the network namespace this thread is in its loopback and its way out. Raises OSError."""
        far = _FIRST_INDEX + next(self._turns)
        near = Link(_INSIDE_INDEX, _INSIDE, self._mtu)
        # Nothing routes IPv6 for functions, so they should not see an address of it.
        quiet = [links.without_ipv6_address(_INSIDE_INDEX)] if self._has_ipv6 else []
        with Netlink(netlink.ROUTE) as own:
            own.send(
                links.bring_up(links.LOOPBACK),
                links.cable(near, Link(far, f"s{far}", self._mtu), self._namespace),
                *quiet,
                links.bring_up(_INSIDE_INDEX),
            )
            address = self._first_free(far)
            own.send(
                links.address(_INSIDE_INDEX, address, self._slice.router),
                links.route(_EVERYWHERE, _INSIDE_INDEX, self._slice.router),
            )

    def _first_free(self, far: int) -> IPv4Address:
        """Switch the link `far` on and route to it the next address nobody has."""
        self._router.send(links.bring_up(far))
        for turn in range(far, far + _TRIES):
            address = self._slice.sandbox(turn)
            try:
                self._router.send(links.route(IPv4Network(address), far))
            except FileExistsError:
                continue
            return address
        raise OSError(errno.EADDRNOTAVAIL, "no address is free for a function")

    def close(self) -> None:
        """Take it all away, the last thing built first. The thread must be in the machine's namespace, as any is."""
        self._leaving.close()
