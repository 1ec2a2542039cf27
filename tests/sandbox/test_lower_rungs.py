"""The rungs below the full one, as root and as an ordinary user: the same promises, as far as each can keep them."""

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from bulb.sandbox.host import SandboxHost
from bulb.sandbox.model import Code, Limits, Rung, SandboxError
from tests.sandbox.support import (
    SMALL,
    ask,
    code_at,
    greet,
    log_of,
    node_image,
    on_host,
    python_image,
    refused,
    root_only,
    running,
    tell,
)

_NOBODY = 65534
_SYSTEM_PYTHON = "/usr/bin/python3.11"
both = pytest.mark.parametrize("rung", [Rung.USERNS, Rung.PLAIN])


@both
def test_code_runs_and_output_comes_back(tmp_path: Path, rung: Rung) -> None:
    async def body(host: SandboxHost) -> None:
        assert host.rung is rung
        assert host.report().lacks
        async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            assert await ask(sandbox, "import os; answer = os.listdir('.')") == ["app.py"]
            await ask(sandbox, "os.write(1, b'out'); os.write(4, b'frame')")
            assert log_of(sandbox) == b"outframe"
            port = sandbox.runtime_api.rpartition(":")[2]
            await ask(sandbox, f"import socket; s = socket.create_connection(('127.0.0.1', {port}), 1)")
            assert sandbox.runtime_listener is not None
            accepted, _ = await asyncio.get_running_loop().sock_accept(sandbox.runtime_listener)
            accepted.close()
            await tell(sandbox, "os._exit(3)")
            assert (await asyncio.wait_for(asyncio.shield(sandbox.exited), 20)).status == 3

    on_host(tmp_path, body, rung)


@both
def test_a_restart_keeps_temporary_files(tmp_path: Path, rung: Rung) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            directory = sandbox.variables.get("TMPDIR", "/tmp")
            await ask(sandbox, f"open({directory!r} + '/kept', 'w')")
            await sandbox.restart()
            await greet(sandbox)
            assert await ask(sandbox, f"import os; answer = os.listdir({directory!r})") == ["kept"]

    on_host(tmp_path, body, rung)


@both
def test_a_memory_bomb_is_stopped(tmp_path: Path, rung: Rung) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            await tell(
                sandbox, "held = []\nwhile True: held.append(bytearray(1 << 20)); __import__('time').sleep(0.01)"
            )
            ended = await asyncio.wait_for(asyncio.shield(sandbox.exited), 20)
            assert (ended.oom, ended.signal) == (True, 9)
            assert sandbox.memory_peak() < 400 << 20

    on_host(tmp_path, body, rung)


@both
def test_shared_memory_counts_too_and_what_forks_share_counts_once(tmp_path: Path, rung: Rung) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            family = """
import os, time
held = b"x" * (70 << 20)
for _ in range(4):
    if os.fork() == 0:
        time.sleep(0.5)
        os._exit(0)
for _ in range(4): os.wait()
answer = "all lived"
"""
            assert await ask(sandbox, family) == "all lived"
            mapped = "m = __import__('mmap').mmap(-1, 200 << 20); m.write(bytes(200 << 20)); time.sleep(60)"
            await tell(sandbox, mapped)
            ended = await asyncio.wait_for(asyncio.shield(sandbox.exited), 20)
            assert (ended.oom, ended.signal) == (True, 9)

    on_host(tmp_path, body, rung)


@both
def test_double_forked_children_go_with_their_sandbox(tmp_path: Path, rung: Rung) -> None:
    marker = f"61.{os.getpid()}"

    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            daemon = f"""
import os, subprocess
if os.fork() == 0:
    os.setsid()
    subprocess.Popen(["/bin/sh", "-c", "sleep {marker}; :"])
    os._exit(0)
os.wait()
"""
            await ask(sandbox, daemon)
            assert _running(marker)
            await sandbox.kill()
            for _ in range(1_000):
                if not _running(marker):
                    break
                await asyncio.sleep(0.01)
            assert not _running(marker)

    on_host(tmp_path, body, rung)


def _running(marker: str) -> bool:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return re.search(rf"\bsleep {re.escape(marker)}(;|$)", listed, re.MULTILINE) is not None


@both
def test_blanks_can_be_claimed(tmp_path: Path, rung: Rung) -> None:
    async def body(host: SandboxHost) -> None:
        sandbox = await host.start_blank(python_image())
        code = code_at(tmp_path / "code")
        await sandbox.claim(Limits(256, 600), Code(code))
        await greet(sandbox)
        root = sandbox.variables.get("LAMBDA_TASK_ROOT", "/var/task")
        assert await ask(sandbox, f"import os; answer = os.listdir({root!r})") == ["app.py"]
        await sandbox.close()

    on_host(tmp_path, body, rung)


@both
def test_node_runs(tmp_path: Path, rung: Rung) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, node_image(), code_at(tmp_path / "code")) as sandbox:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(sandbox.api, b"process.cwd().length > 0\n")
            assert await asyncio.wait_for(loop.sock_recv(sandbox.api, 99), 20) == b'{"answer":true}\n'

    on_host(tmp_path, body, rung)


def test_the_plain_rung_leaves_nothing_in_the_code(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        code = code_at(tmp_path / "code")
        async with running(host, python_image(), code) as sandbox:
            again = "subprocess.run([sys.executable, '-c', 'import app'], env=os.environ, check=True)"
            await ask(sandbox, "import os, sys, subprocess; sys.path.insert(0, os.getcwd()); import app")
            await ask(sandbox, f"os.environ.update({dict(sandbox.variables)!r}); {again}")
        assert [path.name for path in code.iterdir()] == ["app.py"]

    on_host(tmp_path, body, Rung.PLAIN)


def test_that_root_has_no_process_limit_is_reported(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        report, limited = host.report(), os.geteuid() != 0
        assert ("process limit" in report.has) is limited
        assert any(lack.startswith("process limit") for lack in report.lacks) is not limited

    on_host(tmp_path, body, Rung.USERNS)


def test_a_user_namespace_isolates(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")

    async def body(host: SandboxHost) -> None:
        code = code_at(tmp_path / "code")
        async with running(host, python_image(), code) as sandbox, running(host, python_image(), code) as other:
            top = await ask(sandbox, "import os; answer = os.listdir('/')")
            assert {"home", "sys", "work"}.isdisjoint(top)
            for prefix in ("", "/.machine"):
                assert "FileNotFoundError" in await refused(sandbox, f"open({prefix + str(secret)!r})")
            assert await ask(sandbox, "answer = [p for p in os.listdir('/proc') if p.isdigit()]") == ["1"]
            for place in ("/", "/var/task", "/usr/bin"):
                assert "[Errno 30]" in await refused(sandbox, f"open('{place}/x', 'w')")
            status = await ask(
                sandbox, "answer = dict(l.split(':\\t') for l in open('/proc/self/status') if ':\\t' in l)"
            )
            assert all(int(status[name], 16) == 0 for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))
            assert status["Seccomp"].strip() == "2"
            await ask(sandbox, "open('/tmp/mine', 'w')")
            assert await ask(other, "import os; answer = os.listdir('/tmp')") == []
            fill = "with open('/tmp/a', 'wb', 0) as f:\n  for _ in range(600): f.write(bytes(1 << 20))"
            assert "No space left" in await refused(sandbox, fill) or sandbox.exited.done()

    on_host(tmp_path, body, Rung.USERNS)


@pytest.mark.skipif(os.geteuid() == 0, reason="is about an ordinary user")
def test_the_full_rung_is_refused_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="does not run as root"):
        asyncio.run(SandboxHost.open(tmp_path, Rung.FULL))
    host = asyncio.run(SandboxHost.open(tmp_path))
    assert "root" in host.report().reasons["full"]
    assert SMALL


@root_only
@pytest.mark.skipif(not Path(_SYSTEM_PYTHON).exists(), reason=f"no {_SYSTEM_PYTHON}")
@both
def test_an_ordinary_user(rung: Rung) -> None:
    """Everything again as a user who can read nothing of ours but the sources, copied."""
    # Not pytest's folder: that is closed to other users.
    with tempfile.TemporaryDirectory() as directory:
        done = _as_nobody(Path(directory), rung)
    threads = "49 threads\n" * 2 if rung is Rung.USERNS else ""
    assert done.stdout == f"{rung} answered 42\n{threads}", done.stderr


def _as_nobody(directory: Path, rung: Rung) -> subprocess.CompletedProcess[str]:
    directory.chmod(0o755)
    shutil.copytree(Path(__file__).parents[2] / "src", directory / "src")
    tests = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(__file__).parent, directory / "tests" / "sandbox", ignore=tests)
    (directory / "data").mkdir()
    os.chown(directory / "data", _NOBODY, _NOBODY)
    become = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
    return subprocess.run(
        [*become, _SYSTEM_PYTHON, "-m", "tests.sandbox.ordinary", "data", rung],
        cwd=directory,
        env={"PYTHONPATH": "src:.", "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
