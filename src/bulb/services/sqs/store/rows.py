"""Messages as rows."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, select

from bulb.services.sqs.model import NewMessage, Queue, StoredMessage
from bulb.storage.schema.sqs import messages

m = messages.c
COLUMNS = (
    m.id,
    m.queue_id,
    m.visible_at,
    m.sent_at,
    m.claim,
    m.claimed_at,
    m.receive_count,
    m.first_received_at,
    m.lane,
    m.message_id,
    m.sender,
    m.trace_header,
    m.deduplication_id,
    m.source_arn,
    m.received_elsewhere,
    m.body_md5,
    m.attributes_md5,
    m.attributes,
    m.body,
)
SELECT: Select[Any] = select(*COLUMNS)
_DELETE = delete(messages).where(m.id == bindparam("message"))


def row_of(queue: Queue, new: NewMessage, number: int, now: float) -> dict[str, Any]:
    """A new message as a row; always the same columns, so that many are inserted by one statement."""
    delay = queue.delay_s if new.delay_s is None else new.delay_s
    return {
        "id": number,
        "queue_id": queue.id,
        "visible_at": now + delay,
        "sent_at": now,
        "claim": 0,
        "receive_count": 0,
        "received_elsewhere": 0,
        "lane": new.group,
        "message_id": new.message_id,
        "sender": new.sender,
        "trace_header": new.trace_header,
        "deduplication_id": new.deduplication_id,
        "body_md5": new.body_md5,
        "attributes_md5": new.attributes_md5,
        "attributes": new.attributes,
        "body": new.body,
    }


def message_of(row: Row[Any]) -> StoredMessage:
    """A row of `SELECT`."""
    return StoredMessage._make(row)


def remove(connection: Connection, ids: Sequence[int]) -> None:
    """Remove messages."""
    if ids:
        connection.execute(_DELETE, [{"message": id_} for id_ in ids])
