"""Users' access keys: in the database, and in memory for the gateway, which asks for one with every request.

One server owns a database, so memory changes after each commit and never lags behind.
"""

from dataclasses import dataclass, replace

from sqlalchemy import Connection, delete, insert, select, update

from bulb.storage.database import Database
from bulb.storage.schema.identity import identity_access_keys as keys_table
from bulb.storage.schema.identity import identity_users as users_table


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One long-term access key and its user."""

    access_key: str
    secret: str
    is_active: bool
    created_at: float
    account: str
    user_id: str
    user_name: str
    path: str


class AccessKeys:
    """All access keys of all accounts."""

    def __init__(self, database: Database, keys: list[AccessKey]) -> None:
        self._database = database
        self._keys = {key.access_key: key for key in keys}

    @classmethod
    async def open(cls, database: Database) -> "AccessKeys":
        """Read what there is."""
        return cls(database, await database.read(_read_all))

    def find(self, access_key: str) -> AccessKey | None:
        """The key of that id, active or not."""
        return self._keys.get(access_key)

    def of_user(self, user_id: str) -> list[AccessKey]:
        """A user's keys, oldest first."""
        return sorted((key for key in self._keys.values() if key.user_id == user_id), key=lambda key: key.created_at)

    async def add(self, key: AccessKey) -> None:
        """Keep a new key. Its user must exist."""
        row = {
            "access_key": key.access_key,
            "user_id": key.user_id,
            "secret": key.secret,
            "is_active": key.is_active,
            "created_at": key.created_at,
        }
        await self._database.write(lambda connection: _ignore(connection.execute(insert(keys_table), row)))
        self._keys[key.access_key] = key

    async def set_active(self, access_key: str, is_active: bool) -> None:
        """Switch a key on or off."""
        change = update(keys_table).where(keys_table.c.access_key == access_key).values(is_active=is_active)
        await self._database.write(lambda connection: _ignore(connection.execute(change)))
        self._keys[access_key] = replace(self._keys[access_key], is_active=is_active)

    async def remove(self, access_key: str) -> None:
        """Delete a key."""
        statement = delete(keys_table).where(keys_table.c.access_key == access_key)
        await self._database.write(lambda connection: _ignore(connection.execute(statement)))
        self._keys.pop(access_key, None)


def _ignore(_: object) -> None:
    """A write answers plain values, never a cursor."""


def _read_all(connection: Connection) -> list[AccessKey]:
    found = connection.execute(select(keys_table, users_table).join(users_table)).mappings()
    return [
        AccessKey(
            access_key=row[keys_table.c.access_key],
            secret=row[keys_table.c.secret],
            is_active=row[keys_table.c.is_active],
            created_at=row[keys_table.c.created_at],
            account=row[users_table.c.account],
            user_id=row[users_table.c.id],
            user_name=row[users_table.c.name],
            path=row[users_table.c.path],
        )
        for row in found
    ]
