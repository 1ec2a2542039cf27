"""Hostile code on the full rung: what it can see, reach, change and exhaust."""

import asyncio
import os
import shutil
import socket
from pathlib import Path

import PIL

from bulb.sandbox.host import SandboxHost
from bulb.sandbox.model import Limits
from tests.sandbox.support import (
    SMALL,
    ask,
    code_at,
    on_host,
    processes_of,
    python_image,
    refused,
    root_only,
    running,
    tell,
)

pytestmark = root_only

_PTRACE = "import ctypes, os; c = ctypes.CDLL(None, use_errno=True); "
_CALL = "r = c.syscall(*args); answer = (r, ctypes.get_errno())"


def test_it_sees_its_own_world_only(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    os.environ["HOST_TEST_SECRET"] = "leaked"

    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            top = await ask(sandbox, "import os; answer = sorted(os.listdir('/'))")
            assert {"home", "root_secret", "srv", "sys", "work", "mnt", "boot", ".bulb", "old"}.isdisjoint(top)
            assert await ask(sandbox, "answer = os.listdir('/root')") == []
            assert await ask(sandbox, "answer = os.path.exists('/usr/local')") is False
            assert "FileNotFoundError" in await refused(sandbox, f"open({str(secret)!r})")
            assert await ask(sandbox, "answer = [p for p in os.listdir('/proc') if p.isdigit()]") == ["1"]
            assert await ask(sandbox, "answer = os.getpid(), os.getppid()") == (1, 0)
            assert "leaked" not in await ask(sandbox, "answer = repr(os.environ)")
            assert await ask(sandbox, "answer = open('/var/task/app.py').read()") == "value = 42\n"
            assert await ask(sandbox, "answer = os.getcwd()") == "/var/task"
            assert await ask(sandbox, "import pwd; answer = pwd.getpwuid(os.getuid()).pw_name") == "sbx_user1051"
            assert await ask(sandbox, "answer = os.uname().nodename") != os.uname().nodename
            assert await ask(sandbox, "answer = sorted(os.listdir('/dev'))") == [
                "fd", "full", "null", "random", "stderr", "stdin", "stdout", "urandom", "zero",
            ]  # fmt: skip
            assert await ask(sandbox, "answer = sorted(map(int, os.listdir('/proc/self/fd')))[:5]") == [0, 1, 2, 3, 4]
            assert await ask(sandbox, "answer = open('/proc/keys').read(), open('/proc/cmdline').read()") == ("", "")

    on_host(tmp_path, body)


def test_it_has_no_privileges(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            status = await ask(
                sandbox, "answer = dict(l.split(':\\t') for l in open('/proc/self/status') if ':\\t' in l)"
            )
            assert all(int(status[name], 16) == 0 for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))
            assert (status["NoNewPrivs"].strip(), status["Seccomp"].strip()) == ("1", "2")
            assert int(status["Uid"].split()[0]) >= 1_900_000_000
            assert status["Groups"].strip() == ""
            await ask(sandbox, _PTRACE)
            for call, number, errno in (
                ("ptrace", "101, 16, 1, 0, 0", 1),
                ("mount", "165, b'none', b'/tmp', b'tmpfs', 0, 0", 1),
                ("unshare", "272, 0x10000000", 1),
                ("setns", "308, 0, 0", 1),
                ("bpf", "321, 0, 0, 0", 1),
                ("io_uring_setup", "425, 8, 0", 1),
                ("perf_event_open", "298, 0, 0, 0, 0, 0", 1),
                ("keyctl", "250, 0, 0", 1),
                ("clone with a user namespace", "56, 0x10000011, 0, 0, 0, 0", 1),
                ("clone3", "435, 0, 0", 38),
                ("a call newer than the list", "500", 38),
            ):
                assert await ask(sandbox, f"args = ({number},); {_CALL}") == (-1, errno), call
            assert "PermissionError" in await refused(sandbox, "os.setuid(0)")
            assert "PermissionError" in await refused(sandbox, "os.mknod('/tmp/sda', 0o60600, os.makedev(8, 0))")
            assert "Error" in await refused(sandbox, "import socket; socket.socket(17, 3)")
            raised = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))"
            assert "not allowed to raise" in await refused(sandbox, raised)
            assert await ask(sandbox, "answer = resource.getrlimit(resource.RLIMIT_NOFILE)") == (1024, 1024)

    on_host(tmp_path, body)


def test_only_tmp_is_writable(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code"), opt=code_at(tmp_path / "opt")) as sandbox:
            for place in ("/", "/var/task", "/opt", "/var/lang", "/var/runtime", "/usr/bin", "/etc"):
                assert "[Errno 30]" in await refused(sandbox, f"open('{place}/x', 'w')"), place
            assert "Error" in await refused(sandbox, "open('/proc/sys/kernel/hostname', 'w').write('x')")
            await ask(sandbox, "open('/tmp/x', 'w').write('x')")
            assert await ask(sandbox, "answer = open('/opt/app.py').read()") == "value = 42\n"

    on_host(tmp_path, body)


def test_it_reaches_nobody(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        code = code_at(tmp_path / "code")
        with listener:
            port = listener.getsockname()[1]
            async with running(host, python_image(), code) as one, running(host, python_image(), code) as two:
                connect = f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)"
                assert "Connection refused" in await refused(one, connect)
                away = "socket.create_connection(('192.0.2.1', 80), 1)"
                assert "unreachable" in await refused(one, away)
                await ask(one, "s = socket.create_server(('127.0.0.1', 7777)); open('/tmp/mine', 'w').write('x')")
                there = (
                    "import socket, os; answer = socket.socket().connect_ex(('127.0.0.1', 7777)), os.listdir('/tmp')"
                )
                assert await ask(two, there) == (111, [])
                uids = [await ask(sandbox, "import os; answer = os.getuid()") for sandbox in (one, two)]
                assert uids[0] != uids[1]

    on_host(tmp_path, body)


def test_both_ports_inside_are_answered_by_the_server(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            assert (sandbox.runtime_api, sandbox.endpoint) == ("127.0.0.1:9001", "127.0.0.1:4566")
            for listener, port in zip(sandbox.listeners, (9001, 4566), strict=True):
                assert listener is not None
                await ask(sandbox, f"import socket; s = socket.create_connection(('127.0.0.1', {port}), 1)")
                accepted, _ = await asyncio.get_running_loop().sock_accept(listener)
                with accepted:
                    accepted.sendall(b"hello")
                assert await ask(sandbox, "answer = s.recv(10)") == b"hello"

    on_host(tmp_path, body)


def test_a_fork_bomb_stays_inside(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        limits = Limits(memory_mb=512, tmp_mb=512, processes=100)
        async with running(host, python_image(), code_at(tmp_path / "code"), limits) as sandbox:
            bomb = """
import os, time
made = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        made += 1
except OSError as error:
    answer = made, error.errno
"""
            made, errno = await ask(sandbox, bomb)
            assert (made, errno) == (99, 11)
            uid = await ask(sandbox, "answer = os.getuid()")
            assert len(processes_of(uid)) == 100
            await sandbox.kill()
            assert processes_of(uid) == []

    on_host(tmp_path, body)


def test_closing_every_descriptor_changes_nothing_for_others(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        code = code_at(tmp_path / "code")
        async with running(host, python_image(), code) as one, running(host, python_image(), code) as two:
            uid = await ask(one, "import os; answer = os.getuid()")
            assert len(processes_of(uid)) == 1
            await tell(one, "os.closerange(0, 1024); import time; time.sleep(60)")
            assert await ask(two, "answer = 1") == 1
            assert (await one.kill()).signal == 9
            assert processes_of(uid) == []

    on_host(tmp_path, body, None)


def test_installed_c_extensions_work(tmp_path: Path) -> None:
    packages = Path(PIL.__file__).parents[1]
    for name in ("PIL", "pillow.libs"):
        shutil.copytree(packages / name, code_at(tmp_path / "code") / name)

    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), tmp_path / "code") as sandbox:
            draw = (
                "import sys; sys.path.insert(0, '.'); from PIL import Image; image = Image.new('RGB', (64, 64), 'red')"
            )
            await ask(sandbox, draw)
            saved = (
                "import io; data = io.BytesIO(); image.resize((8, 8)).save(data, 'JPEG'); answer = data.getvalue()[:2]"
            )
            assert await ask(sandbox, saved) == b"\xff\xd8"

    on_host(tmp_path, body)


def test_ordinary_programs_work(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code"), SMALL) as sandbox:
            run = "import subprocess; answer = subprocess.getoutput({!r}) + '\\n'"
            assert await ask(sandbox, run.format("echo a | awk '{print $1 \"b\"}'")) == "ab\n"
            threads = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool:
    answer = sum(pool.map(lambda n: n * n, range(100)))
"""
            assert await ask(sandbox, threads) == 328350
            pipes = """
import multiprocessing
ours, theirs = multiprocessing.Pipe()
process = multiprocessing.get_context('fork').Process(target=lambda: theirs.send(7))
process.start(); answer = ours.recv(); process.join()
"""
            assert await ask(sandbox, pipes) == 7
            usual = (
                "import ssl, sqlite3, hashlib, json, decimal, uuid, asyncio; answer = asyncio.run(asyncio.sleep(0, 5))"
            )
            assert await ask(sandbox, usual) == 5
            assert await ask(sandbox, "import os; answer = os.cpu_count() >= 1, len(os.urandom(4))") == (True, 4)
            assert await ask(sandbox, "answer = ssl.create_default_context().cert_store_stats()['x509_ca'] >= 0")

    on_host(tmp_path, body)
