"""The memory limit is the function's own: exact for what it allocates, blind to what it keeps in /tmp."""

import asyncio
from pathlib import Path

import pytest

from bulb.sandbox.host import Sandbox, SandboxHost
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
_EAT = "held = []\nwhile True: held.append(bytearray({step} << 20)); {after}"


async def _end_of(sandbox: Sandbox) -> Exit:
    async with asyncio.timeout(20):
        return await asyncio.shield(sandbox.exited)


async def _armed(sandbox: Sandbox) -> None:
    """The watch takes effect some milliseconds after birth."""
    for _ in range(200):
        if sandbox.cell.is_watching:  # type: ignore[attr-defined]
            return
        await asyncio.sleep(0.01)
    pytest.fail("the memory watch was never armed")


@pytest.mark.parametrize("fork", [False, True])
def test_a_memory_bomb_is_stopped_near_its_limit(tmp_path: Path, fork: bool) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            await _armed(sandbox)
            sandbox.reset_memory_peak()
            before = "import os; os.fork(); os.fork()\n" if fork else ""
            await tell(sandbox, before + _EAT.format(step=1, after="pass"))
            ended = await _end_of(sandbox)
            assert ended.oom
            assert ended.signal == 9
            assert 120 * MB < sandbox.memory_peak() < 260 * MB

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
            await tell(sandbox, _EAT.format(step=1, after="__import__('time').sleep(0.0005)"))
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
            await tell(sandbox, _EAT.format(step=1, after="__import__('time').sleep(0.0005)"))
            assert (await _end_of(sandbox)).oom
            assert 120 * MB < sandbox.memory_peak() < 220 * MB

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
