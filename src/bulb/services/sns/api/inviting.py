"""Asking endpoints to confirm, and telling them of the end: signed documents, sent like messages."""

from sqlalchemy import Connection

from bulb.core.ids import request_id
from bulb.services.sns import deliveries, documents
from bulb.services.sns.api.base import Operations
from bulb.services.sns.model import Delivery, Subscription, Topic
from bulb.storage import outbox


class Inviting(Operations):
    """The base of operations that write to endpoints themselves."""

    async def _invitation(self, topic: Topic, subscription: Subscription, kind: str) -> Delivery:
        """What asks to confirm a subscription, or tells of its end and how to undo that; signed."""
        base_url = subscription.base_url or await self._parts.own_url()
        now = subscription.changed_at
        document = documents.invitation(topic, kind, request_id(), subscription, base_url, now)
        signature = await self._parts.signer.sign(document, topic.signature_version, base_url)
        signed = documents.with_signature(document, signature)
        names_subscription = kind != "SubscriptionConfirmation"
        return deliveries.invitation(topic, subscription, signed, names_subscription=names_subscription)

    def _send(self, connection: Connection, delivery: Delivery, now: float) -> None:
        outbox.add(connection, delivery.destination_arn, delivery.payload, delivery.attributes, now)
