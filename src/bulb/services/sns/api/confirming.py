"""ConfirmSubscription and Unsubscribe: also by the links in messages, which nobody signs."""

import re
from dataclasses import replace

from sqlalchemy import Connection

from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError
from bulb.core.ids import hex_id
from bulb.services.sns import errors, names, store, subscription_rules
from bulb.services.sns.api.base import existing
from bulb.services.sns.api.inviting import Inviting
from bulb.services.sns.model import TOKEN_S, Subscription, TopicKey

_TOKEN = re.compile(r"[0-9a-f]{16,512}")
_TOKEN_DIGITS = 224


class ConfirmingOperations(Inviting):
    """Operations that begin and end subscriptions."""

    async def confirm_subscription(self, call: Call) -> Answer:
        """ConfirmSubscription; of one that was ended it is begun again. A second time it changes nothing."""
        params, is_signed = call.params, not call.caller.is_anonymous
        key = names.find_topic_key(params["TopicArn"])
        if key is None or (is_signed and key.region != call.region):
            raise errors.invalid("Topic")
        if not _TOKEN.fullmatch(params["Token"]):
            raise AwsError("InvalidParameter", "Invalid token")
        locks = (params.get("AuthenticateOnUnsubscribe") or "").lower() == "true"

        def confirm(connection: Connection) -> str:
            found = store.find_by_token(connection, key.arn, params["Token"])
            if found is None or (found.state != "confirmed" and found.changed_at < call.now - TOKEN_S):
                raise errors.invalid("Token")
            existing(connection, key)
            if found.state != "confirmed":
                confirmed = replace(
                    found,
                    state="confirmed",
                    was_authenticated=is_signed,
                    is_locked=is_signed and locks,
                    changed_at=call.now,
                )
                store.put_subscription(connection, confirmed)
            return found.arn

        return {"SubscriptionArn": await self._database.write(confirm)}

    async def unsubscribe(self, call: Call) -> Answer:
        """Unsubscribe. One that is not there has ended already. An HTTP/S endpoint is told, and can undo it."""
        region = call.region if not call.caller.is_anonymous else _region(call.params["SubscriptionArn"])
        arn = names.check_subscription_arn(call.params["SubscriptionArn"], region)
        found = await self._database.read(lambda connection: store.find_subscription(connection, arn))
        if found is None:
            return {}
        key = names.topic_key(found.topic_arn, None)
        _check_may_end(call, found, key)
        ended = replace(found, state="deleted", token=hex_id(_TOKEN_DIGITS), changed_at=call.now)
        topic = await self._database.read(lambda connection: store.find_topic(connection, key))
        told = topic is not None and found.state == "confirmed" and found.protocol in subscription_rules.HTTP
        word = await self._invitation(topic, ended, "UnsubscribeConfirmation") if told and topic is not None else None

        def end(connection: Connection) -> None:
            store.forget_stale(connection, call.now)
            if store.find_subscription(connection, arn) is None:
                return
            store.put_subscription(connection, ended)
            if word is not None:
                self._send(connection, word, call.now)

        await self._database.write(end)
        return {}


def _region(subscription_arn: str) -> str:
    """Where a link that nobody signed leads."""
    names.check_arn(subscription_arn, "SubscriptionArn")
    return subscription_arn.split(":")[3]


def _check_may_end(call: Call, subscription: Subscription, key: TopicKey) -> None:
    if not subscription.is_locked:
        return
    if call.caller.is_anonymous:
        raise errors.not_authorized("The subscription can be ended by signed requests only")
    if call.caller.account not in (subscription.owner, key.account):
        raise errors.not_authorized("Only the owner of the subscription and the owner of the topic can end it")
