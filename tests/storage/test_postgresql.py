"""The tests' own PostgreSQL server does not outlive them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.storage import postgresql
from tests.support.waiting import until

_RUN = """
from tests.storage import postgresql
with postgresql.server() as url:
    print(url, flush=True)
    input()
"""


@pytest.mark.skipif(postgresql.missing() is not None, reason="no PostgreSQL on this machine")
@pytest.mark.parametrize("killed", [True, False], ids=["killed", "ended"])
def test_it_goes_with_the_run(killed: bool) -> None:
    command = [sys.executable, "-c", _RUN]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as run:
        assert run.stdout is not None
        folder = Path(run.stdout.readline().partition("?host=")[2].strip())
        assert folder.name.startswith("bulb-postgresql-")
        server = int((folder / "data" / "postmaster.pid").read_text().split()[0])
        if killed:
            run.kill()
        else:
            run.communicate("\n", timeout=60)
    until(lambda: not folder.exists() and not Path(f"/proc/{server}").exists(), "the end of the server", seconds=60)
