"""Claiming, restarting, freezing, ending: the life of sandboxes on the full rung."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bulb.sandbox.host import SandboxHost
from bulb.sandbox.model import Code, Image, Limits, SandboxError
from tests.sandbox.support import (
    SMALL,
    ask,
    cgroups_of,
    code_at,
    greet,
    log_of,
    node_image,
    on_host,
    processes_of,
    python_image,
    refused,
    root_only,
    running,
    tell,
)

pytestmark = root_only


def test_a_claimed_blank_has_the_function_and_its_limits(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        code, took = Code(code_at(tmp_path / "code"), code_at(tmp_path / "opt")), []
        for _ in range(3):
            sandbox = await host.start_blank(python_image())
            await greet(sandbox)
            assert await ask(sandbox, "import os; answer = os.listdir('/var/task')") == []
            began = time.perf_counter()
            await sandbox.claim(Limits(memory_mb=256, tmp_mb=1024), code)
            took.append(time.perf_counter() - began)
            if len(took) < 3:
                await sandbox.close()
        assert min(took) < 0.1, took
        os_view = "answer = os.listdir('/var/task'), os.listdir('/opt'), os.statvfs('/tmp').f_blocks * 4096 >> 20"
        assert await ask(sandbox, os_view) == (["app.py"], ["app.py"], 1024)
        assert "[Errno 30]" in await refused(sandbox, "open('/var/task/x', 'w')")
        await ask(sandbox, "held = bytearray(150 << 20)")
        await sandbox.close()

    on_host(tmp_path, body)


# A server that has just as many descriptors that a zygote gets the number it would give its socket itself.
CROWDED = """
import os, pathlib, socket, sys
from tests.sandbox.support import code_at, on_host, python_image, running, ask

def crowded(*given):
    ours, theirs = pair(*given)
    os.dup2(theirs.fileno(), 200)
    theirs.close()
    return ours, socket.socket(fileno=200)

async def body(host):
    async with running(host, python_image(), code_at(folder / "code")) as sandbox:
        print(await ask(sandbox, "answer = 6 * 7"))

pair, socket.socketpair, folder = socket.socketpair, crowded, pathlib.Path(sys.argv[1])
on_host(folder, body)
"""


def test_whatever_number_the_socket_of_a_zygote_has(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CROWDED, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "42\n", done.stderr[-2000:]


def test_a_restart_keeps_tmp_and_nothing_else(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            await ask(
                sandbox, "import os; open('/tmp/kept', 'w').write('x'); os.fork() or __import__('time').sleep(60)"
            )
            pid, uid = sandbox.pid, await ask(sandbox, "answer = os.getuid()")
            await sandbox.restart()
            await greet(sandbox)
            assert await sandbox.born() != pid  # the process may answer before its pid is known here
            assert processes_of(uid) == [sandbox.pid]
            assert await ask(sandbox, "import os; answer = os.listdir('/tmp'), os.listdir('/var/task')") == (
                ["kept"],
                ["app.py"],
            )
            connect = "import socket; answer = socket.socket().connect_ex(('127.0.0.1', 9001))"
            assert await ask(sandbox, connect) == 0
            await tell(sandbox, "held = bytearray(400 << 20)")
            assert (await asyncio.wait_for(asyncio.shield(sandbox.exited), 20)).oom

    on_host(tmp_path, body)


def test_nothing_survives_a_kill(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            daemon = """
import os, signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    time.sleep(60)
os.wait()
answer = os.getuid()
"""
            uid = await ask(sandbox, daemon)
            assert len(processes_of(uid)) == 2
            await sandbox.terminate()
            assert await ask(sandbox, "answer = 1") == 1
            ended = await sandbox.kill()
            assert (ended.signal, ended.status, ended.oom) == (9, None, False)
            assert processes_of(uid) == []

    on_host(tmp_path, body)


def test_a_handler_of_sigterm_is_called(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            await ask(sandbox, "import signal, os; signal.signal(signal.SIGTERM, lambda *_: os._exit(7))")
            await sandbox.terminate()
            assert (await asyncio.wait_for(asyncio.shield(sandbox.exited), 20)).status == 7

    on_host(tmp_path, body)


def test_frozen_means_still_and_a_frozen_sandbox_can_be_killed(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            sandbox.freeze()
            await tell(sandbox, "answer = 5")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sandbox.api, 1), 0.1)
            sandbox.thaw()
            length = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sandbox.api, 6), 20)
            assert length.endswith(b"=5")
            sandbox.freeze()
            assert (await asyncio.wait_for(sandbox.kill(), 20)).signal == 9

    on_host(tmp_path, body)


def test_the_cpu_share_begins_after_init(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            groups = (path / sandbox.id / "cpu.cfs_quota_us" for path in cgroups_of(os.getpid()))
            quota = next(path for path in groups if path.exists())
            assert quota.read_text() == "-1\n"
            sandbox.end_init()
            assert quota.read_text() == f"{128 * 100_000 // 1769}\n"
            burn = """
import time
began, cpu = time.monotonic(), time.process_time()
while time.monotonic() - began < 0.6: pass
answer = (time.process_time() - cpu) / (time.monotonic() - began)
"""
            assert await ask(sandbox, burn) < 0.2

    on_host(tmp_path, body)


def test_output_and_frames_come_through_one_pipe(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            await ask(sandbox, "import os; os.write(1, b'out '); os.write(2, b'err '); os.write(4, b'frame')")
            assert log_of(sandbox) == b"out err frame"

    on_host(tmp_path, body)


def test_node_comes_from_stock(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        sandbox = await host.start_blank(node_image())
        await greet(sandbox)
        await sandbox.claim(SMALL, Code(code_at(tmp_path / "code")))
        source = """(await import('node:fs')).readdirSync('/var/task').concat(await new Promise((done) => {
            const thread = "require('worker_threads').parentPort.postMessage('thread')";
            import('node:worker_threads').then((m) => new m.Worker(thread, { eval: true }).on('message', done)) }))
            .concat([process.getuid() >= 1900000000, Object.keys(process.env).length, eval('1+1')])"""
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sandbox.api, " ".join(source.split()).encode() + b"\n")
        answer = json.loads(await asyncio.wait_for(loop.sock_recv(sandbox.api, 4096), 20))
        assert answer == {"answer": ["app.py", "thread", True, 2, 2]}
        await sandbox.close()

    on_host(tmp_path, body)


def test_a_zygote_that_cannot_start_says_why(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        good = python_image()
        broken = Image("broken", good.language, good.runtime, good.command, "probe:nothing", "probe:run", True, {})
        with pytest.raises(SandboxError, match="nothing"):
            await host.prepare(broken)
        missing = Image("missing", good.language, good.runtime, ("/var/lang/bin/none",), None, "probe:run", True, {})
        with pytest.raises(SandboxError, match="No such file"):
            await host.prepare(missing)

    on_host(tmp_path, body)


def test_a_dead_zygote_ends_its_sandboxes_and_is_replaced(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        image, code = python_image(), code_at(tmp_path / "code")
        async with running(host, image, code) as sandbox:
            uid = await ask(sandbox, "import os; answer = os.getuid()")
            os.kill(host.zygote_pid(image.name), signal.SIGKILL)
            ended = await asyncio.wait_for(asyncio.shield(sandbox.exited), 20)
            assert ended.failure is not None
            assert "died" in ended.failure
            for _ in range(1_000):
                if not processes_of(uid):
                    break
                await asyncio.sleep(0.01)
            assert processes_of(uid) == []
            async with running(host, image, code) as another:
                assert await ask(another, "answer = 1") == 1

    on_host(tmp_path, body)


def test_what_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        image = python_image()
        async with running(host, image, code_at(tmp_path / "code")):
            descriptors = _descriptors()
            groups = _groups(others)
            for _ in range(3):
                with pytest.raises(SandboxError, match="No such file"):
                    await host.start(image, SMALL, Code(tmp_path / "none"))
            assert _descriptors() <= descriptors + 2 * 32  # the pool of networks fills up meanwhile
            assert _groups(others) == groups

    others = cgroups_of(os.getpid())
    on_host(tmp_path, body)


def _groups(others: list[Path]) -> list[Path]:
    """One a sandbox and hierarchy. `others` belong to servers that other tests of this process keep."""
    ours = (path for path in cgroups_of(os.getpid()) if path not in others)
    return sorted(entry for path in ours for entry in path.iterdir() if entry.is_dir())


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_burst_of_200(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        image, code = python_image(), Code(code_at(tmp_path / "code"))
        await host.prepare(image)
        began = time.perf_counter()
        sandboxes = await asyncio.gather(*(host.start(image, SMALL, code) for _ in range(200)))
        await asyncio.gather(*(greet(sandbox, 60) for sandbox in sandboxes))
        assert time.perf_counter() - began < 30
        answers = await asyncio.gather(*(ask(sandbox, "import os; answer = os.getuid()") for sandbox in sandboxes))
        assert len(set(answers)) == 200
        descriptors = _descriptors()
        await asyncio.gather(*(sandbox.close() for sandbox in sandboxes))
        assert _descriptors() < descriptors - 200 * 4
        assert _groups(others) == []

    others = cgroups_of(os.getpid())
    on_host(tmp_path, body)
    assert cgroups_of(os.getpid()) == others
