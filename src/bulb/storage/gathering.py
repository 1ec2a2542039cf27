"""Inserts of one transaction, gathered into one statement a table: what many deliveries add costs little each.

Only for rows that nothing later in the same transaction looks at. Outside `gathering` an insert is carried out at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Table

_KEY = "bulb_gathered"
_Rows = dict[tuple[Table, tuple[str, ...]], list[Mapping[str, Any]]]


@contextmanager
def gathering(connection: Connection) -> Iterator[None]:
    """Hold back inserts until the end of the `with`. What the database says of them is raised there."""
    gathered: _Rows = {}
    connection.info[_KEY] = gathered
    try:
        yield
    finally:
        del connection.info[_KEY]
    for (table, _), rows in gathered.items():
        connection.execute(table.insert(), rows)


def insert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert `rows`, which have the same columns, in order."""
    gathered: _Rows | None = connection.info.get(_KEY)
    if gathered is None:
        connection.execute(table.insert(), rows)
    elif rows:
        gathered.setdefault((table, tuple(rows[0])), []).extend(rows)
