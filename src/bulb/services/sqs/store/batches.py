"""Long work in short transactions, so that nobody waits for it."""

from collections.abc import Callable

from sqlalchemy import Connection

from bulb.storage.database import Database

BATCH = 500


async def repeat(database: Database, step: Callable[[Connection], int]) -> int:
    """Take a step a transaction until one finds less than a batch; how much they found."""
    total = 0
    while found := await database.write(step):
        total += found
        if found < BATCH:
            break
    return total
