"""The front of the room: a `SandboxHost` makes sandboxes on the best rung this machine gives."""

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from bulb.core.ids import hex_id
from bulb.sandbox.cell import Cell
from bulb.sandbox.full import FullCell
from bulb.sandbox.inside.root import default_identity
from bulb.sandbox.model import BLANK_LIMITS, Code, Image, LaunchError, Limits, Rung, RungReport, SandboxError
from bulb.sandbox.nat import Egress
from bulb.sandbox.network import NetworkProvider
from bulb.sandbox.plain import PlainCell
from bulb.sandbox.rungs import Choice, climb
from bulb.sandbox.sandbox import Sandbox
from bulb.sandbox.snapshot import RestoredCell, Template
from bulb.sandbox.supervisor import RUNTIME, SupervisedProcess
from bulb.sandbox.userns import UsernsCell
from bulb.sandbox.zygote import ZygoteClient

__all__ = ["RUNTIME", "LaunchError", "Sandbox", "SandboxHost", "SupervisedProcess", "Template"]

# More at once would only queue inside the zygote, which forks one after the other.
_BIRTHS_IN_FLIGHT = 16


class SandboxHost:
    """One per server. Sandboxes must be closed before it is, or they are closed with it."""

    def __init__(self, choice: Choice, place: Path) -> None:
        """Use `open`."""
        self._choice = choice
        self._place = place
        self._zygotes: dict[str, ZygoteClient] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._births = asyncio.Semaphore(_BIRTHS_IN_FLIGHT)
        self._sandboxes: dict[str, Sandbox] = {}

    @classmethod
    async def open(
        cls,
        data_dir: Path,
        rung: Rung | None = None,
        egress: Egress = "none",
        networks: NetworkProvider | None = None,
    ) -> "SandboxHost":
        """Try the rungs from the best down, or only `rung`. Raises SandboxError when that one cannot be had.

        `networks` gives the sandboxes of the full rung their network; without it they get loopback only.
        """
        place = data_dir.absolute() / "sandbox"  # noqa: ASYNC240 - once, at start
        place.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(_sweep, place)
        choice = await climb(place, rung, egress, networks)
        return cls(choice, Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=place)))

    @property
    def rung(self) -> Rung:
        """The rung all sandboxes are on."""
        return self._choice.report.rung

    def report(self) -> RungReport:
        """What this machine gives and why not more."""
        return self._choice.report

    async def prepare(self, image: Image) -> None:
        """Start the zygote of `image`, if it does not run. Raises SandboxError with what it said."""
        await self._zygote(image)

    def zygote_pid(self, name: str) -> int:
        """The process id of the zygote of the image `name`. Raises KeyError when it was never started."""
        return self._zygotes[name].pid

    async def _zygote(self, image: Image) -> ZygoteClient:
        zygote = self._zygotes.get(image.name)
        if zygote is not None and zygote.alive:
            return zygote
        async with self._locks.setdefault(image.name, asyncio.Lock()):
            zygote = self._zygotes.get(image.name)
            if zygote is None or not zygote.alive:
                mountpoint = self._place / f"root-{image.name}"
                mountpoint.mkdir(exist_ok=True)
                workshop = self._choice.workshop
                uids = (workshop.identities.first, workshop.identities.count) if workshop else default_identity()
                name_servers = workshop.networks.name_servers if workshop else ()
                zygote = await ZygoteClient.start(image, self.rung, mountpoint, uids, name_servers)
                self._zygotes[image.name] = zygote
            return zygote

    async def start(self, image: Image, limits: Limits, code: Code, *, supervised: bool = False) -> Sandbox:
        """A sandbox for a function. Returns when the process has been asked for: what is written to `api` waits for it.

        With `supervised`, or an image that is, it waits for `Sandbox.spawn`, which starts the runtime.
        Raises SandboxError when it cannot be made; a step that fails later ends it with `Exit.failure`.
        """
        return await self._start(image, limits, code, supervised)

    async def start_blank(self, image: Image) -> Sandbox:
        """A complete, locked sandbox without a function, for `Sandbox.claim`; it exists. SandboxError as `start`."""
        sandbox = await self._start(image, BLANK_LIMITS, None)
        await sandbox.born()
        return sandbox

    @property
    def makes_templates(self) -> bool:
        """Whether `start_template` and `restore` work: on the full rung, where user namespaces may be made."""
        return self.rung is Rung.FULL and _user_namespaces() > 0

    async def start_template(self, image: Image, limits: Limits, code: Code) -> Template:
        """A sandbox to be forked once its runtime waits for that. `image` must fork. SandboxError as `start`."""
        if not self.makes_templates:
            raise SandboxError("templates need the full rung and user namespaces")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            return Template(await self._start(image, limits, code, snapshot=theirs), ours)
        except BaseException:
            ours.close()
            theirs.close()
            raise

    async def restore(self, template: Template, limits: Limits) -> Sandbox:
        """A fork of `template` in a sandbox of its own. SandboxError as `start`."""
        workshop = self._choice.workshop
        assert workshop is not None  # there are templates

        async def parent(image: Image) -> Template:
            if not template.alive:
                raise SandboxError("the template has ended")
            return template

        sandbox = Sandbox(hex_id(16), template.sandbox.image, template.births, parent)
        making = RestoredCell.restored(workshop, sandbox.id, limits, template.cell, sandbox.kill_now)
        await self._begin(sandbox, making, None)
        return sandbox

    async def _start(
        self,
        image: Image,
        limits: Limits,
        code: Code | None,
        supervised: bool = False,
        snapshot: socket.socket | None = None,
    ) -> Sandbox:
        sandbox = Sandbox(hex_id(16), image, self._births, self._zygote, supervised)
        await self._begin(sandbox, self._cell(sandbox.id, limits, code, sandbox.kill_now), snapshot)
        return sandbox

    async def _begin(self, sandbox: Sandbox, making: Awaitable[Cell], snapshot: socket.socket | None) -> None:
        try:
            cell = await making
            try:
                await sandbox.begin(cell, snapshot)
            except BaseException:
                await cell.close()
                raise
        except OSError as error:
            raise SandboxError(f"no sandbox could be made: {error}") from error
        self._sandboxes[sandbox.id] = sandbox
        sandbox.when_closed(self._sandboxes.pop)

    async def _cell(self, name: str, limits: Limits, code: Code | None, kill: Callable[[], None]) -> Cell:
        if self._choice.workshop is not None:
            return await FullCell.open(self._choice.workshop, name, limits, code, kill)
        if self.rung is Rung.USERNS:
            return UsernsCell(name, limits, code, kill)
        return PlainCell(self._place / name, limits, code, kill)

    async def close(self) -> None:
        """End every sandbox and zygote and leave nothing behind."""
        await asyncio.gather(*(sandbox.close() for sandbox in list(self._sandboxes.values())))
        await asyncio.gather(*(zygote.close() for zygote in self._zygotes.values()))
        await self._choice.close()
        with contextlib.suppress(OSError):
            await asyncio.to_thread(shutil.rmtree, self._place)


def _user_namespaces() -> int:
    """How many this machine lets a user have."""
    try:
        return int(Path("/proc/sys/user/max_user_namespaces").read_text())
    except (OSError, ValueError):
        return 0


def _sweep(place: Path) -> None:
    """Remove the directories of servers that were killed."""
    for directory in place.iterdir():
        pid, _, _ = directory.name.partition("-")
        if pid.isdigit() and not Path("/proc", pid).exists():
            shutil.rmtree(directory, ignore_errors=True)
