"""The real `bulb` command as a subprocess, with an environment of the test's own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.waiting import until

SECONDS = 60
# `python -m bulb`, also where a shell that started the tests in the background has them ignore Ctrl-C.
_HEED_INTERRUPTS = (
    "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "runpy.run_module('bulb', run_name='__main__', alter_sys=True)"
)


def environment(**more: str) -> dict[str, str]:
    """Enough to run commands of the tree under test, and nothing that names a server or credentials."""
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
    keep["PATH"] = f"{Path(sys.executable).parent}:{keep['PATH']}"
    return {**keep, "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, **more}


def bulb(*arguments: str, stdin: str = "", **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run `bulb ...` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "bulb", *arguments],
        capture_output=True,
        text=True,
        input=stdin,
        env=environment(**variables),
        timeout=SECONDS,
        check=False,
    )


class Background:
    """`bulb ...` that goes on; what it printed so far is in `output`."""

    def __init__(self, output: Path, *arguments: str) -> None:
        self._file = output
        with output.open("wb") as into:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _HEED_INTERRUPTS, *arguments],
                stdout=into,
                stderr=subprocess.STDOUT,
                env=environment(),
            )

    def output(self) -> str:
        return self._file.read_text(errors="replace")

    def interrupt(self) -> int:
        """What Ctrl-C does; its exit code."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(SECONDS)

    def wait(self) -> int:
        return self._process.wait(SECONDS)

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(SECONDS)


def left_over(pid: int) -> list[str]:
    """What a server of this pid left on the machine: its children's processes and its cgroup folders."""
    tops = (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir())
    cgroups = [str(found) for top in tops for found in top.glob(f"bulb/{pid}-*")]
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == str(pid) or fields[2] == str(pid):
            children.append(str(stat.parent))
    return cgroups + children


def nothing_left(pid: int) -> None:
    """Fails the test unless all of it is gone within a moment."""
    until(lambda: not left_over(pid), f"the children and cgroups of {pid} gone", seconds=30)
