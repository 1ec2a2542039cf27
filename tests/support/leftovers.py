"""What a test run left behind on the machine: processes, cgroups, mounts, network links.

Other Bulbs may be at work on the same machine, so only what can be told to be this run's is counted: a process that
carries the run's mark or works in its temporary folder, a cgroup named after a server that is no more. Links have no
owner in their name: they are compared only while no other server is alive.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MARK = "TEST_RUN_OF_BULB"
_CGROUPS = Path("/sys/fs/cgroup")
_JANITOR = "bulb.sandbox.janitor"


@dataclass(frozen=True, slots=True)
class Before:
    """The machine as the run found it."""

    cgroups: frozenset[str]
    mounts: frozenset[str]
    links: frozenset[str]


def before() -> Before:
    """Note what is there already."""
    return Before(frozenset(_cgroups()), frozenset(_mounts()), frozenset(_links()))


def left(found: Before, mark: str, folder: Path, patience_s: float) -> list[str]:
    """What is there now and was not, a line each. What ends by itself within `patience_s` seconds is not counted."""
    deadline = time.monotonic() + patience_s
    while (remains := _left(found, mark, folder)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return remains


def _left(found: Before, mark: str, folder: Path) -> list[str]:
    remains = [f"process {pid}: {command}" for pid, command in _processes(mark, folder)]
    remains += [f"cgroup {path}" for path in sorted(set(_cgroups()) - found.cgroups) if not _server_lives(path)]
    remains += [f"mount {at}" for at in sorted(set(_mounts()) - found.mounts) if at.startswith(str(folder))]
    if not any(_JANITOR in _text(process / "cmdline") for process in _all_processes()):
        remains += [f"network link {name}" for name in sorted(set(_links()) - found.links)]
    return remains


def _processes(mark: str, folder: Path) -> Iterator[tuple[str, str]]:
    for process in _all_processes():
        if int(process.name) == os.getpid():
            continue
        command = _text(process / "cmdline").replace("\0", " ").strip()
        # A process without a command line is the kernel's, or a zombie whose parent has not looked yet.
        if command and (f"{MARK}={mark}" in _text(process / "environ").split("\0") or _works_in(process, folder)):
            yield process.name, command[:160]


def _works_in(process: Path, folder: Path) -> bool:
    """Whether a process sees the folder mounted, stands in it or was started with it."""
    cwd = ""
    with contextlib.suppress(OSError):
        cwd = str((process / "cwd").readlink())
    here = f"{folder}/"
    if f"{cwd}/".startswith(here) or here in _text(process / "cmdline"):
        return True
    return any(f" {here}" in line for line in _text(process / "mountinfo").splitlines())


def _all_processes() -> Iterator[Path]:
    return (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _cgroups() -> list[str]:
    """One directory a server: on cgroup v1 in each hierarchy, on v2 in the only one."""
    return [str(path) for above in ("bulb", "*/bulb") for path in _CGROUPS.glob(f"{above}/*-*") if path.is_dir()]


def _server_lives(cgroup: str) -> bool:
    """Whether the server is alive whose process id the directory's name begins with."""
    return Path("/proc", Path(cgroup).name.partition("-")[0]).exists()


def _mounts() -> list[str]:
    return [line.split()[4] for line in _text(Path("/proc/self/mountinfo")).splitlines()]


def _links() -> list[str]:
    return [entry.name for entry in Path("/sys/class/net").glob("bulb-*")]


def _text(path: Path) -> str:
    """The contents; nothing for what is gone, or another user's."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
