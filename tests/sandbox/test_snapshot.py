"""Templates: a process that ran a function's init is forked into sandboxes of their own."""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop

from bulb.sandbox import snapshot
from bulb.sandbox.host import Sandbox, SandboxHost, Template
from bulb.sandbox.model import Code, Limits
from tests.sandbox.asking import answer
from tests.sandbox.support import (
    SMALL,
    ask,
    code_at,
    greet,
    log_of,
    on_host,
    processes_of,
    python_image,
    refused,
    root_only,
    tell,
)
from tests.support.heldup import TIME_S, held_up

pytestmark = root_only

Body = Callable[[SandboxHost, Template], Awaitable[None]]


def with_template(directory: Path, init: str, body: Body) -> None:
    async def main(host: SandboxHost) -> None:
        template = await host.start_template(python_image(), SMALL, Code(code_at(directory / "code")))
        try:
            await greet(template.sandbox)
            await ask(template.sandbox, init)
            await tell(template.sandbox, "restorer.wait()")
            await asyncio.sleep(0.05)
            template.freeze()
            await body(host, template)
        finally:
            await template.close()

    on_host(directory, main)


async def restored(host: SandboxHost, template: Template, limits: Limits = SMALL) -> Sandbox:
    sandbox = await host.restore(template, limits)
    await answer(sandbox)
    return sandbox


def test_forks_begin_with_what_init_made_and_share_nothing_after(tmp_path: Path) -> None:
    async def body(host: SandboxHost, template: Template) -> None:
        one, other = await restored(host, template), await restored(host, template)
        assert await ask(one, "answer = state, open('/tmp/made').read()") == ([1], "by init")
        await ask(one, "state.append(2); open('/tmp/mine', 'w').write('x'); open('/tmp/made', 'w').write('changed')")
        assert await ask(other, "import os; answer = state, sorted(os.listdir('/tmp'))") == ([1], ["made"])
        assert await ask(other, "answer = open('/tmp/made').read(), os.getcwd(), os.getpid()") == (
            "by init",
            "/var/task",
            1,
        )
        assert await ask(other, "answer = open('app.py').read()") == "value = 42\n"
        await one.close()
        assert await ask(other, "answer = 1") == 1
        await other.close()

    with_template(tmp_path, "state = [1]; open('/tmp/made', 'w').write('by init')", body)


def test_forks_are_locked(tmp_path: Path) -> None:
    async def body(host: SandboxHost, template: Template) -> None:
        fork = await restored(host, template)
        status = await ask(fork, "answer = open('/proc/self/status').read()")
        values = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(values[name], 16) == 0, name
        assert (values["NoNewPrivs"], values["Seccomp"]) == ("1", "2")
        libc = "import ctypes; libc = ctypes.CDLL(None, use_errno=True)"
        calls = ("libc.unshare(0x38020000)", "libc.unshare(0x10000000)", "libc.syscall(429, 0, 0, 0, 0, 0)")
        for call in calls:
            assert await ask(fork, f"{libc}; answer = ({call}, ctypes.get_errno())") == (-1, 1), call
        assert "[Errno 30]" in await refused(fork, "open('/var/task/x', 'w')")
        assert await ask(fork, "import resource; answer = resource.getrlimit(resource.RLIMIT_NPROC)") == (1024, 1024)
        assert (await ask(fork, "import os; answer = sorted(os.listdir('/proc/self/fd'))"))[:5] == [
            "0",
            "1",
            "2",
            "3",
            "4",
        ]
        await fork.close()

    with_template(tmp_path, "pass", body)


def test_what_a_template_may_leave_for_gives_it_nothing(tmp_path: Path) -> None:
    """Init code may make the forks' namespaces itself; it can mount nothing there, and no others are to be had."""
    source = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def errno_of(result):
    return ctypes.get_errno() if result < 0 else 0
readable, writable = os.pipe()
if os.fork() == 0:
    left = errno_of(libc.unshare(0x38020000))
    others = [errno_of(libc.unshare(flags)) for flags in (0x10000000, 0x20000, 0x40000000, 0x78020000)]
    mounts = [
        errno_of(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)),
        errno_of(libc.umount2(b"/tmp", 2)),
        errno_of(libc.syscall(430, b"tmpfs", 0)),
        errno_of(libc.syscall(428, -100, b"/tmp", 1)),
        errno_of(libc.setns(0, 0)),
    ]
    os.write(writable, repr((left, others, mounts)).encode())
    os._exit(0)
os.wait()
seen = eval(os.read(readable, 1000))
"""

    async def body(host: SandboxHost, template: Template) -> None:
        fork = await restored(host, template)
        left, others, mounts = await ask(fork, "answer = seen")
        assert left == 0
        assert others == [1, 1, 1, 1]
        assert all(error in (1, 38) for error in mounts), mounts
        await fork.close()

    with_template(tmp_path, source, body)


def test_limits_are_each_forks_own(tmp_path: Path) -> None:
    async def body(host: SandboxHost, template: Template) -> None:
        greedy, modest = await restored(host, template), await restored(host, template)
        await tell(greedy, "held = bytearray(b'x') * (400 << 20); import time; time.sleep(20)")
        ended = await asyncio.wait_for(asyncio.shield(greedy.exited), 20)
        assert (ended.signal, ended.oom) == (9, True)
        assert await ask(modest, "answer = 1") == 1
        await greedy.restart()
        await answer(greedy)
        assert await ask(greedy, "answer = state") == [1]
        await greedy.close()
        await modest.close()

    with_template(tmp_path, "state = [1]", body)


def test_everything_a_fork_started_ends_with_it_and_its_log_is_its_own(tmp_path: Path) -> None:
    async def body(host: SandboxHost, template: Template) -> None:
        fork, other = await restored(host, template), await restored(host, template)
        await ask(fork, "import os, time; print('from a fork', flush=True); os.fork() or (os.setsid(), time.sleep(60))")
        assert log_of(fork) == b"from a fork\n"
        assert log_of(other) == b""
        # The template, and for each fork the process, the one that stands by, and what it started.
        assert len(processes_of(template.cell.uid)) == 1 + 2 + 2 + 1
        await fork.close()
        assert len(processes_of(template.cell.uid)) == 1 + 2
        assert await ask(other, "answer = 1") == 1
        await tell(other, "import os; os._exit(7)")
        assert (await asyncio.wait_for(asyncio.shield(other.exited), 5)).status == 7
        await other.close()

    with_template(tmp_path, "pass", body)


def test_the_end_of_the_template_is_the_end_of_its_forks(tmp_path: Path) -> None:
    async def body(host: SandboxHost, template: Template) -> None:
        fork = await restored(host, template)
        await template.close()
        assert (await asyncio.wait_for(asyncio.shield(fork.exited), 5)).signal == 9
        await fork.close()

    with_template(tmp_path, "pass", body)


def test_a_fork_takes_milliseconds(tmp_path: Path) -> None:
    async def body(host: SandboxHost, template: Template) -> None:
        took = []
        for _ in range(10):
            began = time.perf_counter()
            fork = await restored(host, template)
            took.append(time.perf_counter() - began)
            await fork.close()
        print("restore, ms:", *(round(seconds * 1000, 1) for seconds in sorted(took)))
        assert min(took) < 0.5

    with_template(tmp_path, "import json, decimal; big = list(range(100_000))", body)


def test_a_fork_that_was_born_in_time_is_not_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the server was held up before it heard of it."""
    monkeypatch.setattr(snapshot, "_BORN_WITHIN_S", TIME_S)
    told: list[object] = []
    process: Any = SimpleNamespace(born=told.append, failed=told.append, ended=lambda _: None)

    async def main() -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        snapshot._Fork(ours, [], 0, process, lambda: None, lambda: None)
        with theirs, held_up(lambda: theirs.send(b"born")):
            await asyncio.sleep(2 * TIME_S)
        await asyncio.sleep(0.05)

    uvloop.run(main())
    assert told == [os.getpid()]
