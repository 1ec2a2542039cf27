"""Publishing: one message becomes one entry of the outbox for each subscription that takes it, in one transaction.

Who takes it, what they get and how it is signed is found before the transaction; only FIFO topics decide inside it:
which number a message has, whether it is kept, who waits for a replay. Calls and the deliveries of other rooms
(`prepare`) are published the same way.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from bulb.core.errors import AwsError
from bulb.delivery.doors import Doors
from bulb.delivery.model import Finish, Refusal
from bulb.services.sns import archive_store, archives, deliveries, documents, errors, messages, names, policies, store
from bulb.services.sns.directory import Directory
from bulb.services.sns.documents import Signature
from bulb.services.sns.model import Audience, Message, OwnUrl, Published, Subscription, TopicKey
from bulb.services.sns.signing import Signer
from bulb.storage import outbox
from bulb.storage.outbox import Entry

# Documents for more subscriptions than this take longer than a turn of the event loop should.
_INLINE = 50

# Publishes inside a transaction. Raises AwsError NotFound for a FIFO topic that is gone by then.
Publishing = Callable[[Connection], Published]


class Publisher:
    """Publishes to the topics of a directory."""

    def __init__(self, directory: Directory, signer: Signer, doors: Doors, own_url: OwnUrl) -> None:
        self._directory = directory
        self._signer = signer
        self._doors = doors
        self._own_url = own_url

    async def audience(self, key: TopicKey) -> Audience:
        """The topic, to check a message against. Raises AwsError NotFound."""
        found = await self._directory.audience(key)
        if found is None:
            raise errors.no_such_topic()
        return found

    async def publishing(self, audience: Audience, message: Message) -> Publishing:
        """What publishes a message when it is run in a transaction."""
        topic, own_url = audience.topic, await self._own_url()
        takers = [one.subscription for one in audience.subscribers if one.takes(message)]
        signatures = await self._signatures(audience, message, takers, own_url)

        def made(
            numbered: Message, waiting: frozenset[str] = frozenset()
        ) -> list[tuple[str, bytes, Mapping[str, Any]]]:
            now = [taker for taker in takers if taker.arn not in waiting]
            found = [deliveries.delivery(topic, taker, numbered, signatures, own_url) for taker in now]
            return [(one.destination_arn, one.payload, one.attributes) for one in found]

        # Nobody else's commit waits for documents, but where they carry a number that only the transaction gives.
        ready = None
        if not topic.is_fifo:
            ready = await asyncio.to_thread(made, message) if len(takers) > _INLINE else made(message)

        def publish(connection: Connection) -> Published:
            if ready is not None:
                outbox.add_all(connection, ready, message.published_at)
                return Published(message.message_id)
            known = store.known_message(connection, topic, message, message.published_at)
            if known is not None:
                return known
            number = store.number_message(connection, topic, message, message.published_at)
            numbered = replace(message, sequence_number=store.sequence_number(number))
            waiting: frozenset[str] = frozenset()
            if archives.has_archive(topic) or any("ReplayPolicy" in taker.attributes for taker in takers):
                waiting = archive_store.waiting(connection, topic.arn)
            if archives.has_archive(topic):
                archive_store.keep(connection, topic.arn, number, message, is_awaited=bool(waiting))
            outbox.add_all(connection, made(numbered, waiting), message.published_at)
            return Published(message.message_id, numbered.sequence_number)

        return publish

    async def prepare(self, entry: Entry, now: float) -> Finish:
        """Publish what another room has for a topic: the destination of deliveries to topics."""
        key = names.find_topic_key(entry.destination_arn)
        audience = await self._directory.audience(key) if key is not None else None
        if audience is None:
            return _refusing(Refusal("NO_RESOURCE", f"There is no topic {entry.destination_arn}."))
        topic = audience.topic
        refusal = self._doors.refusal(entry, policies.document(topic), "sns:Publish", topic.key.account)
        if refusal is not None:
            return _refusing(refusal)
        try:
            params = messages.entry_params(entry.payload, entry.attributes)
            messages.check_size(topic, params)
            trace_header = entry.attributes.get("trace_header")
            message = messages.message(topic, params, message_id=entry.delivery_id, now=now, trace_header=trace_header)
        except AwsError as error:
            return _refusing(Refusal("SDK_CLIENT_ERROR", error.message))
        publish = await self.publishing(audience, message)

        def finish(connection: Connection) -> Refusal | None:
            try:
                publish(connection)
            except AwsError as error:
                return Refusal("NO_RESOURCE", error.message)
            return None

        return finish

    async def _signatures(
        self, audience: Audience, message: Message, takers: list[Subscription], own_url: str
    ) -> dict[str, Signature]:
        topic = audience.topic
        texts = sorted(deliveries.texts_to_sign(topic, message, takers))
        signed = [
            self._signer.sign(documents.signed_members(topic, message, text), topic.signature_version, own_url)
            for text in texts
        ]
        return dict(zip(texts, await asyncio.gather(*signed), strict=True))


def _refusing(refusal: Refusal) -> Finish:
    return lambda connection: refusal
