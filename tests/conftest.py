"""A PostgreSQL server for whoever wants one; and a run must leave the machine as it found it.

A leftover fails the run, whatever its tests say.
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.storage import postgresql
from tests.support import bulb, leftovers, tree

# Before any of them starts a process, in every worker.
tree.have_processes_import_it()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The prefix of a URL that wants a database name in place of `{name}`."""
    if (reason := postgresql.missing()) is not None:
        pytest.skip(reason)
    with postgresql.server() as url:
        yield url


@pytest.fixture
def postgresql_location(postgresql_server: str) -> str:
    """The URL of a fresh, empty database."""
    return postgresql.new_database(postgresql_server)


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """A fresh, empty database of either kind, for what is promised over both."""
    if request.param == "postgresql":
        found: str = request.getfixturevalue("postgresql_location")
        return found
    return tmp_path / "bulb.db"


# The server's own helper takes up to 10 s to clear what a killed server left.
_PATIENCE_S = 20.0


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--rung plain` shows the lower rungs on a machine that would give a better one."""
    rungs = ("best", "full", "userns", "plain")
    parser.addoption("--rung", choices=rungs, default="best", help="the rung of isolation servers under test insist on")


def pytest_configure(config: pytest.Config) -> None:
    """Look around before the first server starts: in the process that outlives the workers, and only there."""
    bulb.DEFAULTS["isolation"] = config.getoption("--rung")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Leftovers(), "leftovers")


class _Leftovers:
    def __init__(self) -> None:
        self._mark = uuid.uuid4().hex
        # Inherited by every worker, and by every process they start with their own environment.
        os.environ[leftovers.MARK] = self._mark
        self._before = leftovers.before()
        self._remains: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """After the workers have ended."""
        folder = Path(session.config._tmp_path_factory.getbasetemp())  # type: ignore[attr-defined]
        self._remains = leftovers.left(self._before, self._mark, folder, _PATIENCE_S)
        if self._remains and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._remains:
            terminalreporter.section("left behind", red=True)
            for line in self._remains:
                terminalreporter.line(line)
