"""Process generations: the number that tells this server's leases from those of servers that are gone.

A lease carries the generation that took it. On opening, the number rises and every lease in the database is void, for
only one server at a time has the database open.
"""

from sqlalchemy import Connection, insert, select, update

from bulb.storage.schema.storage import storage_generation, storage_queue


def begin_generation(connection: Connection) -> int:
    """Raise the number, free what earlier servers had claimed, and return the new number."""
    before = current_generation(connection)
    if before is None:
        connection.execute(insert(storage_generation), {"id": 1, "generation": 1})
        return 1
    connection.execute(update(storage_generation).values(generation=before + 1))
    connection.execute(update(storage_queue).where(storage_queue.c.lease_generation > 0).values(lease_generation=0))
    return before + 1


def current_generation(connection: Connection) -> int | None:
    """That of the server that opened the database last; None before the first."""
    found: int | None = connection.execute(select(storage_generation.c.generation)).scalar_one_or_none()
    return found
