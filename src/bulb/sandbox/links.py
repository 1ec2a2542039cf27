"""Links, IPv4 addresses and routes, said to the kernel over Netlink (rtnetlink(7))."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from bulb.sandbox.netlink import CREATE, EXCLUSIVE, Netlink, Request, attribute, attributes_of, nested, number, text

LOOPBACK = 1
_IPV4, _IPV6 = 2, 10

_NEWLINK, _DELLINK, _GETLINK, _NEWADDR, _NEWROUTE, _GETROUTE = 16, 17, 18, 20, 24, 26
_LINK = struct.Struct("BxHiII")
_ROUTE = struct.Struct("BBBBBBBBI")
_UP = 1
_IFLA_IFNAME, _IFLA_MTU, _IFLA_LINKINFO, _IFLA_NET_NS_FD, _IFLA_TX_QUEUES, _IFLA_RX_QUEUES = 3, 4, 18, 28, 31, 32
_IFLA_AF_SPEC, _INET6_ADDRESS_MODE, _MODE_NONE = 26, 8, 1
_INFO_KIND, _INFO_DATA, _VETH_PEER = 1, 2, 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_TABLE = 1, 4, 5, 15
_TABLE_MAIN, _BY_ADMINISTRATOR, _SCOPE_ALL, _SCOPE_LINK, _UNICAST = 254, 4, 0, 253, 1
_MAX_PREFIX = 32


@dataclass(frozen=True, slots=True)
class Link:
    """A network device: its index, its name, the largest packet it carries."""

    index: int
    name: str
    mtu: int


@dataclass(frozen=True, slots=True)
class Route:
    """A way: to where, by which link (0 when it is none or several), in which routing table."""

    to: IPv4Network
    link: int
    table: int


def bring_up(index: int) -> Request:
    """Switch the link on."""
    return Request(_NEWLINK, 0, _LINK.pack(0, 0, index, _UP, _UP), "switching a link on")


def cable(near: Link, far: Link, namespace: int) -> Request:
    """A virtual cable: `near` in this namespace, `far` in the one the descriptor `namespace` refers to, both off.

    One queue per end: more serve machines with many cores one busy link, and cost memory in every sandbox.
    """
    peer = nested(_VETH_PEER, _end(far), number(_IFLA_NET_NS_FD, namespace))
    info = nested(_IFLA_LINKINFO, text(_INFO_KIND, "veth"), nested(_INFO_DATA, peer))
    return Request(_NEWLINK, CREATE | EXCLUSIVE, _end(near) + info, f"making the link {near.name}")


def _end(link: Link) -> bytes:
    attributes = (
        text(_IFLA_IFNAME, link.name),
        number(_IFLA_MTU, link.mtu),
        number(_IFLA_TX_QUEUES, 1),
        number(_IFLA_RX_QUEUES, 1),
    )
    return _LINK.pack(0, 0, link.index, 0, 0) + b"".join(attributes)


def without_ipv6_address(index: int) -> Request:
    """Let the link, still off, have no IPv6 address when it is switched on. Refused by a kernel without IPv6."""
    how = nested(_IFLA_AF_SPEC, nested(_IPV6, attribute(_INET6_ADDRESS_MODE, bytes([_MODE_NONE]))))
    return Request(_NEWLINK, 0, _LINK.pack(0, 0, index, 0, 0) + how, "keeping IPv6 from a link")


def remove(index: int) -> Request:
    """Take a link away, and with a virtual cable its other end."""
    return Request(_DELLINK, 0, _LINK.pack(0, 0, index, 0, 0), "removing a link")


def address(index: int, own: IPv4Address, other: IPv4Address) -> Request:
    """Give the link the address `own`; `other` is at the far end and is the only one there."""
    body = struct.pack("BBBBI", _IPV4, _MAX_PREFIX, 0, _SCOPE_ALL, index)
    body += attribute(_IFA_LOCAL, own.packed) + attribute(_IFA_ADDRESS, other.packed)
    return Request(_NEWADDR, CREATE | EXCLUSIVE, body, f"giving a link the address {own}")


def route(to: IPv4Network, index: int, gateway: IPv4Address | None = None) -> Request:
    """Send what goes `to` by the link, through `gateway` or directly. EEXIST when there is such a route."""
    scope = _SCOPE_LINK if gateway is None else _SCOPE_ALL
    body = _ROUTE.pack(_IPV4, to.prefixlen, 0, 0, _TABLE_MAIN, _BY_ADMINISTRATOR, scope, _UNICAST, 0)
    body += attribute(_RTA_DST, to.network_address.packed) + number(_RTA_OIF, index)
    if gateway is not None:
        body += attribute(_RTA_GATEWAY, gateway.packed)
    return Request(_NEWROUTE, CREATE | EXCLUSIVE, body, f"adding the route to {to}")


def links(netlink: Netlink) -> Iterator[Link]:
    """All links of the socket's namespace."""
    for body in netlink.dump(Request(_GETLINK, 0, _LINK.pack(0, 0, 0, 0, 0), "listing links")):
        found = attributes_of(body, _LINK.size)
        mtu = struct.unpack("I", found[_IFLA_MTU])[0]
        yield Link(_LINK.unpack_from(body)[2], found[_IFLA_IFNAME].rstrip(b"\0").decode(), mtu)


def routes(netlink: Netlink) -> Iterator[Route]:
    """All IPv4 routes of all tables of the socket's namespace, those to its own addresses included."""
    request = Request(_GETROUTE, 0, _ROUTE.pack(_IPV4, 0, 0, 0, 0, 0, 0, 0, 0), "listing routes")
    for body in netlink.dump(request):
        family, length, _, _, table, *_ = _ROUTE.unpack_from(body)
        if family != _IPV4:
            continue
        found = attributes_of(body, _ROUTE.size)
        to = IPv4Network((found.get(_RTA_DST, bytes(4)), length))
        link = struct.unpack("I", found[_RTA_OIF])[0] if _RTA_OIF in found else 0
        yield Route(to, link, struct.unpack("I", found[_RTA_TABLE])[0] if _RTA_TABLE in found else table)
