"""No two servers of a machine have the same user ids for their sandboxes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bulb.sandbox.cgroups import Cgroups, server_name
from bulb.sandbox.identities import Identities
from tests.sandbox.support import root_only

_COUNT = 100

# Holds a range, and starts a process that would inherit the lock, as it would every other descriptor.
_HOLDER = """
import subprocess, sys
from pathlib import Path
from bulb.sandbox.identities import Identities
identities = Identities(0, int(sys.argv[1]), *map(Path, sys.argv[2:]))
outlives = subprocess.Popen(["sleep", "60"], close_fds=False)
print(identities.first, outlives.pid, flush=True)
sys.stdin.read()
"""

# Holds ranges in a user namespace of its own, as servers do that see a folder of cgroups each.
_CONTAINERS = """
import sys
from pathlib import Path
from bulb.sandbox.identities import Identities
from bulb.sandbox.inside import syscalls

syscalls.unshare(syscalls.NEWUSER)
held = [Identities(0, int(sys.argv[1]), Path(shared)) for shared in sys.argv[2:]]
print(*(identities.first for identities in held), flush=True)
sys.stdin.read()
"""

# Holds whatever can be held of a file that may only be read, as a function may that means harm.
_HOSTILE = """
import fcntl, os, struct, sys
file = os.open(sys.argv[1], os.O_RDONLY)
fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0))
print(flush=True)
sys.stdin.read()
"""

# Takes the full rung in a network of its own, or in the machine's.
_SERVER = """
import asyncio, sys
from pathlib import Path
from bulb.sandbox.inside import syscalls
from bulb.sandbox.model import Rung
from bulb.sandbox.rungs import climb

async def main():
    if sys.argv[2] == "apart":
        syscalls.unshare(syscalls.NEWNET | syscalls.NEWIPC | syscalls.NEWUTS)
    choice = await climb(Path(sys.argv[1]), Rung.FULL, "none", None)
    print(choice.workshop.identities.first, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await choice.close()

asyncio.run(main())
"""


@dataclass
class Held:
    """What a process says it has, and the process, which ends when nothing more is said to it."""

    words: list[int]
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def held(script: str, *arguments: object) -> Iterator[Held]:
    with subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        yield Held([int(word) for word in process.stdout.readline().split()], process)


@contextmanager
def holding(shared: Path, users: Path) -> Iterator[Held]:
    with held(_HOLDER, _COUNT, shared, users) as holder:
        try:
            yield holder
        finally:
            os.kill(holder.words[1], signal.SIGKILL)


def empty(path: Path) -> Path:
    path.touch()
    return path


def check_ranges(shared: Path, users: Path) -> None:
    """`users` stands for the user namespace: the tests' own is in use by others while they run."""
    with holding(shared, users) as one, holding(shared, users) as other:
        assert (one.words[0], other.words[0]) == (0, _COUNT)
        one.kill()
        next_one = Identities(0, _COUNT, shared, users)
        assert next_one.first == 0  # although what the killed one started is alive
        third = Identities(0, _COUNT, shared, users)
        assert third.first == 2 * _COUNT  # of the same process, and yet another's
        next_one.close()
        third.close()


def test_a_range_is_free_when_its_server_is_killed(tmp_path: Path) -> None:
    check_ranges(empty(tmp_path / "shared"), empty(tmp_path / "users"))


@root_only
def test_a_file_of_the_kernels_can_hold_the_ranges(tmp_path: Path) -> None:
    """The one servers share is in use by others while tests run; this one is in a group below it."""
    cgroups = Cgroups.open(server_name(os.getpid()))
    try:
        check_ranges(cgroups.create("ranges").memory_directory / "cgroup.procs", empty(tmp_path / "users"))
    finally:
        cgroups.close()


@root_only
def test_servers_in_different_networks_take_different_ranges(tmp_path: Path) -> None:
    with (
        held(_SERVER, tmp_path, "apart") as one,
        held(_SERVER, tmp_path, "apart") as two,
        held(_SERVER, tmp_path, "here") as three,
    ):
        assert len({server.words[0] for server in (one, two, three)}) == 3
    assert [server.process.returncode for server in (one, two, three)] == [0, 0, 0]


def test_there_are_as_many_ranges_as_servers_can_hold(tmp_path: Path) -> None:
    shared, users = empty(tmp_path / "shared"), empty(tmp_path / "users")
    servers = [Identities(0, _COUNT, shared, users) for _ in range(64)]
    assert [server.first for server in servers] == [index * _COUNT for index in range(64)]
    with pytest.raises(OSError, match="64 servers hold all ranges"):
        Identities(0, _COUNT, shared, users)
    servers[7].close()
    again = Identities(0, _COUNT, shared, users)
    assert again.first == 7 * _COUNT
    for server in (*servers[:7], *servers[8:], again):
        server.close()


@root_only
def test_servers_that_see_a_folder_of_cgroups_each_share_no_range(tmp_path: Path) -> None:
    """But with those of another user namespace, whose users the kernel does not count together with theirs."""
    folders = empty(tmp_path / "one"), empty(tmp_path / "other"), empty(tmp_path / "third")
    others = empty(tmp_path / "elsewhere")
    with held(_CONTAINERS, _COUNT, *folders) as servers, held(_CONTAINERS, _COUNT, others) as server:
        assert (servers.words, server.words) == ([0, _COUNT, 2 * _COUNT], [0])


def test_a_function_that_locks_all_it_can_keeps_no_server_from_its_ranges(tmp_path: Path) -> None:
    shared, users = empty(tmp_path / "shared"), empty(tmp_path / "users")
    with held(_HOSTILE, users):
        one, other = (Identities(0, _COUNT, shared, users) for _ in range(2))
        assert (one.first, other.first) == (0, _COUNT)
        one.close()
        other.close()
