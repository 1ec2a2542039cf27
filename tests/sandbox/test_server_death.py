"""A server that is killed leaves nothing: no process, no cgroup, no mount."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.sandbox.support import cgroups_of, code_at, processes_of, root_only

pytestmark = root_only

_SERVER = """
import asyncio, sys, time
from pathlib import Path
from bulb.sandbox.host import SandboxHost
from bulb.sandbox.model import Code, Rung
from tests.sandbox.support import SMALL, ask, greet, python_image

async def main():
    host = await SandboxHost.open(Path(sys.argv[1]), Rung.FULL)
    uids = []
    for frozen in (False, True, False):
        sandbox = await host.start(python_image(), SMALL, Code(Path(sys.argv[2])))
        await greet(sandbox)
        uids.append(await ask(sandbox, "import os; answer = os.fork() and os.getuid() or __import__('time').sleep(60)"))
        if frozen:
            sandbox.freeze()
    print(*uids, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_a_killed_server_leaves_nothing(tmp_path: Path) -> None:
    mounts = Path("/proc/mounts").read_text()
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(tmp_path), str(code_at(tmp_path / "code"))],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert server.stdout is not None
    with server.stdout:
        uids = [int(word) for word in server.stdout.readline().split()]
    assert len(uids) == 3
    inside = {pid for uid in uids for pid in processes_of(uid)}
    assert len(inside) == 2 * len(uids)
    assert cgroups_of(server.pid)
    server.send_signal(signal.SIGKILL)
    server.wait()

    def left() -> set[int]:
        """Not all processes of these users: another server may have the ids by now."""
        return inside & {pid for uid in uids for pid in processes_of(uid)}

    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and (left() or cgroups_of(server.pid)):
        time.sleep(0.02)
    assert not left()
    assert cgroups_of(server.pid) == []
    assert Path("/proc/mounts").read_text() == mounts
    assert os.path.ismount("/proc")
