"""A queue as a page: how full it is, and its messages as they lie there. Pure."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from bulb.pages.answers import check_names, number
from bulb.services.sqs.model import Counts, Queue, StoredMessage
from bulb.services.sqs.views import system_attributes

_MOST_MESSAGES = 1_000


def query(text: str) -> tuple[str, int]:
    """Which queue, and how many of its messages. Raises ValueError naming what cannot be."""
    given = parse_qs(text, keep_blank_values=True)
    check_names(given, {"queue", "limit"})
    if "queue" not in given:
        message = "queue says which queue, by its ARN"
        raise ValueError(message)
    return given["queue"][-1], int(number(given, "limit", 100, 0, _MOST_MESSAGES))


def document(queue: Queue, counts: Counts, messages: Sequence[StoredMessage], limit: int) -> dict[str, Any]:
    """The page. `messages` begin with the oldest; of them `limit` are shown."""
    return {
        "queue": queue.arn,
        "messages": {"visible": counts.visible, "in_flight": counts.in_flight, "delayed": counts.delayed},
        "oldest_at": messages[0].sent_at if messages else None,
        "shown": [
            {
                "message_id": message.message_id,
                "sent_at": message.sent_at,
                "visible_at": message.visible_at,
                "attributes": system_attributes(message, queue),
                "message_attributes": json.loads(message.attributes or "{}"),
                "body": message.body,
            }
            for message in messages[:limit]
        ],
    }
