"""Packet rules as values, and their telling to the kernel's nf_tables over Netlink.

A `Table` is put in place whole or not at all. It is made with the owner flag: the kernel removes it when the socket
that made it is closed, however the server ends, and nobody's `flush ruleset` takes it away meanwhile. That flag is
Linux 5.12's, the oldest the full rung runs on anyway. Numbers are those of linux/netfilter/nf_tables.h, big-endian.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network

from bulb.sandbox.netlink import APPEND, CREATE, EXCLUSIVE, Netlink, Request, attribute, attributes_of, nested, text

INET = 1
_ANY_FAMILY = 0
_SUBSYSTEM = 10
_BATCH_BEGIN, _BATCH_END = 16, 17
_NEWTABLE, _NEWCHAIN, _GETCHAIN, _NEWRULE = (_SUBSYSTEM << 8 | kind for kind in (0, 3, 4, 6))
_TABLE_NAME, _TABLE_FLAGS, _OWNER = 1, 2, 2
_CHAIN_TABLE, _CHAIN_NAME, _CHAIN_HOOK, _CHAIN_POLICY, _CHAIN_TYPE = 1, 3, 4, 5, 7
_HOOK_NUMBER, _HOOK_PRIORITY = 1, 2
_RULE_TABLE, _RULE_CHAIN, _RULE_EXPRESSIONS = 1, 2, 4
_LIST_ELEMENT, _EXPRESSION_NAME, _EXPRESSION_DATA = 1, 1, 2
_REGISTER, _VERDICT_REGISTER = 1, 0
_EQUAL, _NOT_EQUAL = 0, 1
_NETWORK_HEADER, _TRANSPORT_HEADER = 1, 2
_DESTINATION, _DESTINATION_PORT, _SOURCE = 16, 2, 12
_IFNAMSIZ = 16

Expression = bytes


class Hook(IntEnum):
    """Where packets pass."""

    BEFORE_ROUTING = 0
    IN = 1
    FORWARD = 2
    AFTER_ROUTING = 4


class Policy(IntEnum):
    """What becomes of packets no rule decided."""

    DROP = 0
    ACCEPT = 1


@dataclass(frozen=True, slots=True)
class Chain:
    """Rules at a hook, each a list of expressions that must all hold up to a verdict. Lower `priority` is earlier."""

    name: str
    hook: Hook
    priority: int
    rules: tuple[tuple[Expression, ...], ...]
    policy: Policy = Policy.ACCEPT
    kind: str = "filter"


@dataclass(frozen=True, slots=True)
class Table:
    """Chains for IPv4 and IPv6 alike."""

    name: str
    chains: tuple[Chain, ...]


@dataclass(frozen=True, slots=True)
class ForeignChain:
    """Somebody's chain that drops what its rules do not allow."""

    table: str
    name: str


def _big(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack(">I", value & 0xFFFFFFFF))


def _expression(name: str, *attributes: bytes) -> Expression:
    return nested(_LIST_ELEMENT, text(_EXPRESSION_NAME, name), nested(_EXPRESSION_DATA, *attributes))


def _data(kind: int, value: bytes) -> bytes:
    return nested(kind, attribute(1, value))


def _compare(value: bytes, operation: int = _EQUAL) -> Expression:
    return _expression("cmp", _big(1, _REGISTER), _big(2, operation), _data(3, value))


def _masked(mask: bytes) -> Expression:
    length = len(mask)
    sizes = (_big(1, _REGISTER), _big(2, _REGISTER), _big(3, length))
    return _expression("bitwise", *sizes, _data(4, mask), _data(5, bytes(length)))


def _meta(key: int) -> Expression:
    return _expression("meta", _big(1, _REGISTER), _big(2, key))


def _payload(base: int, offset: int, length: int) -> Expression:
    return _expression("payload", _big(1, _REGISTER), _big(2, base), _big(3, offset), _big(4, length))


def _link_name(name: str) -> bytes:
    return name.encode().ljust(_IFNAMSIZ, b"\0")


def came_by(link: str) -> tuple[Expression, ...]:
    """The packet came in by this link."""
    return _meta(6), _compare(_link_name(link))


def goes_by(link: str) -> tuple[Expression, ...]:
    """The packet is to go out by this link."""
    return _meta(7), _compare(_link_name(link))


def goes_not_by(link: str) -> tuple[Expression, ...]:
    """The packet is to go out by another link, or by none."""
    return _meta(7), _compare(_link_name(link), _NOT_EQUAL)


def is_ipv4() -> tuple[Expression, ...]:
    """It is IPv4; must hold before an address is looked at."""
    return _meta(15), _compare(bytes([2]))


def _address_in(network: IPv4Network, offset: int) -> tuple[Expression, ...]:
    load = (*is_ipv4(), _payload(_NETWORK_HEADER, offset, 4))
    return *load, _masked(network.netmask.packed), _compare(network.network_address.packed)


def is_for(network: IPv4Network | IPv4Address) -> tuple[Expression, ...]:
    """Its destination lies in `network`."""
    return _address_in(IPv4Network(network), _DESTINATION)


def is_from(network: IPv4Network) -> tuple[Expression, ...]:
    """Its source lies in `network`."""
    return _address_in(network, _SOURCE)


def is_for_port(protocol: int, port: int) -> tuple[Expression, ...]:
    """It is of this protocol, TCP or UDP, and for this port."""
    return (
        _meta(16),
        _compare(bytes([protocol])),
        _payload(_TRANSPORT_HEADER, _DESTINATION_PORT, 2),
        _compare(struct.pack(">H", port)),
    )


def is_for_this_machine() -> tuple[Expression, ...]:
    """Its destination is one of this namespace's own addresses, whichever link that is on."""
    destination, address_type, local = 2, 3, 2
    return (
        _expression("fib", _big(1, _REGISTER), _big(2, address_type), _big(3, destination)),
        _compare(struct.pack("I", local)),
    )


_CT_STATE, _CT_STATUS = 0, 2
_KNOWN, _NEW, _REDIRECTED = 0x2 | 0x4, 0x8, 0x20


def _tracked(key: int, bits: int, operation: int) -> tuple[Expression, ...]:
    load = _expression("ct", _big(1, _REGISTER), _big(2, key))
    return load, _masked(struct.pack("I", bits)), _compare(bytes(4), operation)


def answers() -> tuple[Expression, ...]:
    """It belongs to a connection that already is, or is about one."""
    return _tracked(_CT_STATE, _KNOWN, _NOT_EQUAL)


def begins() -> tuple[Expression, ...]:
    """It is the first of a connection."""
    return _tracked(_CT_STATE, _NEW, _NOT_EQUAL)


def was_not_redirected() -> tuple[Expression, ...]:
    """No rule of the machine gave it another destination."""
    return _tracked(_CT_STATUS, _REDIRECTED, _EQUAL)


def verdict(policy: Policy) -> tuple[Expression, ...]:
    """The end of a rule."""
    return (_expression("immediate", _big(1, _VERDICT_REGISTER), nested(2, nested(2, _big(1, policy)))),)


def masquerade() -> tuple[Expression, ...]:
    """The end of a rule: let the connection go out under this machine's address."""
    return (_expression("masq"),)


def put_in_place(netlink: Netlink, table: Table) -> None:
    """Make `table`, owned by the socket `netlink`. Raises OSError, having changed nothing."""
    family = struct.pack(">BBH", INET, 0, 0)
    name = text(_TABLE_NAME, table.name)
    about = f"the packet rules {table.name}"
    requests = [Request(_NEWTABLE, CREATE | EXCLUSIVE, family + name + _big(_TABLE_FLAGS, _OWNER), about)]
    for chain in table.chains:
        requests.append(Request(_NEWCHAIN, CREATE | EXCLUSIVE, family + _chain(table.name, chain), about))
        for rule in chain.rules:
            body = text(_RULE_TABLE, table.name) + text(_RULE_CHAIN, chain.name) + nested(_RULE_EXPRESSIONS, *rule)
            requests.append(Request(_NEWRULE, CREATE | APPEND, family + body, f"{about}, chain {chain.name}"))
    batch = struct.pack(">BBH", _ANY_FAMILY, 0, _SUBSYSTEM)
    netlink.send_batch(Request(_BATCH_BEGIN, 0, batch, about), requests, Request(_BATCH_END, 0, batch, about))


def _chain(table: str, chain: Chain) -> bytes:
    hook = nested(_CHAIN_HOOK, _big(_HOOK_NUMBER, chain.hook), _big(_HOOK_PRIORITY, chain.priority))
    names = text(_CHAIN_TABLE, table) + text(_CHAIN_NAME, chain.name)
    return names + hook + _big(_CHAIN_POLICY, chain.policy) + text(_CHAIN_TYPE, chain.kind)


def closed_forwarders(netlink: Netlink) -> Iterator[ForeignChain]:
    """The IPv4 chains of this machine's firewall that drop forwarded packets unless a rule of theirs allows them."""
    for body in netlink.dump(Request(_GETCHAIN, 0, struct.pack(">BBH", _ANY_FAMILY, 0, 0), "listing packet rules")):
        found = attributes_of(body, 4)
        if body[0] not in (INET, 2) or _CHAIN_HOOK not in found or _CHAIN_POLICY not in found:
            continue
        hook = struct.unpack(">I", attributes_of(found[_CHAIN_HOOK], 0)[_HOOK_NUMBER])[0]
        policy = struct.unpack(">I", found[_CHAIN_POLICY])[0]
        if hook == Hook.FORWARD and policy == Policy.DROP:
            yield ForeignChain(_string(found[_CHAIN_TABLE]), _string(found[_CHAIN_NAME]))


def _string(value: bytes) -> str:
    return value.rstrip(b"\0").decode()
