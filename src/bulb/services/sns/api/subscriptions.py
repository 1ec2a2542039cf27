"""Subscriptions: subscribe, list, and their attributes.

An endpoint of the caller's own account is confirmed at once; others are asked to confirm, in the same transaction.
"""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from sqlalchemy import Connection

from bulb.config import is_loopback
from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError
from bulb.core.ids import hex_id, request_id
from bulb.services.sns import archive_store, archives, delivery_policy, errors, names, store, subscription_rules
from bulb.services.sns.api.base import PAGE, after, existing, token
from bulb.services.sns.api.inviting import Inviting
from bulb.services.sns.model import MESSAGE_BYTES, Subscription, Topic, TopicKey
from bulb.services.sns.subscription_rules import Wanted

_PENDING = "PendingConfirmation"
_TOKEN_DIGITS = 224
_MOST_OF_FIFO, _MOST_OF_LARGE, _MOST_FILTERS = 100, 100, 200


class SubscriptionOperations(Inviting):
    """Operations on subscriptions."""

    async def subscribe(self, call: Call) -> Answer:
        """Subscribe. A subscription that is there already is answered, unless other attributes are asked for."""
        params, key = call.params, self._topic_key(call)
        given = params.get("Attributes") or {}
        topic = await self._database.read(lambda connection: existing(connection, key))
        wanted = subscription_rules.wanted(topic, params["Protocol"], params.get("Endpoint") or "", given, call.now)
        twin = await self._database.read(
            lambda connection: store.find_twin(connection, key.arn, wanted.protocol, wanted.endpoint, call.now)
        )
        subscription = twin or self._new(call, key, wanted)
        invited = subscription.state == "pending"
        invitation = await self._invitation(topic, subscription, "SubscriptionConfirmation") if invited else None

        def subscribe(connection: Connection) -> Subscription:
            store.forget_stale(connection, call.now)
            found = store.find_twin(connection, key.arn, wanted.protocol, wanted.endpoint, call.now)
            if found is None:
                topic = existing(connection, key)
                _check_room(connection, topic, wanted.attributes)
                store.put_subscription(connection, subscription)
                _replay(connection, subscription)
            elif subscription_rules.differs(found, given, wanted.attributes):
                raise errors.invalid("Attributes Reason: Subscription already exists with different attributes")
            if invitation is not None and (found is None or found.arn == subscription.arn):
                self._send(connection, invitation, call.now)
            return found or subscription

        made = await self._database.write(subscribe)
        if made.state == "pending" and not params.get("ReturnSubscriptionArn"):
            return {"SubscriptionArn": "pending confirmation"}
        return {"SubscriptionArn": made.arn}

    async def get_subscription_attributes(self, call: Call) -> Answer:
        """GetSubscriptionAttributes."""
        arn = names.check_subscription_arn(call.params["SubscriptionArn"], call.region)

        def get(connection: Connection) -> dict[str, str]:
            subscription = _own(connection, arn, call)
            topic = store.topic_of(connection, subscription)
            shown = _shown(subscription, topic.attributes.get("DeliveryPolicy") if topic is not None else None)
            replay = archive_store.find(connection, arn)
            return {**shown, "ReplayStatus": replay.state} if replay is not None else shown

        return {"Attributes": await self._database.read(get)}

    async def set_subscription_attributes(self, call: Call) -> Answer:
        """SetSubscriptionAttributes."""
        params = call.params
        arn = names.check_subscription_arn(params["SubscriptionArn"], call.region)

        def change(connection: Connection) -> None:
            found = _own(connection, arn, call)
            key = names.topic_key(found.topic_arn, None)
            topic = existing(connection, key)
            name, value = params["AttributeName"], params.get("AttributeValue", "")
            attributes = subscription_rules.changed(
                topic, found.protocol, found.endpoint, found.attributes, name, value, call.now
            )
            if "FilterPolicy" in attributes and "FilterPolicy" not in found.attributes:
                _check_filters(connection, topic)
            changed = replace(found, attributes=attributes)
            store.put_subscription(connection, changed)
            if name == "ReplayPolicy":
                _replay(connection, changed)

        await self._database.write(change)
        return {}

    async def list_subscriptions(self, call: Call) -> Answer:
        """ListSubscriptions: the caller's own, of whosever topics."""
        return await self._listed(call, None, (call.account, call.region))

    async def list_subscriptions_by_topic(self, call: Call) -> Answer:
        """ListSubscriptionsByTopic."""
        return await self._listed(call, self._topic_key(call), None)

    async def _listed(self, call: Call, key: TopicKey | None, owner: tuple[str, str] | None) -> Answer:
        behind = after(call.params.get("NextToken"))

        def read(connection: Connection) -> list[Subscription]:
            if key is not None:
                existing(connection, key)
            topic_arn = key.arn if key is not None else None
            return store.listed(connection, call.now, behind, PAGE + 1, topic_arn=topic_arn, owner=owner)

        found = await self._database.read(read)
        rest = {"NextToken": token(found[PAGE - 1].arn)} if len(found) > PAGE else {}
        return {"Subscriptions": [_listed_as(one) for one in found[:PAGE]], **rest}

    def _new(self, call: Call, key: TopicKey, wanted: Wanted) -> Subscription:
        is_own = wanted.account == call.caller.account
        return Subscription(
            arn=names.subscription_arn(key, request_id()),
            topic_arn=key.arn,
            owner=call.caller.account,
            region=key.region,
            protocol=wanted.protocol,
            endpoint=wanted.endpoint,
            attributes=wanted.attributes,
            state="confirmed" if is_own else "pending",
            token=hex_id(_TOKEN_DIGITS),
            principal=call.caller.arn,
            was_authenticated=is_own,
            is_locked=is_own and self._parts.locks,
            base_url=_reached_by(call.base_url),
            changed_at=call.now,
        )


def _replay(connection: Connection, subscription: Subscription) -> None:
    """Begin what its policy asks for; one that was under way ends."""
    if (policy := subscription.attributes.get("ReplayPolicy")) is None:
        archive_store.stop(connection, [subscription.arn])
    else:
        archive_store.start(connection, subscription.arn, subscription.topic_arn, archives.stretch(policy))


def _reached_by(base_url: str) -> str:
    """How others reach this server; empty where the caller is on this machine, whose way may change at a restart."""
    host = urlsplit(base_url).hostname
    return "" if host is None or is_loopback(host) else base_url


def _own(connection: Connection, arn: str, call: Call) -> Subscription:
    """The subscription. It is its owner's and the topic's owner's to look at. Raises NotFound, AuthorizationError."""
    subscription = store.find_subscription(connection, arn)
    if subscription is None:
        raise errors.no_such_subscription()
    if call.caller.account not in (subscription.owner, names.topic_key(subscription.topic_arn, None).account):
        raise errors.not_authorized("Only the owners of the subscription and of the topic can do this")
    return subscription


def _check_room(connection: Connection, topic: Topic, attributes: Mapping[str, str]) -> None:
    count = sum(store.protocols(connection, topic.arn).values())
    if topic.message_bytes > MESSAGE_BYTES and count >= _MOST_OF_LARGE:
        raise errors.invalid(f"a topic with large messages has at most {_MOST_OF_LARGE} subscriptions")
    if topic.is_fifo and count >= _MOST_OF_FIFO:
        raise AwsError("SubscriptionLimitExceeded", "Subscription limit exceeded", status=403)
    if "FilterPolicy" in attributes:
        _check_filters(connection, topic)


def _check_filters(connection: Connection, topic: Topic) -> None:
    if store.count_filters(connection, topic.arn) >= _MOST_FILTERS:
        raise AwsError("FilterPolicyLimitExceeded", "Filter policy limit exceeded", status=403)


def _listed_as(subscription: Subscription) -> dict[str, str]:
    return {
        "SubscriptionArn": _PENDING if subscription.state == "pending" else subscription.arn,
        "Owner": subscription.owner,
        "Protocol": subscription.protocol,
        "Endpoint": subscription_rules.shown_endpoint(subscription.endpoint),
        "TopicArn": subscription.topic_arn,
    }


def _shown(subscription: Subscription, topic_policy: str | None) -> dict[str, str]:
    shown = {
        "SubscriptionArn": subscription.arn,
        "TopicArn": subscription.topic_arn,
        "Owner": subscription.owner,
        "Protocol": subscription.protocol,
        "Endpoint": subscription_rules.shown_endpoint(subscription.endpoint),
        "PendingConfirmation": "true" if subscription.state == "pending" else "false",
        "ConfirmationWasAuthenticated": "true" if subscription.was_authenticated else "false",
        "RawMessageDelivery": "false",
        "SubscriptionPrincipal": subscription.principal,
    }
    if subscription.protocol in subscription_rules.HTTP:
        own = subscription.attributes.get("DeliveryPolicy")
        shown["EffectiveDeliveryPolicy"] = delivery_policy.effective_policy(topic_policy, own)
    attributes = dict(subscription.attributes)
    if "FilterPolicy" not in attributes:
        attributes.pop("FilterPolicyScope", None)  # It is kept for the policy to come.
    return {**shown, **attributes}
