"""IAM's rows. Functions of a connection; names are looked up without regard to case."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, func, insert, select, update

from bulb.storage.schema.identity import (
    identity_attachments,
    identity_policies,
    identity_policy_versions,
    identity_role_policies,
    identity_roles,
    identity_users,
)

attachments, policies, versions = identity_attachments, identity_policies, identity_policy_versions
role_policies, roles, users = identity_role_policies, identity_roles, identity_users


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
    connection.execute(insert(table).values(**row, **folded))


def change(connection: Connection, table: Table, entity_id: str, **values: Any) -> None:
    """Set columns of the row with that id."""
    connection.execute(update(table).where(table.c.id == entity_id).values(**values))


def remove(connection: Connection, table: Table, entity_id: str) -> None:
    """Delete the row with that id."""
    connection.execute(delete(table).where(table.c.id == entity_id))


# Inline policies of a role.


def put_inline(connection: Connection, role_id: str, name: str, document: str) -> None:
    """Add an inline policy, or replace the one of that name."""
    remove_inline(connection, role_id, name)
    add(connection, role_policies, {"role_id": role_id, "name": name, "document": document})


def inline(connection: Connection, role_id: str) -> dict[str, str]:
    """A role's inline policies by name."""
    query = select(role_policies.c.name, role_policies.c.document).where(role_policies.c.role_id == role_id)
    return {row.name: row.document for row in connection.execute(query)}


def remove_inline(connection: Connection, role_id: str, name: str) -> bool:
    """Delete an inline policy; whether there was one."""
    statement = delete(role_policies).where(role_policies.c.role_id == role_id, role_policies.c.name == name)
    return connection.execute(statement).rowcount > 0


# Managed policies.


def attach(connection: Connection, role_id: str, policy_arn: str, policy_name: str) -> None:
    """Attach a policy; attaching it again changes nothing."""
    if all(row.policy_arn != policy_arn for row in attached(connection, role_id)):
        add(connection, attachments, {"role_id": role_id, "policy_arn": policy_arn, "policy_name": policy_name})


def attached(connection: Connection, role_id: str) -> list[Row[Any]]:
    """The policies attached to a role."""
    return list(connection.execute(select(attachments).where(attachments.c.role_id == role_id)).all())


def detach(connection: Connection, role_id: str, policy_arn: str) -> bool:
    """Detach a policy; whether it was attached."""
    statement = delete(attachments).where(attachments.c.role_id == role_id, attachments.c.policy_arn == policy_arn)
    return connection.execute(statement).rowcount > 0


def attached_roles(connection: Connection, policy_arn: str, account: str) -> list[Row[Any]]:
    """The account's roles that a policy is attached to."""
    query = select(roles).join(attachments).where(attachments.c.policy_arn == policy_arn, roles.c.account == account)
    return list(connection.execute(query).all())


def attachment_counts(connection: Connection, account: str) -> dict[str, int]:
    """How many roles of the account each policy is attached to, by ARN."""
    query = (
        select(attachments.c.policy_arn, func.count())
        .join(roles)
        .where(roles.c.account == account)
        .group_by(attachments.c.policy_arn)
    )
    return {policy_arn: int(count) for policy_arn, count in connection.execute(query)}


def policy_versions(connection: Connection, policy_id: str) -> list[Row[Any]]:
    """A policy's versions, oldest first."""
    query = select(versions).where(versions.c.policy_id == policy_id).order_by(versions.c.version)
    return list(connection.execute(query).all())


def remove_version(connection: Connection, policy_id: str, version: int) -> None:
    """Delete a version of a policy."""
    connection.execute(delete(versions).where(versions.c.policy_id == policy_id, versions.c.version == version))
