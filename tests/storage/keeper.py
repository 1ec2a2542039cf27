"""Runs a server until whoever started this is gone, however they went: then ends it and removes its folder.

    python keeper.py FOLDER UID COMMAND...

UID -1 runs it as the same user. The end is told by the end of standard input, of which a killed process lets go too, or
by a new parent, where a child of the killed one holds that pipe open for a while.
"""

import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
from typing import Any

_LOOK_S, _END_S = 0.5, 20.0


def main(folder: str, uid: str, *command: str) -> None:
    """Return when the server has ended and the folder is gone."""
    parent = os.getppid()
    user = None if uid == "-1" else pwd.getpwuid(int(uid))
    identity: dict[str, Any] = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, **identity) as server:
        while server.poll() is None and os.getppid() == parent and not select.select([0], [], [], _LOOK_S)[0]:
            pass
        server.send_signal(signal.SIGQUIT)  # PostgreSQL's immediate shutdown
        try:
            server.wait(_END_S)
        except subprocess.TimeoutExpired:
            server.kill()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
