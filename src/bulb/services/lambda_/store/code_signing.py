"""Code signing configurations, their tags, and the functions that have one."""

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from bulb.services.lambda_ import errors
from bulb.services.lambda_.code_signing import CodeSigningConfig, cannot_attach, not_found
from bulb.services.lambda_.model import FunctionKey
from bulb.services.lambda_.store.keys import function_exists, is_function
from bulb.storage.database import Database
from bulb.storage.schema.lambda_code_signing import code_signing_configs as configs
from bulb.storage.schema.lambda_code_signing import function_code_signing as attached


class CodeSigningStore:
    """The configurations of all accounts in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, new: CodeSigningConfig) -> None:
        """Keep a new one."""
        await self._database.write(lambda connection: connection.execute(insert(configs).values(_values(new))))

    async def change(
        self, arn: str, decide: Callable[[CodeSigningConfig], CodeSigningConfig]
    ) -> CodeSigningConfig | None:
        """Replace one by what `decide` makes of it and answer that; None when there is none."""

        def write(connection: Connection) -> CodeSigningConfig | None:
            before = _find(connection, arn)
            if before is None:
                return None
            after = decide(before)
            connection.execute(update(configs).where(configs.c.id == before.id).values(_values(after)))
            return after

        return await self._database.write(write)

    async def delete(self, arn: str) -> None:
        """Remove one. Raises ResourceNotFoundException, and ResourceConflictException while functions have it."""

        def write(connection: Connection) -> None:
            config = _find(connection, arn)
            if config is None:
                raise not_found()
            if connection.execute(select(attached.c.name).where(attached.c.config == config.id).limit(1)).first():
                raise errors.conflict(
                    "The code signing configuration cannot be deleted: there are functions that use it."
                )
            connection.execute(delete(configs).where(configs.c.id == config.id))

        await self._database.write(write)

    async def find(self, arn: str) -> CodeSigningConfig | None:
        """The one with the ARN, or None."""
        return await self._database.read(lambda connection: _find(connection, arn))

    async def page(self, account: str, region: str, after: str, limit: int) -> list[CodeSigningConfig]:
        """At most `limit` of an account behind the id `after`, by id."""
        query = select(configs).where(configs.c.account == account, configs.c.region == region, configs.c.id > after)
        query = query.order_by(configs.c.id).limit(limit)
        return await self._database.read(lambda connection: [_config(row) for row in connection.execute(query)])

    async def functions(self, config: CodeSigningConfig, after: str, limit: int) -> list[FunctionKey]:
        """At most `limit` functions that have the configuration, behind the name `after`, by name."""
        query = select(attached).where(attached.c.config == config.id, attached.c.name > after)
        query = query.order_by(attached.c.name).limit(limit)
        return await self._database.read(
            lambda connection: [FunctionKey(row.account, row.region, row.name) for row in connection.execute(query)]
        )

    async def of_function(self, key: FunctionKey) -> CodeSigningConfig | None:
        """The configuration a function has. Raises ResourceNotFoundException when there is no function."""

        def read(connection: Connection) -> CodeSigningConfig | None:
            if not function_exists(connection, key):
                raise errors.function_not_found(key)
            query = select(configs).join(attached, attached.c.config == configs.c.id).where(is_function(attached, key))
            row = connection.execute(query).first()
            return None if row is None else _config(row)

        return await self._database.read(read)

    async def attach(self, key: FunctionKey, arn: str | None) -> None:
        """Give a function a configuration, or with None take it away.

        Raises ResourceNotFoundException and CodeSigningConfigNotFoundException.
        """

        def write(connection: Connection) -> None:
            if not function_exists(connection, key):
                raise errors.function_not_found(key)
            config = _find(connection, arn) if arn is not None else None
            if arn is not None and config is None:
                raise cannot_attach(arn)
            connection.execute(delete(attached).where(is_function(attached, key)))
            if config is not None:
                connection.execute(insert(attached).values(**key._asdict(), config=config.id))

        await self._database.write(write)


def _find(connection: Connection, arn: str) -> CodeSigningConfig | None:
    row = connection.execute(select(configs).where(configs.c.id == arn.rpartition(":")[2])).first()
    found = None if row is None else _config(row)
    return found if found is not None and found.arn == arn else None


def _values(of: CodeSigningConfig) -> dict[str, Any]:
    return {
        "id": of.id,
        "account": of.account,
        "region": of.region,
        "description": of.description,
        "publishers": json.dumps(of.publishers),
        "policy": of.policy,
        "last_modified": of.last_modified,
        "tags": json.dumps(dict(of.tags)),
    }


def _config(row: Row[Any]) -> CodeSigningConfig:
    return CodeSigningConfig(
        account=row.account,
        region=row.region,
        id=row.id,
        publishers=tuple(json.loads(row.publishers)),
        policy=row.policy,
        last_modified=row.last_modified,
        description=row.description,
        tags=json.loads(row.tags),
    )
