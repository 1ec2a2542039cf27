"""Running an interpreter's own programs while an image is built."""

import os
import subprocess

from bulb.core.errors import BulbError
from bulb.runtimes.interpreters import Interpreter

_TIMEOUT_S = 120


def run(interpreter: Interpreter, *command: str) -> None:
    """Run `command`, a program of the interpreter's and its arguments. Raises BulbError with the last it said."""
    try:
        done = subprocess.run(  # noqa: S603 - what was verified
            command,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BulbError(f"{command[0]} cannot be run for {interpreter.runtime}: {error}") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise BulbError(f"{command[0]} cannot run {interpreter.runtime}: {lines[-1]}")
