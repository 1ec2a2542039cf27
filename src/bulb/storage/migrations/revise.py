"""Write a revision that brings the schema from the head to the metadata: `python -m ...revise "add the table X"`."""

import re
import sys

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.operations.ops import CreateTableOp, UpgradeOps
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine

from bulb.storage.migrations import HEAD, runner
from bulb.storage.schema import metadata

_TEMPLATE = '''"""{title}."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {parent}


def upgrade() -> None:
{body}
'''


def differences(connection: Connection) -> UpgradeOps:
    """What has to be done to the database for it to equal the metadata."""
    context = MigrationContext.configure(connection, opts={"compare_type": True, "target_metadata": metadata})
    operations = produce_migrations(context, metadata).upgrade_ops
    assert operations is not None  # for the type checker: produce_migrations always sets it
    for operation in operations.ops:
        if isinstance(operation, CreateTableOp):
            operation.info = {}  # what rooms note about their tables is no part of the schema
    return operations


def render(title: str, revision: str, parent: str | None, operations: UpgradeOps) -> str:
    """The text of a revision file."""
    body = render_python_code(operations, render_as_batch=True)
    quoted = f'"{parent}"' if parent else "None"
    return _TEMPLATE.format(title=title.rstrip("."), revision=revision, parent=quoted, body=body.rstrip())


def main(title: str) -> None:
    """Write the next revision's file and print its path."""
    with create_engine("sqlite://").begin() as connection:
        runner.upgrade(connection)
        operations = differences(connection)
    revision = f"{int(HEAD) + 1:04d}"
    slug = re.sub(r"\W+", "_", title.lower()).strip("_")
    path = runner.FOLDER / "versions" / f"r{revision}_{slug}.py"
    path.write_text(render(title, revision, HEAD, operations))
    print(f"{path}\nRead it, then set HEAD in bulb/storage/migrations/__init__.py to {revision}.")


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or "Change the schema")
