"""Resource policies: one for a function, and one for each of its versions and aliases."""

import json
from collections.abc import Callable

from sqlalchemy import Connection, and_, delete, insert, select
from sqlalchemy.sql.elements import ColumnElement

from bulb.services.lambda_.model import POLICY_HEAD, FunctionKey, Policy
from bulb.services.lambda_.store.keys import UNQUALIFIED, function_exists, is_function, qualifier_exists
from bulb.storage.database import Database
from bulb.storage.schema.lambda_ import policies


class PolicyStore:
    """The policies of functions in one database."""

    def __init__(self, database: Database, changed: Callable[[FunctionKey], None]) -> None:
        self._database = database
        self._changed = changed

    async def find(self, key: FunctionKey, qualifier: str | None) -> Policy | None:
        """The policy that guards the function as it is named with `qualifier`; no other one counts for that name."""
        return await self._database.read(lambda connection: _find(connection, key, qualifier))

    async def change(
        self,
        key: FunctionKey,
        qualifier: str | None,
        decide: Callable[[bool, bool, Policy | None], Policy | None],
    ) -> Policy | None:
        """Replace a policy by what `decide` makes of it, and answer that; None removes it.

        `decide` is told whether the function exists, whether the version or alias does, and what policy there is.
        """

        def write(connection: Connection) -> Policy | None:
            here = function_exists(connection, key)
            after = decide(here, qualifier_exists(connection, key, qualifier), _find(connection, key, qualifier))
            connection.execute(delete(policies).where(_is_policy(key, qualifier)))
            if after is not None:
                connection.execute(insert(policies).values(_values(key, qualifier, after)))
            return after

        changed = await self._database.write(write)
        self._changed(key)
        return changed


def _is_policy(key: FunctionKey, qualifier: str | None) -> ColumnElement[bool]:
    return and_(is_function(policies, key), policies.c.qualifier == (qualifier or UNQUALIFIED))


def _find(connection: Connection, key: FunctionKey, qualifier: str | None) -> Policy | None:
    row = connection.execute(select(policies).where(_is_policy(key, qualifier))).first()
    if row is None:
        return None
    statements = tuple(json.loads(row.statements))
    head = POLICY_HEAD if row.head is None else json.loads(row.head)
    return Policy(row.revision_id, statements, head)


def _values(key: FunctionKey, qualifier: str | None, policy: Policy) -> dict[str, object]:
    return {
        **key._asdict(),
        "qualifier": qualifier or UNQUALIFIED,
        "revision_id": policy.revision_id,
        "statements": json.dumps([dict(statement) for statement in policy.statements]),
        "head": None if policy.head == POLICY_HEAD else json.dumps(dict(policy.head)),
    }
