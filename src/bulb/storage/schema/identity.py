"""Who exists: users, their access keys, roles and policies. IAM is global: an account, no region.

Names are unique in an account without regard to case (`folded` is the name in lower case). Documents are stored as the
text that was given.
"""

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Integer, Table, Text
from sqlalchemy import UniqueConstraint as Unique

from bulb.storage.schema.base import ByteText, Real, RowId, metadata

identity_users = Table(
    "identity_users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("name", ByteText, nullable=False),
    Column("folded", ByteText, nullable=False),
    Column("path", ByteText, nullable=False),
    Column("created_at", Real, nullable=False),
    Column("tags", JSON, nullable=False),
    Unique("account", "folded"),
)

identity_access_keys = Table(
    "identity_access_keys",
    metadata,
    Column("access_key", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("identity_users.id"), nullable=False, index=True),
    Column("secret", Text, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", Real, nullable=False),
)

identity_roles = Table(
    "identity_roles",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("name", ByteText, nullable=False),
    Column("folded", ByteText, nullable=False),
    Column("path", ByteText, nullable=False),
    Column("created_at", Real, nullable=False),
    Column("trust_policy", Text, nullable=False),
    Column("description", Text),
    Column("max_session_s", Integer, nullable=False),
    Column("tags", JSON, nullable=False),
    Unique("account", "folded"),
)

identity_role_policies = Table(
    "identity_role_policies",
    metadata,
    Column("role_id", Text, ForeignKey("identity_roles.id"), primary_key=True),
    Column("name", ByteText, primary_key=True),
    Column("document", Text, nullable=False),
)

identity_policies = Table(
    "identity_policies",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("name", ByteText, nullable=False),
    Column("folded", ByteText, nullable=False),
    Column("path", ByteText, nullable=False),
    Column("description", Text),
    Column("created_at", Real, nullable=False),
    Column("updated_at", Real, nullable=False),
    Column("next_version", Integer, nullable=False),
    Column("default_version", Integer, nullable=False),
    Column("tags", JSON, nullable=False),
    Unique("account", "folded"),
)

identity_policy_versions = Table(
    "identity_policy_versions",
    metadata,
    Column("policy_id", Text, ForeignKey("identity_policies.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", Text, nullable=False),
    Column("created_at", Real, nullable=False),
)

# `policy_arn` may name a policy of AWS's own, which has no row.
identity_attachments = Table(
    "identity_attachments",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("role_id", Text, ForeignKey("identity_roles.id"), nullable=False),
    Column("policy_arn", ByteText, nullable=False, index=True),
    Column("policy_name", ByteText, nullable=False),
    Unique("role_id", "policy_arn"),
)

identity_user_policies = Table(
    "identity_user_policies",
    metadata,
    Column("user_id", Text, ForeignKey("identity_users.id"), primary_key=True),
    Column("name", ByteText, primary_key=True),
    Column("document", Text, nullable=False),
)

identity_user_attachments = Table(
    "identity_user_attachments",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("user_id", Text, ForeignKey("identity_users.id"), nullable=False),
    Column("policy_arn", ByteText, nullable=False, index=True),
    Column("policy_name", ByteText, nullable=False),
    Unique("user_id", "policy_arn"),
)
