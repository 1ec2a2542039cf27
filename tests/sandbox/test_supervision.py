"""Several processes in one sandbox, started and watched by a supervisor: the same on every rung."""

import asyncio
import contextlib
import errno
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bulb.sandbox.host import RUNTIME, LaunchError, Sandbox, SandboxHost
from bulb.sandbox.model import Code, Image, Rung, SandboxError
from tests.sandbox.support import SMALL, ask, code_at, greet, log_of, node_image, on_host, python_image, running, tell

every = pytest.mark.parametrize(
    "rung",
    [
        pytest.param(Rung.FULL, marks=pytest.mark.skipif(os.geteuid() != 0, reason="the full rung needs root")),
        Rung.USERNS,
        Rung.PLAIN,
    ],
)
PATHS = {"PATH": "/usr/bin:/bin"}


@asynccontextmanager
async def supervised(host: SandboxHost, image: Image, code: Path) -> AsyncIterator[Sandbox]:
    """A sandbox in which nothing has been started yet."""
    sandbox = await host.start(image, SMALL, Code(code), supervised=True)
    try:
        yield sandbox
    finally:
        await sandbox.close()


def script(code: Path, name: str, body: str, mode: int = 0o755) -> None:
    """An executable of the function."""
    (code / name).write_text(body)
    (code / name).chmod(mode)


async def written(descriptor: int, ending: bytes) -> bytes:
    """What is read from a log pipe up to `ending`."""
    data = b""
    async with asyncio.timeout(30):
        while not data.endswith(ending):
            with contextlib.suppress(BlockingIOError):
                data += os.read(descriptor, 65_536)
            await asyncio.sleep(0.005)
    return data


@every
def test_a_forking_image_runs_beside_a_program_and_each_end_is_told(tmp_path: Path, rung: Rung) -> None:
    async def body(host: SandboxHost) -> None:
        code = code_at(tmp_path / "code")
        script(code, "helper", '#!/bin/sh\necho "$NAME here" >&2\nread line < /dev/null\nexec sleep 100\n')
        async with supervised(host, python_image(), code) as sandbox:
            helper = await sandbox.spawn("helper", [["/var/task/helper"]], {**PATHS, "NAME": "it"}, output="extension")
            runtime = await sandbox.spawn(RUNTIME, [], {}, keeps=(3, 4))
            await greet(sandbox)
            assert await ask(sandbox, "import os; answer = sorted(os.listdir('.'))") == ["app.py", "helper"]
            await ask(sandbox, "os.write(1, b'out\\n'); os.write(4, b'frame\\n')")
            assert await written(sandbox.extension_log, b"here\n") == b"it here\n"
            assert log_of(sandbox) == b"out\nframe\n"
            helper.signal(signal.SIGTERM)
            assert (await asyncio.wait_for(helper.exited, 20)).signal == signal.SIGTERM
            assert not runtime.exited.done()
            await tell(sandbox, "os._exit(7)")
            assert (await asyncio.wait_for(asyncio.shield(sandbox.runtime_exited), 20)).status == 7
            assert not sandbox.exited.done()
            assert set(sandbox.processes) == {"helper", "runtime"}

    on_host(tmp_path, body, rung)


@every
def test_what_cannot_be_started_says_why(tmp_path: Path, rung: Rung) -> None:
    async def body(host: SandboxHost) -> None:
        code = code_at(tmp_path / "code")
        script(code, "closed", "#!/bin/sh\n", 0o644)
        script(code, "alien", "not a program")
        async with supervised(host, python_image(), code) as sandbox:
            for name, number in (("missing", errno.ENOENT), ("closed", errno.EACCES), ("alien", errno.ENOEXEC)):
                with pytest.raises(LaunchError) as refused:
                    await sandbox.spawn(name, [[f"/var/task/{name}"], ["/opt/nothing"]], PATHS)
                assert refused.value.number == number
                found = None if name == "missing" else sandbox.place(f"/var/task/{name}")
                assert refused.value.program == found
            assert not sandbox.processes
            ended = await sandbox.spawn("sh", [["/var/task/missing"], ["/bin/sh", "-c", "exit 3"]], PATHS)
            assert (await asyncio.wait_for(ended.exited, 20)).status == 3

    on_host(tmp_path, body, rung)


@every
def test_a_port_inside_can_be_reached(tmp_path: Path, rung: Rung) -> None:
    async def body(host: SandboxHost) -> None:
        async with supervised(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            await sandbox.spawn(RUNTIME, [], {}, keeps=(3, 4))
            await greet(sandbox)
            port = await ask(
                sandbox, "import socket; s = socket.create_server(('127.0.0.1', 0)); answer = s.getsockname()[1]"
            )
            connection = await sandbox.connect(port)
            await ask(sandbox, "a, _ = s.accept(); a.sendall(b'hello'); a.close(); s.close()")
            assert await asyncio.get_running_loop().sock_recv(connection, 100) == b"hello"
            connection.close()
            with pytest.raises(ConnectionRefusedError):
                await sandbox.connect(port)

    on_host(tmp_path, body, rung)


@every
def test_a_port_inside_can_be_reached_without_a_supervisor_where_the_server_may_enter(
    tmp_path: Path, rung: Rung
) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            port = await ask(
                sandbox, "import socket; s = socket.create_server(('127.0.0.1', 0)); answer = s.getsockname()[1]"
            )
            if rung is Rung.USERNS:
                with pytest.raises(SandboxError):
                    await sandbox.connect(port)
                return
            connection = await sandbox.connect(port)
            await ask(sandbox, "a, _ = s.accept(); a.sendall(b'hello'); a.close(); s.close()")
            assert await asyncio.get_running_loop().sock_recv(connection, 100) == b"hello"
            connection.close()
            with pytest.raises(ConnectionRefusedError):
                await sandbox.connect(port)

    on_host(tmp_path, body, rung)


@every
def test_a_restart_begins_with_a_supervisor_again(tmp_path: Path, rung: Rung) -> None:
    async def body(host: SandboxHost) -> None:
        async with supervised(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            directory = sandbox.variables.get("TMPDIR", "/tmp")
            before = await sandbox.spawn(RUNTIME, [], {}, keeps=(3, 4))
            await greet(sandbox)
            await ask(sandbox, f"open({directory!r} + '/kept', 'w')")
            await sandbox.restart()
            assert before.exited.done()
            assert not sandbox.processes
            await sandbox.spawn(RUNTIME, [], {}, keeps=(3, 4))
            await greet(sandbox)
            assert await ask(sandbox, f"import os; answer = os.listdir({directory!r})") == ["kept"]

    on_host(tmp_path, body, rung)


@every
def test_node_runs_under_a_supervisor(tmp_path: Path, rung: Rung) -> None:
    async def body(host: SandboxHost) -> None:
        image = node_image()
        async with supervised(host, image, code_at(tmp_path / "code")) as sandbox:
            await sandbox.spawn(RUNTIME, [image.command], image.environment, keeps=(3, 4))
            await greet(sandbox)
            sandbox.kill_now()
            assert (await asyncio.wait_for(asyncio.shield(sandbox.runtime_exited), 20)).signal == signal.SIGKILL

    on_host(tmp_path, body, rung)


@every
def test_nothing_of_the_supervisor_is_inherited_and_orphans_are_reaped(tmp_path: Path, rung: Rung) -> None:
    async def body(host: SandboxHost) -> None:
        async with supervised(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            await sandbox.spawn(RUNTIME, [], {}, keeps=(3, 4))
            await greet(sandbox)
            open_now = "[int(n) for n in __import__('os').listdir('/proc/self/fd')]"
            assert set(await ask(sandbox, f"answer = {open_now}")) <= {0, 1, 2, 3, 4, 5}
            listed = await sandbox.spawn("ls", [["/bin/sh", "-c", "ls /proc/self/fd; (exit 0) & exit 0"]], PATHS)
            await asyncio.wait_for(listed.exited, 20)
            assert set(log_of(sandbox).split()) <= {b"0", b"1", b"2", b"3"}
            if rung is not Rung.PLAIN:
                for act in ("os.kill(1, 9)", "os.kill(1, 15)", "os.listdir('/proc/1/fd')", "open('/proc/1/mem', 'rb')"):
                    with contextlib.suppress(Exception):
                        await ask(sandbox, f"import os; {act}")
                assert await ask(sandbox, "answer = os.getppid()") == 1
                states = "[open(f'/proc/{p}/stat').read().split()[2] for p in os.listdir('/proc') if p.isdigit()]"
                for _ in range(500):
                    if "Z" not in (found := await ask(sandbox, f"answer = {states}")):
                        break
                    await asyncio.sleep(0.01)
                assert "Z" not in found

    on_host(tmp_path, body, rung)
