"""The tree these tests are of: what they import, and what the processes they start must import too.

It need not be the one that is installed beside this interpreter: a worktree shares that with others.
"""

import os
from pathlib import Path

import bulb

SOURCE = Path(bulb.__file__).resolve().parents[1]


def have_processes_import_it() -> None:
    """Whatever this process starts with its own environment imports Bulb from here."""
    others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and Path(path) != SOURCE]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(SOURCE), *others])
