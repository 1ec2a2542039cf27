"""The memory limit is the function's own: exact for what it allocates, blind to what it keeps in /tmp."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable
from pathlib import Path

import pytest

from bulb.sandbox.cgroups import Cgroups, server_name
from bulb.sandbox.host import Sandbox, SandboxHost
from bulb.sandbox.memory import HighTriggers, MemoryWatch, ThresholdTriggers
from bulb.sandbox.model import Exit, Limits
from tests.sandbox.support import SMALL, ask, code_at, on_host, python_image, refused, root_only, running, tell

pytestmark = root_only
MB = 1 << 20
_FILL_AND_DELETE = """
import os
with open('/tmp/a', 'wb') as f:
    for _ in range(300): f.write(bytes(1 << 20))
os.unlink('/tmp/a')
"""
_EAT_WHEN_TOLD = """
import os, sys
for entrance in sys.argv[1:]:
    os.write(int(entrance), b"0")
print("in", flush=True)
sys.stdin.readline()
held = bytearray(b"x") * (64 << 20)
sys.stdin.readline()
"""
_EAT = "held = []\nwhile True: held.append(bytearray({step} << 20)); {after}"


async def _end_of(sandbox: Sandbox) -> Exit:
    async with asyncio.timeout(60):
        return await asyncio.shield(sandbox.exited)


async def _armed(sandbox: Sandbox) -> None:
    """The watch takes effect some milliseconds after birth."""
    await _until_armed(lambda: sandbox.cell.is_watching)  # type: ignore[attr-defined]


async def _until_armed(is_armed: Callable[[], bool]) -> None:
    for _ in range(3_000):
        if is_armed():
            return
        await asyncio.sleep(0.01)
    pytest.fail("the memory watch was never armed")


@pytest.mark.parametrize(
    ("fork", "pause_s", "most_mb"),
    [
        # As fast as it can: where the server gets no processor for a moment, only the kernel's own limit holds.
        (False, 0.0, 660),
        (True, 0.0, 660),
        # Fifty megabytes a second: the watch has the time.
        (False, 0.02, 260),
        (True, 0.08, 260),
    ],
)
def test_a_memory_bomb_is_stopped_near_its_limit(tmp_path: Path, fork: bool, pause_s: float, most_mb: int) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            await _armed(sandbox)
            sandbox.reset_memory_peak()
            before = "import os; os.fork(); os.fork()\n" if fork else ""
            await tell(sandbox, before + _EAT.format(step=1, after=f"__import__('time').sleep({pause_s})"))
            ended = await _end_of(sandbox)
            assert ended.oom
            assert ended.signal == 9
            assert 120 * MB < sandbox.memory_peak() < most_mb * MB

    on_host(tmp_path, body)


def test_tmp_does_not_count_and_has_its_own_size(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            await ask(
                sandbox,
                "chunk = bytes(1 << 20)\nwith open('/tmp/a', 'wb') as f:\n  for _ in range(300): f.write(chunk)",
            )
            assert sandbox.memory_peak() < 64 * MB
            fill = "with open('/tmp/b', 'wb', 0) as f:\n  for _ in range(300): f.write(chunk)"
            assert "No space left" in await refused(sandbox, fill)
            size = await ask(sandbox, "import os; answer = sum(os.stat('/tmp/' + n).st_size for n in ('a', 'b'))")
            assert 511 * MB <= size <= 512 * MB
            assert not sandbox.exited.done()
            # 300 MB of files do not lend the function 300 MB of memory, nor do deleted ones.
            await ask(sandbox, "os.unlink('/tmp/a'); os.unlink('/tmp/b')")
            await tell(sandbox, _EAT.format(step=1, after="__import__('time').sleep(0.01)"))
            assert (await _end_of(sandbox)).oom
            assert sandbox.memory_peak() < 600 * MB

    on_host(tmp_path, body)


def test_a_bomb_beside_a_full_tmp_is_stopped_as_well(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            await ask(
                sandbox,
                "chunk = bytes(1 << 20)\nwith open('/tmp/a', 'wb') as f:\n  for _ in range(200): f.write(chunk)",
            )
            await _armed(sandbox)
            await tell(sandbox, _EAT.format(step=1, after="__import__('time').sleep(0.02)"))
            assert (await _end_of(sandbox)).oom
            assert 120 * MB < sandbox.memory_peak() < 260 * MB

    on_host(tmp_path, body)


def test_an_end_without_a_bomb_is_no_oom(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code"), Limits(256, 512)) as sandbox:
            await ask(sandbox, "held = bytearray(100 << 20)")
            assert 100 * MB < sandbox.memory_peak() < 120 * MB
            await tell(sandbox, "import os; os._exit(3)")
            ended = await _end_of(sandbox)
            assert (ended.status, ended.signal, ended.oom) == (3, None, False)

    on_host(tmp_path, body)
    assert SMALL.memory_mb == 128


def test_memory_that_is_exactly_at_the_limit_when_the_watch_begins_cannot_grow() -> None:
    """What uses exactly its limit is within it, but no longer below it: the kernel must tell of what comes then."""

    async def grown(cgroups: Cgroups) -> None:
        group, told = cgroups.create("at-the-limit"), asyncio.Event()
        triggers = ThresholdTriggers() if cgroups.version == 1 else HighTriggers()
        entrances = group.open_entrances()
        eater = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _EAT_WHEN_TOLD, *map(str, entrances),
            pass_fds=entrances, stdin=PIPE, stdout=PIPE,
        )  # fmt: skip
        try:
            assert eater.stdin is not None
            assert eater.stdout is not None
            assert await eater.stdout.readline() == b"in\n"
            now = group.memory()
            watch = MemoryWatch(group, triggers.create(group), now.total - now.file, lambda: 0, told.set)
            watch.start()
            await _until_armed(lambda: watch.armed)
            assert not told.is_set()
            eater.stdin.write(b"now\n")
            async with asyncio.timeout(10):
                await told.wait()
            watch.stop()
        finally:
            eater.kill()
            await eater.communicate()
            for entrance in entrances:
                os.close(entrance)
            triggers.close()

    cgroups = Cgroups.open(server_name(os.getpid()))
    try:
        asyncio.run(grown(cgroups))
    finally:
        cgroups.close()


@pytest.mark.parametrize(
    ("deed", "broken"),
    [
        ("held = bytearray(400 << 20); del held", True),
        (_FILL_AND_DELETE, False),
    ],
)
def test_what_the_watch_came_too_late_for_is_still_told(tmp_path: Path, deed: str, broken: bool) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            await _armed(sandbox)
            sandbox.cell.unwatch()  # as if it had no time to look
            await ask(sandbox, deed)
            assert sandbox.memory_peak() > 128 * MB
            assert sandbox.broke_limit() is broken

    on_host(tmp_path, body)
