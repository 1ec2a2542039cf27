"""A small process that outlives the server by a moment, and undoes what the kernel does not undo by itself.

When the server is gone, it removes the server's cgroups and switches back what was switched on in the machine's
network. Run as a script with the directories as arguments; its standard input is a pipe only the server holds the
other end of.
"""

import os
import subprocess
import sys
from pathlib import Path

_SCRIPT = "import sys; sys.path[:0] = {path!r}; from bulb.sandbox.janitor import main; main()"


def start(directories: list[str]) -> int:
    """Start the janitor; returns the descriptor whose closing sets it to work, which the server keeps to its end."""
    read, write = os.pipe2(os.O_CLOEXEC)
    path = [str(Path(__file__).parents[2])]
    subprocess.Popen(  # noqa: S603 - our own interpreter and script, and directories we made
        [sys.executable, "-I", "-S", "-c", _SCRIPT.format(path=path), *directories],
        stdin=read,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
        start_new_session=True,
    )
    os.close(read)
    return write


def main() -> None:
    """Wait for the server's end, then clear the directories."""
    # Not on top: the server imports this module too, and of these needs only one.
    from bulb.sandbox.cgroups import leave  # noqa: PLC0415
    from bulb.sandbox.forwarding import clean_up  # noqa: PLC0415

    os.read(0, 1)
    try:
        leave(sys.argv[1:], patience_s=10.0)
    finally:
        clean_up(patience_s=10.0)
