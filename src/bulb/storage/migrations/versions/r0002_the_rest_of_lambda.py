"""The rest of Lambda."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "lambda_code_signing_configs",
        sa.Column("id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("publishers", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("last_modified", sa.Double(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lambda_code_signing_configs")),
    )
    with op.batch_alter_table("lambda_code_signing_configs", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_lambda_code_signing_configs_account_region_id"), ["account", "region", "id"], unique=False
        )

    op.create_table(
        "lambda_event_source_mappings",
        sa.Column("uuid", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("qualifier", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("event_source_arn", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("last_modified", sa.Double(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("uuid", name=op.f("pk_lambda_event_source_mappings")),
    )
    with op.batch_alter_table("lambda_event_source_mappings", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_lambda_event_source_mappings_account_region_uuid"),
            ["account", "region", "uuid"],
            unique=False,
        )

    op.create_table(
        "lambda_layer_versions",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("license_info", sa.Text(), nullable=True),
        sa.Column("runtimes", sa.Text(), nullable=False),
        sa.Column("architectures", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("code_size", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("revision_id", sa.Text(), nullable=False),
        sa.Column("statements", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "name", "version", name=op.f("pk_lambda_layer_versions")),
    )
    op.create_table(
        "lambda_layers",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("next_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "name", name=op.f("pk_lambda_layers")),
    )
    op.create_table(
        "identity_user_attachments",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("policy_arn", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("policy_name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_users.id"], name=op.f("fk_identity_user_attachments_user_id_identity_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_user_attachments")),
        sa.UniqueConstraint("user_id", "policy_arn", name=op.f("uq_identity_user_attachments_user_id_policy_arn")),
    )
    with op.batch_alter_table("identity_user_attachments", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_user_attachments_policy_arn"), ["policy_arn"], unique=False)

    op.create_table(
        "identity_user_policies",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_users.id"], name=op.f("fk_identity_user_policies_user_id_identity_users")
        ),
        sa.PrimaryKeyConstraint("user_id", "name", name=op.f("pk_identity_user_policies")),
    )
    op.create_table(
        "lambda_aliases",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("alias", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("version", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("weights", sa.Text(), nullable=False),
        sa.Column("revision_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account", "region", "name"],
            ["lambda_functions.account", "lambda_functions.region", "lambda_functions.name"],
            name="fk_lambda_aliases_function",
        ),
        sa.PrimaryKeyConstraint("account", "region", "name", "alias", name=op.f("pk_lambda_aliases")),
    )
    op.create_table(
        "lambda_event_invoke_configs",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("qualifier", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("last_modified", sa.Double(), nullable=False),
        sa.Column("max_retries", sa.Integer(), nullable=True),
        sa.Column("max_age_s", sa.Integer(), nullable=True),
        sa.Column("on_success", sa.Text(), nullable=True),
        sa.Column("on_failure", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account", "region", "name"],
            ["lambda_functions.account", "lambda_functions.region", "lambda_functions.name"],
            name="fk_lambda_event_invoke_configs_function",
        ),
        sa.PrimaryKeyConstraint("account", "region", "name", "qualifier", name=op.f("pk_lambda_event_invoke_configs")),
    )
    op.create_table(
        "lambda_function_code_signing",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("config", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account", "region", "name"],
            ["lambda_functions.account", "lambda_functions.region", "lambda_functions.name"],
            name="fk_lambda_function_code_signing_function",
        ),
        sa.PrimaryKeyConstraint("account", "region", "name", name=op.f("pk_lambda_function_code_signing")),
    )
    with op.batch_alter_table("lambda_function_code_signing", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_lambda_function_code_signing_config"), ["config"], unique=False)

    op.create_table(
        "lambda_provisioned_concurrency",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("qualifier", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("executions", sa.Integer(), nullable=False),
        sa.Column("last_modified", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account", "region", "name"],
            ["lambda_functions.account", "lambda_functions.region", "lambda_functions.name"],
            name="fk_lambda_provisioned_concurrency_function",
        ),
        sa.PrimaryKeyConstraint(
            "account", "region", "name", "qualifier", name=op.f("pk_lambda_provisioned_concurrency")
        ),
    )
    op.create_table(
        "lambda_recursion",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("allowed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account", "region", "name"],
            ["lambda_functions.account", "lambda_functions.region", "lambda_functions.name"],
            name="fk_lambda_recursion_function",
        ),
        sa.PrimaryKeyConstraint("account", "region", "name", name=op.f("pk_lambda_recursion")),
    )
    op.create_table(
        "lambda_reserved_concurrency",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("executions", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account", "region", "name"],
            ["lambda_functions.account", "lambda_functions.region", "lambda_functions.name"],
            name="fk_lambda_reserved_concurrency_function",
        ),
        sa.PrimaryKeyConstraint("account", "region", "name", name=op.f("pk_lambda_reserved_concurrency")),
    )
    op.create_table(
        "lambda_urls",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("qualifier", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("url_id", sa.Text(), nullable=False),
        sa.Column("auth_type", sa.Text(), nullable=False),
        sa.Column("cors", sa.Text(), nullable=True),
        sa.Column("invoke_mode", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("last_modified", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account", "region", "name"],
            ["lambda_functions.account", "lambda_functions.region", "lambda_functions.name"],
            name="fk_lambda_urls_function",
        ),
        sa.PrimaryKeyConstraint("account", "region", "name", "qualifier", name=op.f("pk_lambda_urls")),
        sa.UniqueConstraint("url_id", name=op.f("uq_lambda_urls_url_id")),
    )
    with op.batch_alter_table("billing_ledger", schema=None) as batch_op:
        batch_op.add_column(sa.Column("provisioned_mb_ms", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("provisioned_run_mb_ms", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("streamed_bytes", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("snapshot_mb_ms", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("restored_mb", sa.BigInteger(), server_default="0", nullable=False))

    with op.batch_alter_table("lambda_policies", schema=None) as batch_op:
        batch_op.add_column(sa.Column("head", sa.Text(), nullable=True))

    with op.batch_alter_table("lambda_versions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("published_from", sa.Text(), nullable=True))
