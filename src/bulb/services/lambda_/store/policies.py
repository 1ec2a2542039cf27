"""Resource policies: one for a function, and one for each of its versions and aliases."""

import json
from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Connection, and_, bindparam, delete, insert, select
from sqlalchemy.sql.elements import ColumnElement

from bulb.services.lambda_.model import LATEST, POLICY_HEAD, FunctionKey, Policy
from bulb.services.lambda_.store.keys import UNQUALIFIED, function_exists, is_function, qualifier_exists
from bulb.storage.database import Database
from bulb.storage.schema.lambda_ import functions, policies


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


class Guarded(NamedTuple):
    """A function that is there, and the document of the policy that guards it under the name it was asked for by."""

    policy: str | None


def guarded(connection: Connection, key: FunctionKey, qualifier: str | None) -> Guarded | None:
    """None where there is no such function, version or alias."""
    if qualifier not in (None, LATEST) and not qualifier_exists(connection, key, qualifier):
        return None
    row = connection.execute(_GUARDED, {**key._asdict(), "under": qualifier or UNQUALIFIED}).first()
    if row is None:
        return None
    if row.statements is None:
        return Guarded(None)
    # Joined as text: this is asked with every delivery, and what it means is kept by the text.
    head = (_HEAD if row.head is None else row.head).strip()[1:-1]
    return Guarded(f'{{{head}{"," if head.strip() else ""}"Statement":{row.statements}}}')


_HEAD = json.dumps(dict(POLICY_HEAD))
# Made once, because making a statement takes longer than running this one.
_OWN = [column == functions.c[column.name] for column in (policies.c.account, policies.c.region, policies.c.name)]
_GUARDED = (
    select(policies.c.statements, policies.c.head)
    .select_from(functions.outerjoin(policies, and_(*_OWN, policies.c.qualifier == bindparam("under"))))
    .where(
        functions.c.account == bindparam("account"),
        functions.c.region == bindparam("region"),
        functions.c.name == bindparam("name"),
    )
)


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
