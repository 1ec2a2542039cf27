"""Real sandboxes for the tests: an image whose runtime does what the test tells it, and how to talk to it."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bulb.sandbox.host import Sandbox, SandboxHost
from bulb.sandbox.model import Code, Image, Limits, Rung
from tests.sandbox.asking import Refused, ask, greet, tell

__all__ = ["ask", "greet", "tell"]

PROBE = Path(__file__).parent / "probe"
SMALL = Limits(memory_mb=128, tmp_mb=512)
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="the full rung needs root")


def python_image(prefix: str = sys.base_prefix) -> Image:
    """The probe under the Python of `prefix`."""
    real = Path(os.path.realpath(prefix))
    names = [f"python3.{minor}" for minor in (sys.version_info.minor, 14, 13, 12, 11, 10)]
    name = next(name for name in names if (real / "bin" / name).exists())
    return Image(
        name=name,
        language=real,
        runtime=PROBE,
        command=(f"/var/lang/bin/{name}",),
        prepare="probe:prepare",
        run="probe:run",
        forks=True,
        environment={"PATH": "/var/lang/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "LD_LIBRARY_PATH": "/var/lang/lib"},
    )


def node_image() -> Image:
    """Node running a probe of its own; skips where there is no Node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine")
    real = Path(node).resolve()
    return Image(
        name="node",
        language=real.parents[1],
        runtime=PROBE,
        command=(f"/var/lang/bin/{real.name}", "/var/runtime/probe.mjs"),
        prepare=None,
        run=None,
        forks=False,
        environment={"PATH": "/var/lang/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
    )


async def refused(sandbox: Sandbox, source: str) -> str:
    """What `source` raises inside."""
    with pytest.raises(Refused) as raised:
        await ask(sandbox, source)
    return str(raised.value)


@asynccontextmanager
async def running(
    host: SandboxHost, image: Image, code: Path, limits: Limits = SMALL, opt: Path | None = None
) -> AsyncIterator[Sandbox]:
    """A greeted sandbox."""
    sandbox = await host.start(image, limits, Code(code, opt))
    try:
        await greet(sandbox)
        yield sandbox
    finally:
        await sandbox.close()


def on_host(directory: Path, body: Callable[[SandboxHost], Awaitable[None]], rung: Rung | None = Rung.FULL) -> None:
    """Run `body` with an open host."""

    async def main() -> None:
        host = await SandboxHost.open(directory, rung)
        try:
            async with asyncio.timeout(120):
                await body(host)
        finally:
            await host.close()

    asyncio.run(main())


def code_at(directory: Path) -> Path:
    """A function's code."""
    directory.mkdir(exist_ok=True)
    (directory / "app.py").write_text("value = 42\n")
    directory.chmod(0o755)
    return directory


def log_of(sandbox: Sandbox) -> bytes:
    """What is in the log pipe now."""
    try:
        return os.read(sandbox.log, 65_536)
    except BlockingIOError:
        return b""


def cgroups_of(pid: int) -> list[Path]:
    """The cgroup directories of the server `pid`."""
    return [path for path in Path("/sys/fs/cgroup").glob("*/bulb/*") if path.name.startswith(f"{pid}-")]


def processes_of(uid: int) -> list[int]:
    """Processes of `uid` on the machine. The dead are not counted: the machine's own init may bury them late."""
    listed = subprocess.run(["ps", "-o", "pid=,stat=", "-u", str(uid)], capture_output=True, text=True, check=False)
    found = (line.split() for line in listed.stdout.splitlines())
    return [int(pid) for pid, state in found if not state.startswith("Z")]
