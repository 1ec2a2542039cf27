"""When the messages of a receive attempt are visible again has a column of its own.

It was the first element of `message_ids`. The attempts that are there are dropped: they are good for five minutes, and
no message is lost or comes twice without one. A receive that is tried again across the update gets its messages when
their visibility timeout is over.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("DELETE FROM sqs_attempts")
    with op.batch_alter_table("sqs_attempts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("hidden_until", sa.Double(), nullable=False))
