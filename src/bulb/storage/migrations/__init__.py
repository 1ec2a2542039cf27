"""Bringing a database to the schema of this Bulb, or refusing it.

A new database is made from the metadata at once and stamped with the head; tests prove that the migrations, run one by
one, come to the same. An older database is migrated in one transaction. One from a newer Bulb is refused.

To change the schema: change `schema/<room>.py`, run `python -m bulb.storage.migrations.revise "what changes"`, read and
correct the file it writes in `versions/`, and set HEAD below to its revision.
"""

import logging

from sqlalchemy import Connection, text

from bulb.storage.errors import DatabaseRefusedError
from bulb.storage.schema import metadata

HEAD = "0005"
_VERSION_TABLE = "alembic_version"

_log = logging.getLogger(__name__)


def bring_up_to_date(connection: Connection) -> None:
    """Make or migrate the schema inside the transaction `connection` is in. Raises DatabaseRefusedError."""
    tables = _table_names(connection)
    if not tables:
        metadata.create_all(connection, checkfirst=False)
        stamp(connection)
        return
    if _VERSION_TABLE not in tables:
        raise DatabaseRefusedError(
            "The database belongs to another program; give Bulb a data folder of its own (--data)."
        )
    found = connection.execute(text(f"SELECT version_num FROM {_VERSION_TABLE}")).scalar_one_or_none()  # noqa: S608
    if found == HEAD:
        return
    from bulb.storage.migrations import runner  # noqa: PLC0415 - Alembic costs a third of a second at start-up

    if found is None or not runner.is_known(found):
        raise DatabaseRefusedError(
            f"The database was written by a newer Bulb (schema {found}, this one knows up to {HEAD}); "
            "start that version, or restore a backup made before it."
        )
    _log.info("The database is brought from schema %s to schema %s", found, HEAD)
    runner.upgrade(connection)


def stamp(connection: Connection) -> None:
    """Record that the schema is the head's."""
    connection.execute(text(f"CREATE TABLE {_VERSION_TABLE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text(f"INSERT INTO {_VERSION_TABLE} VALUES (:head)"), {"head": HEAD})  # noqa: S608


def _table_names(connection: Connection) -> set[str]:
    if connection.dialect.name == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'table'"
    else:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    return set(connection.execute(text(query)).scalars())
