"""What callers are allowed by their own policies: of users and of the roles that sessions speak for.

Asked with every call where policies are enforced, so everything is kept in memory until IAM commits a change. One
server owns a database, so nobody else changes it. A policy that was read before a commit is not kept if the commit came
in between.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Connection, Row, Table, select

from bulb.core.calls import Caller
from bulb.identity import managed
from bulb.identity.decisions import Statements
from bulb.identity.documents import statements_of
from bulb.identity.sessions import role_id
from bulb.storage.database import Database
from bulb.storage.schema.identity import (
    identity_attachments,
    identity_policies,
    identity_policy_versions,
    identity_role_policies,
    identity_roles,
    identity_user_attachments,
    identity_user_policies,
    identity_users,
)

# The channel of commits that change who is allowed what.
CHANGED = "identity"
MAX_CACHED = 10_000
_PRINCIPAL = re.compile(
    r"arn:aws:(?:iam::(\d{12}):(?:(root)|user/(?:.*/)?([^/]+))|sts::(\d{12}):assumed-role/([^/]+)/.+)"
)
_ROLE = re.compile(r"arn:aws:iam::(\d{12}):role/(?:.*/)?([^/]+)")


@dataclass(frozen=True, slots=True)
class Grants:
    """What somebody may do, and the condition keys that say who it is. `is_root`: everything in its account."""

    statements: Statements = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    is_root: bool = False


_NOTHING = Grants()


class CallerGrants:
    """The grants of all callers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._grants: dict[tuple[str, str], Grants] = {}
        self._trusts: dict[str, Statements] = {}
        self._changes = 0
        database.on_commit(CHANGED, self._forget)

    async def of(self, caller: Caller) -> Grants:
        """The caller's grants; none for who is not there (any more)."""
        key = (caller.arn, caller.user_id)
        found = self._grants.get(key)
        if found is None:
            changes = self._changes
            found = await self._database.read(lambda connection: _read(connection, caller))
            if changes == self._changes:
                _keep(self._grants, key, found)
        return found

    async def trust(self, role_arn: str) -> Statements:
        """Who may assume the role of that ARN; nobody where there is none."""
        found = self._trusts.get(role_arn)
        if found is None:
            changes = self._changes
            found = await self._database.read(lambda connection: _read_trust(connection, role_arn))
            if changes == self._changes:
                _keep(self._trusts, role_arn, found)
        return found

    def _forget(self) -> None:
        self._changes += 1
        self._grants.clear()
        self._trusts.clear()


def caller_of(role_arn: str) -> Caller:
    """Whoever a session of the role of that ARN would be."""
    account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    return Caller(account, None, f"arn:aws:sts::{account}:assumed-role/{name}/-", role_id(role_arn))


def _keep(cache: dict[Any, Any], key: Any, found: Any) -> None:
    if len(cache) >= MAX_CACHED:
        cache.clear()
    cache[key] = found


def _read(connection: Connection, caller: Caller) -> Grants:
    named = _PRINCIPAL.fullmatch(caller.arn)
    if named is None:
        return _NOTHING
    account, root, user, role_account, role = named.groups()
    if root:
        return Grants(keys={"aws:principalarn": caller.arn, "aws:principaltype": "Account"}, is_root=True)
    if user:
        return _of_user(connection, account, user, caller)
    return _of_role(connection, role_account, role, caller)


def _of_user(connection: Connection, account: str, name: str, caller: Caller) -> Grants:
    row = _named(connection, identity_users, account, name)
    if row is None or row.id != caller.user_id:
        return _NOTHING
    keys = {"aws:principalarn": caller.arn, "aws:principaltype": "User", "aws:username": row.name, **_tags(row)}
    statements = _inline(connection, identity_user_policies, identity_user_policies.c.user_id, row.id)
    attached = _attached(connection, identity_user_attachments, identity_user_attachments.c.user_id, row.id, account)
    return Grants((*statements, *attached), keys)


def _of_role(connection: Connection, account: str, name: str, caller: Caller) -> Grants:
    row = _named(connection, identity_roles, account, name)
    if row is None:
        return _NOTHING
    arn = f"arn:aws:iam::{account}:role{row.path}{row.name}"
    # A session of before the role was made again is not one of this role. Functions' sessions know the ARN alone.
    if caller.user_id.partition(":")[0] not in (row.id, role_id(arn)):
        return _NOTHING
    keys = {"aws:principalarn": arn, "aws:principaltype": "AssumedRole", **_tags(row)}
    statements = _inline(connection, identity_role_policies, identity_role_policies.c.role_id, row.id)
    attached = _attached(connection, identity_attachments, identity_attachments.c.role_id, row.id, account)
    return Grants((*statements, *attached), keys)


def _read_trust(connection: Connection, role_arn: str) -> Statements:
    named = _ROLE.fullmatch(role_arn)
    row = _named(connection, identity_roles, named[1], named[2]) if named is not None else None
    if row is None or role_arn != f"arn:aws:iam::{row.account}:role{row.path}{row.name}":
        return ()
    # A trust policy is about its own role and does not say so.
    return tuple({**statement, "Resource": "*"} for statement in statements_of(row.trust_policy))


def _named(connection: Connection, table: Table, account: str, name: str) -> Row[Any] | None:
    query = select(table).where(table.c.account == account, table.c.folded == name.lower())
    row = connection.execute(query).one_or_none()
    return row if row is not None and row.name == name else None


def _tags(row: Row[Any]) -> dict[str, str]:
    return {f"aws:principaltag/{key.lower()}": value for key, value in row.tags.items()}


def _inline(connection: Connection, table: Table, owner: Column[Any], owner_id: str) -> Statements:
    documents = connection.execute(select(table.c.document).where(owner == owner_id)).scalars()
    return _together(documents.all())


def _attached(connection: Connection, table: Table, owner: Column[Any], owner_id: str, account: str) -> Statements:
    arns = connection.execute(select(table.c.policy_arn).where(owner == owner_id)).scalars().all()
    return _together([document for arn in arns if (document := _document(connection, arn, account)) is not None])


def _document(connection: Connection, policy_arn: str, account: str) -> str | None:
    if managed.is_aws_managed(policy_arn):
        return managed.document(policy_arn)
    policy = _named(connection, identity_policies, account, policy_arn.rpartition("/")[2])
    if policy is None:
        return None
    versions = identity_policy_versions.c
    query = select(versions.document).where(versions.policy_id == policy.id, versions.version == policy.default_version)
    document: str | None = connection.execute(query).scalar_one_or_none()
    return document


def _together(documents: Sequence[str]) -> Statements:
    return tuple(statement for document in documents for statement in statements_of(document))
