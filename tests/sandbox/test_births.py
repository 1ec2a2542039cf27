"""Processes that are waited for when something ends: whoever waits is told, and whatever was held is let go of."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bulb.sandbox.full import FullCell
from bulb.sandbox.host import Sandbox, SandboxHost
from bulb.sandbox.model import Code, Limits, SandboxError
from tests.sandbox.support import (
    SMALL,
    ask,
    cgroups_of,
    code_at,
    greet,
    on_host,
    processes_of,
    python_image,
    root_only,
    running,
)

pytestmark = root_only


async def until(is_so: Callable[[], bool]) -> None:
    """Within the time a test has."""
    while not is_so():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.001)


class Birthplace:
    """Where all births that may be under way at once are, so that nobody else is born."""

    def __init__(self, host: SandboxHost) -> None:
        self._births = host._births
        self.most = self._births._value

    async def occupy(self) -> None:
        for _ in range(self.most):
            await self._births.acquire()

    def leave(self) -> None:
        for _ in range(self.most):
            self._births.release()

    @property
    def free(self) -> int:
        return self._births._value

    async def waits(self) -> None:
        """Somebody wants to be born."""
        await until(lambda: bool(self._births._waiters))


def with_restarting(
    directory: Path, body: Callable[[Sandbox, "asyncio.Task[None]", Birthplace], Awaitable[None]]
) -> None:
    """`body` gets a sandbox whose restart waits to have its process born."""

    async def main(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(directory / "code")) as sandbox:
            await sandbox.born()  # which may be told after its greeting
            place = Birthplace(host)
            await place.occupy()
            restarting = asyncio.ensure_future(sandbox.restart())
            await place.waits()
            await body(sandbox, restarting, place)
            place.leave()
            assert place.free == place.most

    on_host(directory, main)


def test_a_zygote_that_dies_while_births_wait_is_replaced_for_them(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        image = python_image()
        await host.prepare(image)
        place = Birthplace(host)
        await place.occupy()
        starting = asyncio.ensure_future(host.start(image, SMALL, Code(code_at(tmp_path / "code"))))
        await place.waits()
        zygote = host._zygotes[image.name]
        os.kill(zygote.pid, signal.SIGKILL)
        await until(lambda: not zygote.alive)
        place.leave()
        sandbox = await starting
        await greet(sandbox)
        assert await ask(sandbox, "answer = 1") == 1
        await sandbox.born()
        assert place.free == place.most
        await sandbox.close()

    on_host(tmp_path, body)


@pytest.mark.parametrize("alive", [True, False])
def test_what_a_zygote_cannot_be_told_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alive: bool) -> None:
    """Dead it hears nothing; alive it does not hear what the kernel will not carry."""

    async def body(host: SandboxHost) -> None:
        image = python_image()
        await host.prepare(image)
        zygote, place = host._zygotes[image.name], Birthplace(host)
        spawn = zygote.spawn

        def unheard(*arguments: Any) -> None:
            with monkeypatch.context() as patch:
                if alive:
                    patch.setattr("bulb.sandbox.inside.wire.send", refuse)
                else:
                    zygote._lost()
                spawn(*arguments)

        def refuse(*_: object) -> None:
            raise OSError(109, "Too many references: cannot splice")

        monkeypatch.setattr(zygote, "spawn", unheard)
        sandbox = await host.start(image, SMALL, Code(code_at(tmp_path / "code")))
        ended = await asyncio.wait_for(sandbox.exited, 20)
        assert ended.failure is not None
        assert place.free == place.most
        await sandbox.close()

    on_host(tmp_path, body)


def test_a_restart_that_fails_can_be_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:

            async def order() -> None:
                raise OSError(24, "Too many open files")

            monkeypatch.setattr(sandbox.cell, "order", order)
            with pytest.raises(SandboxError, match="could not be restarted"):
                await sandbox.restart()
            await asyncio.wait_for(sandbox.close(), 20)

    on_host(tmp_path, body)


def test_so_can_one_that_is_given_up(tmp_path: Path) -> None:
    async def body(sandbox: Sandbox, restarting: "asyncio.Task[None]", place: Birthplace) -> None:
        restarting.cancel()
        await asyncio.wait((restarting,))
        await asyncio.wait_for(sandbox.close(), 20)

    with_restarting(tmp_path, body)


def test_what_is_closed_before_it_is_born_never_is(tmp_path: Path) -> None:
    async def body(sandbox: Sandbox, restarting: "asyncio.Task[None]", place: Birthplace) -> None:
        closing = asyncio.ensure_future(sandbox.close())
        await asyncio.sleep(0.01)
        place.leave()
        with pytest.raises(SandboxError, match="before its process was born"):
            await asyncio.wait_for(restarting, 20)
        await asyncio.wait_for(closing, 20)
        assert processes_of(sandbox.cell.uid) == []  # type: ignore[attr-defined]
        await place.occupy()

    with_restarting(tmp_path, body)


def test_a_restart_of_what_is_being_closed_is_refused(tmp_path: Path) -> None:
    async def body(host: SandboxHost) -> None:
        async with running(host, python_image(), code_at(tmp_path / "code")) as sandbox:
            restarting = asyncio.ensure_future(sandbox.restart())
            await asyncio.sleep(0)
            closing = asyncio.ensure_future(sandbox.close())
            with pytest.raises(SandboxError, match="is closed"):
                await asyncio.wait_for(restarting, 20)
            await asyncio.wait_for(closing, 20)

    on_host(tmp_path, body)


def test_what_is_made_for_somebody_who_has_gone_is_taken_away_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(host: SandboxHost) -> None:
        workshop = host._choice.workshop
        assert workshop is not None

        async def take() -> None:
            await asyncio.sleep(0.05)  # the mount thread is done long before
            raise OSError(24, "Too many open files")

        monkeypatch.setattr(workshop.networks, "take", take)
        code = Code(code_at(tmp_path / "code"))
        for _ in range(3):
            with pytest.raises(OSError, match="Too many"):
                await FullCell.open(workshop, "abandoned", Limits(128, 512), code, lambda: None)
            await asyncio.get_running_loop().run_in_executor(workshop.mounts.thread, lambda: None)
        assert not [group for path in cgroups_of(os.getpid()) for group in path.iterdir() if group.name == "abandoned"]

    on_host(tmp_path, body)
