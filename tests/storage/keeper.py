"""Runs programs, the last of them a server, until whoever started this is gone, however they went: then ends what runs
and removes its folder.

    python keeper.py FOLDER UID PROGRAM... [-- PROGRAM...]

One program after the other, while they succeed. UID -1 runs them as the same user. The end is told by the end of
standard input, of which a killed process lets go too, or by a new parent, where a child of the killed one holds that
pipe open for a while.
"""

import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_LOOK_S, _END_S = 0.5, 5.0


def main(folder: str, uid: str, *words: str) -> None:
    """Return when nothing runs any more and the folder is gone, or when a program failed: the folder says why."""
    parent = os.getppid()
    user = None if uid == "-1" else pwd.getpwuid(int(uid))
    identity: dict[str, Any] = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    for program in _programs(words):
        with subprocess.Popen(program, cwd=folder, stdin=subprocess.DEVNULL, **identity) as running:
            ended = os.pidfd_open(running.pid)
            heard: list[int] = []
            while not heard and os.getppid() == parent:
                heard = select.select([0, ended], [], [], _LOOK_S)[0]
            os.close(ended)
            if heard != [ended]:
                _end(running)
                break
        if running.returncode != 0:
            return
    _remove(folder)


def _end(running: "subprocess.Popen[bytes]") -> None:
    running.send_signal(signal.SIGQUIT)  # PostgreSQL's immediate shutdown
    try:
        running.wait(_END_S)
    except subprocess.TimeoutExpired:
        running.kill()


def _remove(folder: str) -> None:
    # What the one that ended had started itself may still be writing there.
    deadline = time.monotonic() + _END_S
    while Path(folder).exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, onerror=lambda *_: time.sleep(0.1))


def _programs(words: Sequence[str]) -> Iterator[list[str]]:
    program: list[str] = []
    for word in words:
        if word == "--":
            yield program
            program = []
        else:
            program.append(word)
    yield program


if __name__ == "__main__":
    main(*sys.argv[1:])
