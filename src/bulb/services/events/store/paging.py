"""Lists in pages: by name, at most so many, and where the next page begins."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, select

from bulb.services.events import errors

_PAGE = 100


def of_place(table: Table, account: str, region: str) -> Select[Any]:
    """Everything of an account in a region."""
    return select(table).where(table.c.account == account, table.c.region == region)


def check_filters(operation: str, params: Mapping[str, Any]) -> None:
    """Raise AwsError ValidationException for more than one filter: they exclude each other."""
    if sum(params.get(name) is not None for name in ("State", "EventSourceArn", "NamePrefix")) > 1:
        raise errors.validation(
            f"At most one filter is allowed for {operation}. Use either : State, EventSourceArn, or NamePrefix."
        )


def page(
    connection: Connection, query: Select[Any], key: Any, params: dict[str, Any]
) -> tuple[Sequence[Row[Any]], str | None]:
    """The rows of one page in order of `key`, and the token of the next one. Raises AwsError for a token not ours."""
    limit = params.get("Limit", _PAGE)
    prefix: str = params.get("NamePrefix") or ""
    if prefix:
        query = query.where(key >= prefix, key < prefix[:-1] + chr(ord(prefix[-1]) + 1))
    if (token := params.get("NextToken")) is not None:
        query = query.where(key > _name_of(token))
    rows = connection.execute(query.order_by(key).limit(limit + 1)).all()
    return rows[:limit], _token_of(getattr(rows[limit - 1], key.key)) if len(rows) > limit else None


def _token_of(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _name_of(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise errors.validation("The token is invalid or expired.") from None
