"""Alembic, driven by this program: no ini file and no env.py."""

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from bulb.storage.schema import metadata

FOLDER = Path(__file__).parent


def scripts() -> ScriptDirectory:
    """The revisions in `versions/`."""
    return ScriptDirectory(str(FOLDER), version_locations=[str(FOLDER / "versions")])


def is_known(revision: str) -> bool:
    """Whether `revision` is one of ours."""
    return revision in {script.revision for script in scripts().walk_revisions()}


def upgrade(connection: Connection) -> None:
    """Run every revision the database has not seen, in the transaction `connection` is in."""
    directory = scripts()

    def steps(revision: tuple[str, ...], _context: MigrationContext) -> list[MigrationStep]:
        return list(directory._upgrade_revs("head", revision))  # type: ignore[arg-type]  # what alembic.command does

    with EnvironmentContext(Config(), directory, fn=steps, destination_rev="head") as environment:
        environment.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
        environment.run_migrations()
