"""Queues, topics, buses, schedules, timers and the journal."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "delivery_clock",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("latest", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_clock")),
    )
    op.create_table(
        "delivery_timers",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("key", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("try_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_delivery_timers")),
    )
    with op.batch_alter_table("delivery_timers", schema=None) as batch_op:
        batch_op.create_index("ix_delivery_timers_try", ["owner", "try_at"], unique=False)

    op.create_table(
        "events_api_destinations",
        sa.Column("account", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("region", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("connection_arn", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("rate", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("modified_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "name", name=op.f("pk_events_api_destinations")),
    )
    op.create_table(
        "events_archived",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("archive_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("event", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events_archived")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("events_archived", schema=None) as batch_op:
        batch_op.create_index("ix_events_archived_order", ["archive_id", "at", "id", "size"], unique=False)

    op.create_table(
        "events_archives",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("region", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("bus", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("pattern", sa.Text(), nullable=True),
        sa.Column("retention_days", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events_archives")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("events_archives", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_events_archives_account_region_name"), ["account", "region", "name"], unique=True
        )

    op.create_table(
        "events_buses",
        sa.Column("account", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("region", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("policy", sa.Text(), nullable=True),
        sa.Column("log_config", sa.JSON(), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("modified_at", sa.Double(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "name", name=op.f("pk_events_buses")),
    )
    op.create_table(
        "events_connections",
        sa.Column("account", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("region", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("modified_at", sa.Double(), nullable=False),
        sa.Column("authorized_at", sa.Double(), nullable=True),
        sa.Column("token", sa.Text(), nullable=True),
        sa.Column("token_until", sa.Double(), nullable=True),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "name", name=op.f("pk_events_connections")),
    )
    with op.batch_alter_table("events_connections", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_events_connections_state"), ["state"], unique=False)

    op.create_table(
        "events_replays",
        sa.Column("account", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("region", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("archive_id", sa.BigInteger(), nullable=False),
        sa.Column("archive_arn", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("bus", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("filter_arns", sa.JSON(), nullable=False),
        sa.Column("has_filter", sa.Boolean(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("event_start", sa.Double(), nullable=False),
        sa.Column("event_end", sa.Double(), nullable=False),
        sa.Column("state", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=True),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("last_at", sa.Double(), nullable=True),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "name", name=op.f("pk_events_replays")),
    )
    with op.batch_alter_table("events_replays", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_events_replays_state"), ["state"], unique=False)

    op.create_table(
        "events_rules",
        sa.Column("account", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("region", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("bus", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("pattern", sa.Text(), nullable=True),
        sa.Column("schedule", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("role_arn", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "bus", "name", name=op.f("pk_events_rules")),
    )
    op.create_table(
        "events_targets",
        sa.Column("account", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("region", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("bus", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("rule", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("arn", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "bus", "rule", "id", name=op.f("pk_events_targets")),
    )
    with op.batch_alter_table("events_targets", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_events_targets_account_region_arn"), ["account", "region", "arn"], unique=False
        )

    op.create_table(
        "journal_events",
        sa.Column("id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("source_label", sa.Text(), nullable=True),
        sa.Column("about", sa.Text(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("target_label", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("duration_ms", sa.Double(), nullable=True),
        sa.Column("next_at", sa.Double(), nullable=True),
        sa.Column("told", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_events")),
    )
    with op.batch_alter_table("journal_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_journal_events_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_journal_events_sequence"), ["sequence"], unique=False)

    op.create_table(
        "scheduler_groups",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("modified_at", sa.Double(), nullable=False),
        sa.Column("request", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scheduler_groups")),
        sa.UniqueConstraint("account", "region", "name", name=op.f("uq_scheduler_groups_account_region_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "scheduler_schedules",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("group_name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("expression", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("start_at", sa.Double(), nullable=True),
        sa.Column("end_at", sa.Double(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("window_minutes", sa.Integer(), nullable=True),
        sa.Column("after_completion", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("modified_at", sa.Double(), nullable=False),
        sa.Column("anchor", sa.Double(), nullable=False),
        sa.Column("next_tick", sa.Double(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("request", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scheduler_schedules")),
        sa.UniqueConstraint(
            "account",
            "region",
            "group_name",
            "name",
            name=op.f("uq_scheduler_schedules_account_region_group_name_name"),
        ),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("scheduler_schedules", schema=None) as batch_op:
        batch_op.create_index("ix_scheduler_schedules_next", ["next_tick"], unique=False)

    op.create_table(
        "scheduler_tombstones",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "resource", name=op.f("pk_scheduler_tombstones")),
    )
    with op.batch_alter_table("scheduler_tombstones", schema=None) as batch_op:
        batch_op.create_index("ix_scheduler_tombstones_at", ["at"], unique=False)

    op.create_table(
        "sns_deduplication",
        sa.Column("topic_arn", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("scope", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("deduplication_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("sequence_number", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("topic_arn", "scope", "deduplication_id", name=op.f("pk_sns_deduplication")),
    )
    with op.batch_alter_table("sns_deduplication", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sns_deduplication_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "sns_signing",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("certificate", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sns_signing")),
    )
    op.create_table(
        "sns_subscriptions",
        sa.Column("arn", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("topic_arn", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("was_authenticated", sa.Boolean(), nullable=False),
        sa.Column("is_locked", sa.Boolean(), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("arn", name=op.f("pk_sns_subscriptions")),
    )
    with op.batch_alter_table("sns_subscriptions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_sns_subscriptions_owner_region_arn"), ["owner", "region", "arn"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_sns_subscriptions_state_changed_at"), ["state", "changed_at"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_sns_subscriptions_topic_arn_state"), ["topic_arn", "state"], unique=False)

    op.create_table(
        "sns_topics",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("next_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "name", name=op.f("pk_sns_topics")),
    )
    op.create_table(
        "sqs_attempts",
        sa.Column("queue_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("attempt_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.Column("claim", sa.BigInteger(), nullable=False),
        sa.Column("message_ids", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("queue_id", "attempt_id", name=op.f("pk_sqs_attempts")),
    )
    with op.batch_alter_table("sqs_attempts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sqs_attempts_received_at"), ["received_at"], unique=False)

    op.create_table(
        "sqs_deduplications",
        sa.Column("queue_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("deduplication_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("scope", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("sent_at", sa.Double(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("queue_id", "deduplication_id", "scope", name=op.f("pk_sqs_deduplications")),
    )
    with op.batch_alter_table("sqs_deduplications", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sqs_deduplications_sent_at"), ["sent_at"], unique=False)

    op.create_table(
        "sqs_groups",
        sa.Column("queue_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lane", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("ready_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("queue_id", "lane", name=op.f("pk_sqs_groups")),
    )
    with op.batch_alter_table("sqs_groups", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_sqs_groups_queue_id_ready_at_lane"), ["queue_id", "ready_at", "lane"], unique=False
        )

    op.create_table(
        "sqs_messages",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("queue_id", sa.BigInteger(), nullable=False),
        sa.Column("visible_at", sa.Double(), nullable=False),
        sa.Column("sent_at", sa.Double(), nullable=False),
        sa.Column("claim", sa.BigInteger(), nullable=False),
        sa.Column("claimed_at", sa.Double(), nullable=True),
        sa.Column("receive_count", sa.Integer(), nullable=False),
        sa.Column("first_received_at", sa.Double(), nullable=True),
        sa.Column("lane", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("trace_header", sa.Text(), nullable=True),
        sa.Column("deduplication_id", sa.Text(), nullable=True),
        sa.Column("source_arn", sa.Text(), nullable=True),
        sa.Column("received_elsewhere", sa.Integer(), nullable=False),
        sa.Column("body_md5", sa.Text(), nullable=False),
        sa.Column("attributes_md5", sa.Text(), nullable=True),
        sa.Column("attributes", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sqs_messages")),
    )
    with op.batch_alter_table("sqs_messages", schema=None) as batch_op:
        batch_op.create_index("ix_sqs_messages_age", ["queue_id", "sent_at"], unique=False)
        batch_op.create_index("ix_sqs_messages_due", ["queue_id", "visible_at", "id"], unique=False)
        batch_op.create_index(
            "ix_sqs_messages_lane", ["queue_id", "lane", "id"], unique=False, sqlite_where=sa.text("lane IS NOT NULL")
        )

    op.create_table(
        "sqs_move_tasks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("source_arn", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("destination_arn", sa.Text(), nullable=True),
        sa.Column("rate", sa.Integer(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.Column("moved", sa.BigInteger(), nullable=False),
        sa.Column("to_move", sa.BigInteger(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sqs_move_tasks")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("sqs_move_tasks", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sqs_move_tasks_source_arn_id"), ["source_arn", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_sqs_move_tasks_status"), ["status"], unique=False)

    op.create_table(
        "sqs_queues",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("is_fifo", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("modified_at", sa.Double(), nullable=False),
        sa.Column("purged_at", sa.Double(), nullable=False),
        sa.Column("deleted_at", sa.Double(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sqs_queues")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("sqs_queues", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_sqs_queues_account_region_name_deleted_at"),
            ["account", "region", "name", "deleted_at"],
            unique=True,
        )

    op.create_table(
        "logs_subscription_filters",
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("pattern", sa.Text(), nullable=False),
        sa.Column("destination_arn", sa.Text(), nullable=False),
        sa.Column("distribution", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["telemetry_log_groups.id"],
            name=op.f("fk_logs_subscription_filters_group_id_telemetry_log_groups"),
        ),
        sa.PrimaryKeyConstraint("group_id", "name", name=op.f("pk_logs_subscription_filters")),
    )
    with op.batch_alter_table("s3_buckets", schema=None) as batch_op:
        batch_op.add_column(sa.Column("event_bridge", sa.Boolean(), server_default="0", nullable=False))
