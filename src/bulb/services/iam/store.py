"""IAM's rows. Functions of a connection; names are looked up without regard to case.

Every change is told to those who keep policies in memory, once it is committed.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, insert, select, update

from bulb.identity.grants import CHANGED
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
from bulb.storage.signals import notify

policies, versions = identity_policies, identity_policy_versions
roles, users = identity_roles, identity_users


def find(connection: Connection, table: Table, account: str, name: str) -> Row[Any] | None:
    """The role, user or policy of that name."""
    query = select(table).where(table.c.account == account, table.c.folded == name.lower())
    return connection.execute(query).one_or_none()


def listed(connection: Connection, table: Table, account: str, path_prefix: str) -> list[Row[Any]]:
    """The roles, users or policies of an account below a path."""
    rows = connection.execute(select(table).where(table.c.account == account)).all()
    return [row for row in rows if row.path.startswith(path_prefix)]


def add(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert a row; one with a name gets its `folded`."""
    folded = {"folded": row["name"].lower()} if "folded" in table.c else {}
    notify(connection, CHANGED)
    connection.execute(insert(table).values(**row, **folded))


def change(connection: Connection, table: Table, entity_id: str, **values: Any) -> None:
    """Set columns of the row with that id."""
    notify(connection, CHANGED)
    connection.execute(update(table).where(table.c.id == entity_id).values(**values))


def remove(connection: Connection, table: Table, entity_id: str) -> None:
    """Delete the row with that id."""
    notify(connection, CHANGED)
    connection.execute(delete(table).where(table.c.id == entity_id))


# Policies inside a role or user, and managed ones attached to it.


@dataclass(frozen=True, slots=True)
class Holder:
    """Where the policies of roles, or of users, are. `owner` is the column that says whose a policy is."""

    entities: Table
    inline: Table
    attachments: Table
    owner: str


ROLES = Holder(roles, identity_role_policies, identity_attachments, "role_id")
USERS = Holder(users, identity_user_policies, identity_user_attachments, "user_id")


def put_inline(connection: Connection, holder: Holder, owner_id: str, name: str, document: str) -> None:
    """Add an inline policy, or replace the one of that name."""
    remove_inline(connection, holder, owner_id, name)
    add(connection, holder.inline, {holder.owner: owner_id, "name": name, "document": document})


def inline(connection: Connection, holder: Holder, owner_id: str) -> dict[str, str]:
    """Somebody's inline policies by name."""
    table = holder.inline
    query = select(table.c.name, table.c.document).where(table.c[holder.owner] == owner_id)
    return {row.name: row.document for row in connection.execute(query)}


def remove_inline(connection: Connection, holder: Holder, owner_id: str, name: str) -> bool:
    """Delete an inline policy; whether there was one."""
    table = holder.inline
    notify(connection, CHANGED)
    statement = delete(table).where(table.c[holder.owner] == owner_id, table.c.name == name)
    return connection.execute(statement).rowcount > 0


def attach(connection: Connection, holder: Holder, owner_id: str, policy_arn: str, policy_name: str) -> None:
    """Attach a policy; attaching it again changes nothing."""
    if all(row.policy_arn != policy_arn for row in attached(connection, holder, owner_id)):
        row = {holder.owner: owner_id, "policy_arn": policy_arn, "policy_name": policy_name}
        add(connection, holder.attachments, row)


def attached(connection: Connection, holder: Holder, owner_id: str) -> list[Row[Any]]:
    """The managed policies somebody has."""
    table = holder.attachments
    return list(connection.execute(select(table).where(table.c[holder.owner] == owner_id)).all())


def detach(connection: Connection, holder: Holder, owner_id: str, policy_arn: str) -> bool:
    """Detach a policy; whether it was attached."""
    table = holder.attachments
    notify(connection, CHANGED)
    statement = delete(table).where(table.c[holder.owner] == owner_id, table.c.policy_arn == policy_arn)
    return connection.execute(statement).rowcount > 0


def holders(connection: Connection, holder: Holder, policy_arn: str, account: str) -> list[Row[Any]]:
    """The account's roles, or users, that a policy is attached to."""
    entities, links = holder.entities, holder.attachments
    query = select(entities).join(links).where(links.c.policy_arn == policy_arn, entities.c.account == account)
    return list(connection.execute(query).all())


def attachment_counts(connection: Connection, account: str) -> Counter[str]:
    """To how many roles and users of the account each policy is attached, by ARN."""
    counts: Counter[str] = Counter()
    for holder in (ROLES, USERS):
        entities, links = holder.entities, holder.attachments
        query = select(links.c.policy_arn).join(entities).where(entities.c.account == account)
        counts.update(connection.execute(query).scalars())
    return counts


# Versions of managed policies.


def policy_versions(connection: Connection, policy_id: str) -> list[Row[Any]]:
    """A policy's versions, oldest first."""
    query = select(versions).where(versions.c.policy_id == policy_id).order_by(versions.c.version)
    return list(connection.execute(query).all())


def remove_version(connection: Connection, policy_id: str, version: int) -> None:
    """Delete a version of a policy."""
    notify(connection, CHANGED)
    connection.execute(delete(versions).where(versions.c.policy_id == policy_id, versions.c.version == version))
