"""What all operations work with."""

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from bulb.core.calls import Answer, Call
from bulb.services.sns import errors, names, store
from bulb.services.sns.model import OwnUrl, Topic, TopicKey
from bulb.services.sns.publisher import Publisher
from bulb.services.sns.signing import Signer
from bulb.services.sns.statuses import Statuses
from bulb.storage.database import Database

PAGE = 100


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of the room. `locks`: only signed requests end what was confirmed by one, as on AWS."""

    database: Database
    publisher: Publisher
    signer: Signer
    statuses: Statuses
    own_url: OwnUrl
    locks: bool


class Operations:
    """The base of every group of operations."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._database = parts.database

    async def _change_topic(self, call: Call, change: Callable[[Connection, Topic], None]) -> Answer:
        """Do something to the topic that the call names, in one transaction."""
        key = self._topic_key(call)

        def run(connection: Connection) -> None:
            change(connection, existing(connection, key))

        await self._database.write(run)
        return {}

    def _topic_key(self, call: Call) -> TopicKey:
        return names.topic_key(call.params["TopicArn"], call.region)


def existing(connection: Connection, key: TopicKey) -> Topic:
    """The topic. Raises AwsError NotFound."""
    topic = store.find_topic(connection, key)
    if topic is None:
        raise errors.no_such_topic()
    return topic


def token(last: str) -> str:
    """What asks for the page behind an item."""
    return base64.b64encode(json.dumps([last]).encode()).decode()


def after(given: str | None) -> str:
    """The item that a token stands for, empty for none. Raises InvalidParameter."""
    if not given:
        return ""
    try:
        found = json.loads(base64.b64decode(given, validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise errors.invalid("NextToken") from None
    if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], str):
        raise errors.invalid("NextToken")
    last: str = found[0]
    if not last.isascii():
        raise errors.invalid("NextToken")
    return last
