"""From a message and a topic's subscribers to entries of the outbox. Pure.

An entry carries all that its attempts, its retries and its dead letter need: a subscription that changes meanwhile
does not change what is under way.
"""

import base64
import hashlib
import uuid
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from bulb.services.sns import delivery_policy, documents, subscription_rules, topic_rules
from bulb.services.sns.documents import Signature
from bulb.services.sns.model import Delivery, Message, Subscription, Topic

TIMEOUT_S = 15.0
_FIFO = ".fifo"


def texts_to_sign(topic: Topic, message: Message, subscriptions: Iterable[Subscription]) -> set[str]:
    """The texts for which somebody gets a signature."""
    if topic.is_fifo:
        return set()
    return {message.text_for(one.protocol) for one in subscriptions if not one.is_raw}


def delivery(
    topic: Topic, subscription: Subscription, message: Message, signatures: Mapping[str, Signature], own_url: str
) -> Delivery:
    """The entry that takes a message to one subscription."""
    text = message.text_for(subscription.protocol)
    base_url = subscription.base_url or own_url
    if subscription.is_raw:
        payload = text.encode()
    else:
        signature = signatures.get(text)
        if signature is not None and subscription.base_url:
            url = subscription.base_url + urlsplit(signature.certificate_url).path
            signature = Signature(signature.version, signature.value, url)
        document = documents.notification(topic, subscription, message, signature, base_url)
        is_function = subscription.protocol == "lambda"
        payload = documents.function_event(subscription, document) if is_function else documents.written(document)
    about = _about(topic, subscription, message, text)
    match subscription.protocol:
        case "sqs":
            about.update(_to_queue(topic, subscription, message))
            return Delivery(subscription.endpoint, payload, about)
        case "lambda":
            return Delivery(subscription.endpoint, payload, about)
    policy = delivery_policy.policy(
        topic.attributes.get("DeliveryPolicy"), subscription.attributes.get("DeliveryPolicy")
    )
    named = documents.headers(
        "Notification", message.message_id, topic.arn, subscription.arn, is_raw=subscription.is_raw
    )
    if message.trace_header is not None:
        named["x-amzn-trace-id"] = message.trace_header
    about.update(_to_url(subscription, {**named, "content-type": policy.content_type}, policy.per_second))
    about["waits_s"] = list(policy.waits_s)
    return Delivery(subscription.arn, payload, about)


def invitation(
    topic: Topic, subscription: Subscription, document: Mapping[str, str], *, names_subscription: bool
) -> Delivery:
    """The entry that takes a signed request to confirm, or word of the end of a subscription, to its endpoint."""
    about: dict[str, Any] = {
        "source": "sns",
        "source_arn": topic.arn,
        "account": topic.key.account,
        "trace_header": None,
        "protocol": subscription.protocol,
        "about": document["Type"],
    }
    match subscription.protocol:
        case "sqs":
            if subscription.endpoint.endswith(_FIFO):
                about["message_group_id"] = subscription.arn
                about["message_deduplication_id"] = document["MessageId"]
            return Delivery(subscription.endpoint, documents.written(document), about)
        case "lambda":
            return Delivery(subscription.endpoint, documents.function_event(subscription, document), about)
    policy = delivery_policy.policy(
        topic.attributes.get("DeliveryPolicy"), subscription.attributes.get("DeliveryPolicy")
    )
    arn = subscription.arn if names_subscription else None
    named = documents.headers(document["Type"], document["MessageId"], topic.arn, arn, is_raw=False)
    about.update(_to_url(subscription, {**named, "content-type": delivery_policy.PLAIN}, None))
    about["waits_s"] = list(policy.waits_s)
    return Delivery(subscription.arn, documents.written(document), about)


def _about(topic: Topic, subscription: Subscription, message: Message, text: str) -> dict[str, Any]:
    about: dict[str, Any] = {
        "source": "sns",
        "source_arn": topic.arn,
        "account": topic.key.account,
        "trace_header": message.trace_header,
        "protocol": subscription.protocol,
        "about": f"message {message.message_id}",
    }
    if (dead_letter := subscription_rules.dead_letter_queue(subscription.attributes)) is not None:
        about["dead_letter"] = dead_letter
        about["dead_letter_ids"] = _queue_ids(dead_letter, message)
        if subscription.is_raw:
            about["raw_attributes"] = dict(message.sent_attributes)
    if (logged := topic_rules.feedback(topic, subscription.protocol)) is not None:
        about["details"] = {
            **logged,
            "message_id": message.message_id,
            "md5": hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
            "destination": subscription_rules.shown_endpoint(subscription.endpoint),
            "protocol": subscription.protocol,
            "published_at": message.published_at,
        }
    return about


def _to_queue(topic: Topic, subscription: Subscription, message: Message) -> dict[str, Any]:
    about: dict[str, Any] = {}
    if subscription.is_raw and message.sent_attributes:
        about["message_attributes"] = dict(message.sent_attributes)
    if topic.is_fifo:
        about.update(_queue_ids(subscription.endpoint, message))
    elif message.group_id is not None:
        about["message_group_id"] = message.group_id
    return about


def _queue_ids(queue_arn: str, message: Message) -> dict[str, str]:
    """The ids a FIFO queue wants; others get none of a FIFO topic's."""
    if not queue_arn.endswith(_FIFO) or message.group_id is None:
        return {}
    return {
        "message_group_id": message.group_id,
        "message_deduplication_id": message.deduplication_id or str(uuid.uuid4()),
    }


def _to_url(subscription: Subscription, named: Mapping[str, str], per_second: int | None) -> dict[str, Any]:
    url, authorization = _without_password(subscription.endpoint)
    headers = {"user-agent": documents.AGENT, "accept-encoding": "gzip,deflate", **named}
    if authorization is not None:
        headers["authorization"] = authorization
    request = {"method": "POST", "url": url, "headers": headers, "timeout_s": TIMEOUT_S, "per_second": per_second}
    return {"courier": "http", "http": request}


def _without_password(endpoint: str) -> tuple[str, str | None]:
    """The URL without a user in it, and what says who the user is."""
    parts = urlsplit(endpoint)
    if parts.username is None:
        return endpoint, None
    credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return url, "Basic " + base64.b64encode(credentials.encode()).decode()
