"""Function URLs. A URL goes with the function or the alias it belongs to."""

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, insert, select
from sqlalchemy.sql.elements import ColumnElement

from bulb.services.lambda_.model import FunctionKey
from bulb.services.lambda_.store.keys import UNQUALIFIED, function_exists, is_function, qualifier_exists
from bulb.services.lambda_.urls.model import FunctionUrl
from bulb.storage.database import Database
from bulb.storage.schema.lambda_urls import urls


class UrlStore:
    """The URLs of functions in one database."""

    def __init__(self, database: Database, changed: Callable[[FunctionKey], None]) -> None:
        self._database = database
        self._changed = changed

    async def find(self, key: FunctionKey, alias: str | None) -> FunctionUrl | None:
        """The URL of a function (None) or of one of its aliases."""
        return await self._database.read(lambda connection: _find(connection, key, alias))

    async def by_id(self, url_id: str) -> FunctionUrl | None:
        """The URL with this id."""

        def read(connection: Connection) -> FunctionUrl | None:
            row = connection.execute(select(urls).where(urls.c.url_id == url_id)).first()
            return None if row is None else _url(row)

        return await self._database.read(read)

    async def page(self, key: FunctionKey, after: str | None, limit: int) -> list[FunctionUrl] | None:
        """At most `limit` URLs of a function, its own first, behind the one of alias `after`. None: no function."""

        def read(connection: Connection) -> list[FunctionUrl] | None:
            if not function_exists(connection, key):
                return None
            query = select(urls).where(is_function(urls, key)).order_by(urls.c.qualifier).limit(limit)
            if after is not None:
                query = query.where(urls.c.qualifier > after)
            return [_url(row) for row in connection.execute(query)]

        return await self._database.read(read)

    async def change(
        self,
        key: FunctionKey,
        alias: str | None,
        decide: Callable[[bool, FunctionUrl | None], FunctionUrl | None],
    ) -> FunctionUrl | None:
        """Replace a URL by what `decide` makes of it, and answer that; None removes it.

        `decide` is told whether the function or alias exists, and the URL as it is.
        """

        def write(connection: Connection) -> FunctionUrl | None:
            after = decide(qualifier_exists(connection, key, alias), _find(connection, key, alias))
            connection.execute(delete(urls).where(_is_url(key, alias)))
            if after is not None:
                connection.execute(insert(urls).values(_values(after)))
            return after

        changed = await self._database.write(write)
        self._changed(key)
        return changed


def _is_url(key: FunctionKey, alias: str | None) -> ColumnElement[bool]:
    return and_(is_function(urls, key), urls.c.qualifier == (alias or UNQUALIFIED))


def _find(connection: Connection, key: FunctionKey, alias: str | None) -> FunctionUrl | None:
    row = connection.execute(select(urls).where(_is_url(key, alias))).first()
    return None if row is None else _url(row)


def _values(url: FunctionUrl) -> dict[str, object]:
    return {
        **url.key._asdict(),
        "qualifier": url.alias or UNQUALIFIED,
        "url_id": url.url_id,
        "auth_type": url.auth_type,
        "cors": None if url.cors is None else json.dumps(dict(url.cors)),
        "invoke_mode": url.invoke_mode,
        "created_at": url.created_at,
        "last_modified": url.last_modified,
    }


def _url(row: Row[Any]) -> FunctionUrl:
    return FunctionUrl(
        key=FunctionKey(row.account, row.region, row.name),
        alias=row.qualifier or None,
        url_id=row.url_id,
        auth_type=row.auth_type,
        created_at=row.created_at,
        last_modified=row.last_modified,
        cors=None if row.cors is None else json.loads(row.cors),
        invoke_mode=row.invoke_mode,
    )
