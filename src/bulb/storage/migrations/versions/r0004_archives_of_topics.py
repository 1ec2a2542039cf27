"""Archives of FIFO topics, and what is replayed of them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "sns_archived",
        sa.Column("topic_arn", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("published_at", sa.Double(), nullable=False),
        sa.Column("message", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("topic_arn", "number", name=op.f("pk_sns_archived")),
    )
    with op.batch_alter_table("sns_archived", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_sns_archived_topic_arn_published_at"), ["topic_arn", "published_at"], unique=False
        )

    op.create_table(
        "sns_replays",
        sa.Column("subscription_arn", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("topic_arn", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("begins_at", sa.Double(), nullable=False),
        sa.Column("ends_at", sa.Double(), nullable=True),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("subscription_arn", name=op.f("pk_sns_replays")),
    )
    with op.batch_alter_table("sns_replays", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sns_replays_topic_arn"), ["topic_arn"], unique=False)
