"""Functions reach the outside world through NAT, and neither the machine, nor each other, nor the machine's secrets."""

import asyncio
import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from bulb.sandbox import links, netlink, packetrules, resolvers
from bulb.sandbox.cgroups import Cgroups
from bulb.sandbox.host import Sandbox, SandboxHost
from bulb.sandbox.links import Link, Route
from bulb.sandbox.model import Rung, SandboxError
from bulb.sandbox.nat import Egress
from bulb.sandbox.netlink import Netlink
from bulb.sandbox.packetrules import Chain, Hook, Policy, Table
from bulb.sandbox.router import ways_of
from tests.sandbox.support import ask, code_at, python_image, refused, running
from tests.sandbox.world import EVERYWHERE, INTERNET, MACHINE, World, in_world, needs_a_world, set_forwarding

pytestmark = needs_a_world

_CONNECT = "import socket; s = socket.create_connection(({0!r}, {1}), {2}); answer = s.recv(100).decode()"
_OWN_ADDRESS = (
    "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('203.0.113.1', 9)); "
    "answer = s.getsockname()[0]"
)
_LISTEN = "import socket; kept = socket.create_server(('0.0.0.0', 7000))"


def _greeting(listener: socket.socket) -> None:
    """Answer every connection with the address it came from, until the listener is closed."""

    def serve() -> None:
        while True:
            try:
                connection, peer = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(peer[0].encode())

    threading.Thread(target=serve, daemon=True).start()


@contextlib.contextmanager
def _serving(*listeners: socket.socket) -> Iterator[None]:
    for listener in listeners:
        _greeting(listener)
    try:
        yield
    finally:
        for listener in listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()


@contextlib.asynccontextmanager
async def _host(directory: Path, egress: Egress = "nat") -> AsyncIterator[SandboxHost]:
    host = await SandboxHost.open(directory, Rung.FULL, egress)
    try:
        async with asyncio.timeout(120):
            yield host
    finally:
        await host.close()


def _with_sandbox(
    directory: Path, body: Callable[[World, SandboxHost, Sandbox], Awaitable[None]], egress: Egress = "nat"
) -> None:
    async def main(world: World) -> None:
        async with (
            _host(directory, egress) as host,
            running(host, python_image(), code_at(directory / "code")) as sandbox,
        ):
            await body(world, host, sandbox)

    in_world(lambda world: asyncio.run(main(world)))


async def _closed(sandbox: Sandbox, address: object, port: int) -> bool:
    """Whether no connection comes about."""
    said = await refused(sandbox, f"import socket; socket.create_connection(({str(address)!r}, {port}), 0.4)")
    return said.startswith(("TimeoutError", "OSError", "ConnectionRefusedError"))


def test_tcp_reaches_out_under_the_machines_address(tmp_path: Path) -> None:
    async def body(world: World, host: SandboxHost, sandbox: Sandbox) -> None:
        with _serving(world.internet.listener("0.0.0.0", 80)):
            assert await ask(sandbox, _CONNECT.format(str(INTERNET), 80, 20)) == str(MACHINE)
        report = host.report()
        assert report.egress
        assert "forwarding switched on for eth0 while running" in report.egress_reason

    _with_sandbox(tmp_path, body)


def test_udp_reaches_out_and_back(tmp_path: Path) -> None:
    async def body(world: World, _host: SandboxHost, sandbox: Sandbox) -> None:
        with world.internet.datagrams("0.0.0.0", 9000) as far:
            await ask(
                sandbox,
                "import socket; u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(20); "
                f"u.sendto(b'ping', ('{INTERNET}', 9000))",
            )
            far.settimeout(20)
            data, peer = await asyncio.to_thread(far.recvfrom, 100)
            assert (data, peer[0]) == (b"ping", str(MACHINE))
            far.sendto(b"pong", peer)
            assert await ask(sandbox, "answer = u.recvfrom(100)") == (b"pong", (str(INTERNET), 9000))

    _with_sandbox(tmp_path, body)


def test_the_machine_cannot_be_reached_by_any_of_its_addresses(tmp_path: Path) -> None:
    async def body(world: World, _host: SandboxHost, sandbox: Sandbox) -> None:
        world.machine.has("198.51.100.7", links.LOOPBACK)
        beside = world.neighbour("10.20.0.10")
        with _serving(world.machine.listener("0.0.0.0", 8080), world.machine.listener("127.0.0.1", 8081)):
            for address in (str(MACHINE), "198.51.100.7", "10.20.0.11"):
                assert beside.reaches(address, 8080), "another machine reaches it: the test can fail"
                assert await _closed(sandbox, address, 8080)
            own = IPv4Address(await ask(sandbox, _OWN_ADDRESS))
            machine = IPv4Network((own, 18), strict=False)[1]
            assert await _closed(sandbox, machine, 8080)
            assert await _closed(sandbox, machine + 1, 8080), "the router"
            assert await _closed(sandbox, "127.0.0.1", 8081)

    _with_sandbox(tmp_path, body)


def test_what_the_machine_publishes_for_others_is_no_way_around(tmp_path: Path) -> None:
    async def body(world: World, _host: SandboxHost, sandbox: Sandbox) -> None:
        beside = world.neighbour("10.20.0.10")
        set_forwarding("lan51")  # as whoever publishes ports does
        redirect = (
            *packetrules.is_for(MACHINE),
            *packetrules.is_for_port(6, 8080),
            *_to_destination("10.20.0.10", 80),
        )
        with (
            Netlink(netlink.NETFILTER) as rules,
            _serving(beside.listener("0.0.0.0", 80)),
        ):
            published = Chain("published", Hook.BEFORE_ROUTING, -100, (redirect,), kind="nat")
            packetrules.put_in_place(rules, Table("published", (published,)))
            assert world.internet.reaches(str(MACHINE), 8080), "published ports stay published"
            assert await _closed(sandbox, MACHINE, 8080)

    _with_sandbox(tmp_path, body)


def _to_destination(address: str, port: int) -> tuple[bytes, ...]:
    """The end of a rule: change the destination."""

    def immediate(register: int, value: bytes) -> bytes:
        return packetrules._expression(
            "immediate", packetrules._big(1, register), netlink.nested(2, netlink.attribute(1, value))
        )

    numbers = (packetrules._big(1, 1), packetrules._big(2, 2), packetrules._big(3, 1), packetrules._big(5, 2))
    return (
        immediate(1, IPv4Address(address).packed),
        immediate(2, struct.pack(">H", port)),
        packetrules._expression("nat", *numbers),
    )


def test_functions_cannot_reach_each_other(tmp_path: Path) -> None:
    async def body(_world: World, host: SandboxHost, one: Sandbox) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code")) as other:
            sandboxes = (one, other)
            addresses = [await ask(sandbox, _OWN_ADDRESS) for sandbox in sandboxes]
            assert addresses[0] != addresses[1]
            for sandbox, own, others in zip(sandboxes, addresses, reversed(addresses), strict=True):
                await ask(sandbox, _LISTEN)
                await ask(sandbox, f"socket.create_connection(('{own}', 7000), 1)")
                assert await _closed(sandbox, others, 7000)
            for sandbox, others in zip(sandboxes, reversed(addresses), strict=True):
                assert await _closed(sandbox, others, 7000)

    _with_sandbox(tmp_path, body)


def test_nobody_begins_a_connection_to_a_function(tmp_path: Path) -> None:
    async def body(world: World, _host: SandboxHost, sandbox: Sandbox) -> None:
        own = await ask(sandbox, _OWN_ADDRESS)
        await ask(sandbox, _LISTEN)
        world.internet.ask(links.route(IPv4Network(f"{own}/32"), 2, MACHINE))
        assert not world.internet.reaches(own, 7000, 0.5)
        assert not world.machine.reaches(own, 7000, 0.5)

    _with_sandbox(tmp_path, body)


@pytest.mark.parametrize("address", ["169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200"])
def test_the_machines_credentials_are_out_of_reach(tmp_path: Path, address: str) -> None:
    async def body(world: World, _host: SandboxHost, sandbox: Sandbox) -> None:
        world.internet.has(address)
        with _serving(world.internet.listener("0.0.0.0", 80)):
            assert world.machine.reaches(address, 80), "the machine itself reaches it: the test can fail"
            assert await _closed(sandbox, address, 80)

    _with_sandbox(tmp_path, body)


def test_a_name_server_among_the_secrets_answers_names_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolvers, "reachable", lambda: (IPv4Address("169.254.169.254"),))

    async def body(world: World, _host: SandboxHost, sandbox: Sandbox) -> None:
        world.internet.has("169.254.169.254")
        resolv = await ask(sandbox, "answer = open('/etc/resolv.conf').read()")
        assert resolv == "nameserver 169.254.169.254\n"
        with (
            world.internet.datagrams("169.254.169.254", 53) as names,
            _serving(world.internet.listener("0.0.0.0", 53), world.internet.listener("0.0.0.0", 80)),
        ):
            answering = asyncio.create_task(asyncio.to_thread(_answer_names, names, "192.0.2.99", 1))
            assert await ask(
                sandbox, "import socket; answer = socket.getaddrinfo('bulb.example', 80, socket.AF_INET)[0][4]"
            ) == ("192.0.2.99", 80)
            await answering
            assert await ask(sandbox, _CONNECT.format("169.254.169.254", 53, 20)) == str(MACHINE)
            assert await _closed(sandbox, "169.254.169.254", 80)

    _with_sandbox(tmp_path, body)


def _answer_names(server: socket.socket, address: str, count: int) -> None:
    """Answer `count` questions for an IPv4 address."""
    server.settimeout(30)
    for _ in range(count):
        question, peer = server.recvfrom(512)
        end = question.index(b"\0", 12) + 5
        answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(address)
        server.sendto(question[:2] + b"\x81\x80\0\x01\0\x01\0\0\0\0" + question[12:end] + answer, peer)


def test_none_leaves_loopback_only(tmp_path: Path) -> None:
    async def body(world: World, host: SandboxHost, sandbox: Sandbox) -> None:
        with _serving(world.internet.listener("0.0.0.0", 80)):
            assert "Network is unreachable" in await refused(sandbox, _CONNECT.format(str(INTERNET), 80, 1))
        await ask(sandbox, "import socket; kept = socket.create_server(('127.0.0.1', 7000))")
        await ask(sandbox, "socket.create_connection(('127.0.0.1', 7000), 1)")
        assert (host.report().egress, host.report().egress_reason) == (False, "turned off")
        assert not world.forwards()

    _with_sandbox(tmp_path, body, "none")


def test_without_a_default_route_there_is_no_egress_and_a_reason(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        before = world.state()
        async with _host(tmp_path) as host, running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            assert await ask(sandbox, "answer = 6 * 7") == 42
            report = host.report()
            assert (report.egress, "no default route" in report.egress_reason) == (False, True)
            assert world.state() == before

    in_world(lambda world: asyncio.run(main(world)), default_route=False)


def test_the_machine_does_not_become_a_router_for_others(tmp_path: Path) -> None:
    async def body(world: World, _host: SandboxHost, _sandbox: Sandbox) -> None:
        beside = world.neighbour("10.20.0.10")
        set_forwarding("lan51")  # as if it had been there when the server started
        world.internet.ask(links.route(IPv4Network("10.20.0.0/24"), 2, MACHINE))
        with _serving(beside.listener("0.0.0.0", 80)):
            assert world.machine.reaches("10.20.0.10", 80)
            assert world.forwards()
            assert not world.internet.reaches("10.20.0.10", 80, 0.5)

    _with_sandbox(tmp_path, body)


def test_a_router_stays_one(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        set_forwarding()
        beside = world.neighbour("10.20.0.10")
        world.internet.ask(links.route(IPv4Network("10.20.0.0/24"), 2, MACHINE))
        async with _host(tmp_path) as host:
            assert "forwarding" not in host.report().egress_reason
            with _serving(beside.listener("0.0.0.0", 80)):
                assert world.internet.reaches("10.20.0.10", 80)
        assert world.forwards()

    in_world(lambda world: asyncio.run(main(world)))


def test_a_firewall_in_the_way_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        with Netlink(netlink.NETFILTER) as rules:
            table = Table("firewall", (Chain("FORWARD", Hook.FORWARD, 0, (), Policy.DROP),))
            packetrules.put_in_place(rules, table)
            async with _host(tmp_path) as host:
                assert "firewall FORWARD" in host.report().egress_reason

    in_world(lambda _world: asyncio.run(main()))


def test_nothing_is_left_after_close(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        before = world.state()
        async with _host(tmp_path) as host, running(host, python_image(), code_at(tmp_path / "code")):
            during = world.state()
            assert len(during[0] - before[0]) == 1, "one link, however many sandboxes"
            assert (during[2], during[3]) == (before[2] + 1, True)
        assert world.state() == before

    in_world(lambda world: asyncio.run(main(world)))


_SERVER = """
import asyncio, sys
from pathlib import Path
from bulb.sandbox.cgroups import Cgroups
from bulb.sandbox.host import SandboxHost
from bulb.sandbox.model import Code, Rung
from tests.sandbox.support import SMALL, code_at, greet, python_image

async def main():
    place = Path(sys.argv[1])
    host = await SandboxHost.open(place, Rung.FULL, "nat")
    sandbox = await host.start(python_image(), SMALL, Code(code_at(place / "code"), None))
    await greet(sandbox)
    print(host.report().egress, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_nothing_is_left_when_the_rung_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_name: str) -> Cgroups:
        raise PermissionError("no cgroups for you")

    monkeypatch.setattr(Cgroups, "open", refuse)

    async def main(world: World) -> None:
        before = world.state()
        with pytest.raises(SandboxError, match="no cgroups for you"):
            await SandboxHost.open(tmp_path, Rung.FULL, "nat")
        assert world.state() == before

    in_world(lambda world: asyncio.run(main(world)))


def test_nothing_is_left_after_a_kill(tmp_path: Path) -> None:
    def body(world: World) -> None:
        before = world.state()
        with _server(tmp_path) as server:
            assert world.state() != before
            os.kill(server.pid, signal.SIGKILL)
            server.wait()
        _wait_for(lambda: world.state() == before)

    in_world(body)


def test_a_dead_servers_switch_is_put_back_by_the_last(tmp_path: Path) -> None:
    """Its own janitor must not: another server is still in need of it."""

    async def main(world: World) -> None:
        before = world.state()
        with _server(tmp_path / "first") as server:
            async with _host(tmp_path / "second") as host:
                assert "switched on for eth0" in host.report().egress_reason
                with_both = world.links()
                os.kill(server.pid, signal.SIGKILL)
                server.wait()
                await asyncio.to_thread(_wait_for, lambda: len(world.links()) == len(with_both) - 1)
                async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
                    with _serving(world.internet.listener("0.0.0.0", 80)):
                        assert await ask(sandbox, _CONNECT.format(str(INTERNET), 80, 20)) == str(MACHINE)
                assert world.forwards()
        await asyncio.to_thread(_wait_for, lambda: world.state() == before)

    in_world(lambda world: asyncio.run(main(world)))


@contextlib.contextmanager
def _server(place: Path) -> Iterator[subprocess.Popen[str]]:
    """A server of its own in the machine, with one sandbox and egress."""
    place.mkdir(exist_ok=True)
    command = [sys.executable, "-c", _SERVER, str(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == "True\n"
            yield server
        finally:
            server.kill()


def _wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    """The kernel and the janitor do their part a moment later."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def test_two_servers_do_not_disturb_each_other(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        before = world.state()
        code = code_at(tmp_path / "code")
        async with _host(tmp_path / "one") as one, running(one, python_image(), code) as first:
            async with _host(tmp_path / "two") as two, running(two, python_image(), code) as second:
                with _serving(world.internet.listener("0.0.0.0", 80)):
                    for sandbox in (first, second):
                        assert await ask(sandbox, _CONNECT.format(str(INTERNET), 80, 20)) == str(MACHINE)
                addresses = [await ask(sandbox, _OWN_ADDRESS) for sandbox in (first, second)]
                for sandbox, others in ((first, addresses[1]), (second, addresses[0])):
                    await ask(sandbox, _LISTEN)
                    assert await _closed(sandbox, others, 7000)
                assert await _closed(first, addresses[1], 7000)
            with _serving(world.internet.listener("0.0.0.0", 81)):
                assert await ask(first, _CONNECT.format(str(INTERNET), 81, 20)) == str(MACHINE)
        assert world.state() == before

    in_world(lambda world: asyncio.run(main(world)))


def test_addresses_are_chosen_where_the_machine_has_no_routes() -> None:
    eth0 = Link(2, "eth0", 1400)
    default = Route(EVERYWHERE, 2, 254)
    assert ways_of([default], [eth0]).free[0] == IPv4Network("100.127.192.0/18")
    ways = ways_of([default, Route(IPv4Network("100.64.0.0/10"), 2, 52)], [eth0])
    assert ways.free[0] == IPv4Network("198.19.192.0/18")
    assert (ways.outward, ways.mtu) == (("eth0",), 1400)
    with pytest.raises(OSError, match="no address range is free"):
        ways_of([default, *(Route(IPv4Network(net), 2, 254) for net in ("100.64.0.0/10", "198.18.0.0/15"))], [eth0])
    with pytest.raises(OSError, match="no default route"):
        ways_of([Route(EVERYWHERE, 2, 52)], [eth0])


def test_name_servers_of_the_machine_itself_do_not_count(tmp_path: Path) -> None:
    stub, upstream = tmp_path / "stub", tmp_path / "upstream"
    stub.write_text("# local\nnameserver 127.0.0.53\nnameserver ::1\noptions edns0\n")
    upstream.write_text("nameserver 192.0.2.53\nnameserver 2001:db8::53\nnameserver 192.0.2.54\nsearch example\n")
    assert resolvers.reachable((stub, upstream)) == (IPv4Address("192.0.2.53"), IPv4Address("192.0.2.54"))
    assert resolvers.reachable((stub, tmp_path / "missing")) == ()
