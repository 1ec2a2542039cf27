"""Which rung this machine gives, found out by trying once, from the best down. A rung is never dropped in silence."""

import asyncio
import os
from dataclasses import dataclass, replace
from pathlib import Path

from bulb.sandbox import janitor, nat
from bulb.sandbox.cgroups import Cgroups, server_name
from bulb.sandbox.full import Workshop
from bulb.sandbox.identities import Identities
from bulb.sandbox.inside import seccomp, syscalls
from bulb.sandbox.memory import HighTriggers, ThresholdTriggers
from bulb.sandbox.model import Rung, RungReport, SandboxError
from bulb.sandbox.mounts import Mounts
from bulb.sandbox.nat import Egress
from bulb.sandbox.network import NetworkProvider

# A range no distribution gives to people or services (systemd's dynamic and container ranges lie elsewhere).
_FIRST_UID, _UIDS = 1_900_000_000, 10_000

_NAMESPACES = ("own processes, mounts, network, IPC and host name", "read-only root", "a /tmp of the configured size")
_LOCKED = ("system call filter", "no privileges")
_HAS = {
    Rung.FULL: (*_NAMESPACES, *_LOCKED, "own user id", "memory, CPU and process limits", "freezing when idle"),
    Rung.USERNS: (*_NAMESPACES, *_LOCKED, "process limit"),
    Rung.PLAIN: ("resource limits per process", "own session"),
}
_LACKS = {
    Rung.FULL: (),
    Rung.USERNS: (
        "own user id per sandbox",
        "CPU limit",
        "exact memory limit (resident memory is looked at every 50 ms)",
        "freezing when idle",
    ),
    Rung.PLAIN: (
        "isolation: functions can read and change what the server's user can",
        "own network: what a function or extension listens on is a port of the machine",
        "own /tmp (TMPDIR is its own), /var/task and /opt (LAMBDA_TASK_ROOT and LAMBDA_LAYERS_ROOT say where they are)",
        "CPU limit",
        "process limit",
        "exact memory limit (resident memory is looked at every 50 ms)",
        "freezing when idle",
    ),
}


@dataclass(slots=True)
class Choice:
    """The rung taken, and what sandboxes of the full one are made with."""

    report: RungReport
    workshop: Workshop | None = None
    janitor_pipe: int = -1

    async def close(self) -> None:
        """Let go of threads, networks and groups."""
        if self.workshop is None:
            return
        await self.workshop.networks.close()
        self.workshop.triggers.close()
        await asyncio.to_thread(self.workshop.mounts.close)
        await asyncio.to_thread(self.workshop.cgroups.close)
        self.workshop.identities.close()
        os.close(self.janitor_pipe)


async def climb(place: Path, wanted: Rung | None, egress: Egress, networks: NetworkProvider | None) -> Choice:
    """Take the best rung, or `wanted`. Raises SandboxError when `wanted` cannot be had here."""
    reasons: dict[str, str] = {}
    for rung in Rung if wanted is None else [wanted]:
        try:
            return await _try(rung, place, egress, networks, reasons)
        except (OSError, KeyError) as error:
            reasons[str(rung)] = _explain(error)
    raise SandboxError(f"the {wanted} rung cannot be had on this machine: {reasons[str(wanted)]}")


async def _try(
    rung: Rung, place: Path, egress: Egress, networks: NetworkProvider | None, reasons: dict[str, str]
) -> Choice:
    report = RungReport(rung=rung, has=_HAS[rung], lacks=_LACKS[rung], reasons=reasons)
    if rung is Rung.PLAIN:
        return Choice(replace(report, egress=True, egress_reason="functions share the machine's network"))
    seccomp.program()  # KeyError on a machine whose system calls are not known
    if rung is Rung.USERNS:
        await asyncio.to_thread(_try_user_namespace)
        return Choice(_of_user_namespaces(report, os.geteuid() == 0))
    if os.geteuid() != 0:
        raise PermissionError("the server does not run as root")
    provided = networks or await nat.open_networks(egress)
    try:
        workshop, pipe = await _furnish(place, provided)
    except BaseException:
        await provided.close()
        raise
    report = replace(
        report,
        cgroups=workshop.cgroups.version,
        egress=provided.egress,
        egress_reason=provided.egress_reason,
    )
    return Choice(report, workshop, pipe)


def _of_user_namespaces(report: RungReport, root: bool) -> RungReport:
    """The kernel applies RLIMIT_NPROC, the only limit on processes without cgroups, to everybody but root."""
    if root:
        has = tuple(word for word in report.has if word != "process limit")
        lacks = (*report.lacks, "process limit (the kernel sets root none; run Bulb as another user)")
        report = replace(report, has=has, lacks=lacks)
    return replace(report, egress_reason="a user namespace gives loopback only")


async def _furnish(place: Path, networks: NetworkProvider) -> tuple[Workshop, int]:
    """Everything the full rung needs, tried for real. Raises OSError, leaving nothing."""
    cgroups = await asyncio.to_thread(Cgroups.open, server_name(os.getpid()))
    mounts = Mounts(place)
    try:
        loop = asyncio.get_running_loop()
        storage = await loop.run_in_executor(mounts.thread, mounts.temporary, "trial", 1)
        try:
            os.close(await loop.run_in_executor(mounts.thread, storage.copy))
        finally:
            await loop.run_in_executor(mounts.thread, storage.close)
        (await networks.take()).discard()
        # After the cgroups: what ran under the ids of dead servers was swept there, and the shared file exists.
        identities = Identities(_FIRST_UID, _UIDS, cgroups.shared_file)
    except BaseException as error:
        await networks.close()
        mounts.close()
        cgroups.close()
        raise OSError(str(error)) from error
    triggers = ThresholdTriggers() if cgroups.version == 1 else HighTriggers()
    workshop = Workshop(cgroups, mounts, networks, identities, triggers)
    return workshop, await asyncio.to_thread(janitor.start, cgroups.directories)


def _try_user_namespace() -> None:
    pid = os.fork()
    if pid == 0:
        try:
            syscalls.unshare(syscalls.NEWUSER | syscalls.NEWNS | syscalls.NEWPID | syscalls.NEWNET)
            os._exit(0)
        except OSError as error:
            os._exit(error.errno or 1)
    number = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if number:
        raise OSError(number, f"user namespaces: {os.strerror(number)}")


def _explain(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"system calls of {error} are not known here"
    return str(error)
