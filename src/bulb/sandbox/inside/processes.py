"""Which process started which."""

import contextlib
from pathlib import Path


def children(pid: int) -> list[int]:
    """The processes that any thread of `pid` started and that still are its children; none when it is gone."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found
