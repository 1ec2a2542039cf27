"""One server per database file, and whether the last one ended well.

Beside `bulb.db` lies `bulb.db.lock`: an OS lock held while the database is open (the kernel lets go of it however the
process ends) whose content says `open` or `clean`. `open` found at the start means the last server was killed. Any
content means a database was here, so a missing or empty file is a loss, not a first start.
"""

import fcntl
import os
from enum import StrEnum
from pathlib import Path

from bulb.storage.errors import DatabaseRefusedError


class State(StrEnum):
    """What the last server left behind. `NEW`: there was none."""

    NEW = ""
    OPEN = "open"
    CLEAN = "clean"


class Marker:
    """The lock file beside the database at `path`, locked."""

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises DatabaseRefusedError when another process has it."""
        self._path = path.with_name(path.name + ".lock")
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise DatabaseRefusedError(
                f"Another Bulb is using {path}; stop it, or give this one a data folder of its own (--data)."
            ) from error
        text = os.pread(self._descriptor, 16, 0).decode("ascii", "replace").strip()
        self.found = State(text) if text in set(State) else State.OPEN

    def write(self, state: State) -> None:
        """Put `state` on disk. Over what is there: neither a kill nor a full disk may leave the file empty."""
        text = f"{state}\n".encode()
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))
        os.fsync(self._descriptor)

    def release(self) -> None:
        """Let the next server in."""
        os.close(self._descriptor)
