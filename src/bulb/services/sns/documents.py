"""What endpoints get: the notification, the event of a function, the headers of a POST, what is signed. Pure.

Members stand in AWS's order and with AWS's spaces. Messages of FIFO topics carry a sequence number and no signature.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from bulb.core.clock import iso_millis
from bulb.services.sns.model import Message, Subscription, Topic

AGENT = "Amazon Simple Notification Service Agent"
_VERSION = "2010-03-31"
# What a signature is over, in this order; members that are not there are left out.
_SIGNED = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature of one text of a message, and where the certificate is that proves it."""

    version: str
    value: str
    certificate_url: str


def to_sign(members: Mapping[str, str]) -> bytes:
    """The text that a document's signature is over."""
    return "".join(f"{name}\n{members[name]}\n" for name in _SIGNED if name in members).encode()


def signed_members(topic: Topic, message: Message, text: str) -> dict[str, str]:
    """Those members of a notification that are signed: the same for all subscriptions that get this text."""
    members = {
        "Type": "Notification",
        "MessageId": message.message_id,
        "TopicArn": topic.arn,
        "Message": text,
        "Timestamp": iso_millis(message.published_at),
    }
    if message.subject is not None:
        members["Subject"] = message.subject
    return members


def notification(
    topic: Topic, subscription: Subscription, message: Message, signature: Signature | None, base_url: str
) -> dict[str, Any]:
    """What a queue or an HTTP endpoint gets, as a mapping in AWS's order."""
    document: dict[str, Any] = {"Type": "Notification", "MessageId": message.message_id}
    if message.sequence_number is not None:
        document["SequenceNumber"] = message.sequence_number
    document["TopicArn"] = topic.arn
    if message.subject is not None:
        document["Subject"] = message.subject
    document["Message"] = message.text_for(subscription.protocol)
    document["Timestamp"] = iso_millis(message.published_at)
    if signature is not None:
        document["SignatureVersion"] = signature.version
        document["Signature"] = signature.value
        document["SigningCertURL"] = signature.certificate_url
    document["UnsubscribeURL"] = unsubscribe_url(base_url, subscription.arn)
    if message.sent_attributes:
        document["MessageAttributes"] = attributes(message)
    if message.is_replay:
        document["Replayed"] = "true"
    return document


def attributes(message: Message) -> dict[str, dict[str, str]]:
    """A message's attributes as documents have them."""
    return {
        name: {"Type": one["DataType"], "Value": one.get("BinaryValue") or one.get("StringValue", "")}
        for name, one in message.sent_attributes.items()
    }


def function_event(subscription: Subscription, document: Mapping[str, Any]) -> bytes:
    """The event of a function, from what a queue would get."""
    record: dict[str, Any] = {
        "Type": document["Type"],
        "MessageId": document["MessageId"],
        "TopicArn": document["TopicArn"],
        "Subject": document.get("Subject"),
        "Message": document["Message"],
        "Timestamp": document["Timestamp"],
        "SignatureVersion": document["SignatureVersion"],
        "Signature": document["Signature"],
        "SigningCertUrl": document["SigningCertURL"],
        "UnsubscribeUrl": document.get("UnsubscribeURL"),
        "MessageAttributes": document.get("MessageAttributes", {}),
    }
    for name in ("SubscribeURL", "Token"):
        if name in document:
            record[name] = document[name]
    event = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription.arn,
        "Sns": record,
    }
    return json.dumps({"Records": [event]}, ensure_ascii=False, separators=(",", ":")).encode()


def of_event(payload: bytes) -> bytes:
    """What a queue would have got in place of a function's event."""
    record = json.loads(payload)["Records"][0]["Sns"]
    document = {
        "Type": record["Type"],
        "MessageId": record["MessageId"],
        "TopicArn": record["TopicArn"],
        **({"Subject": record["Subject"]} if record["Subject"] is not None else {}),
        "Message": record["Message"],
        "Timestamp": record["Timestamp"],
        "SignatureVersion": record["SignatureVersion"],
        "Signature": record["Signature"],
        "SigningCertURL": record["SigningCertUrl"],
        "UnsubscribeURL": record["UnsubscribeUrl"],
    }
    if record["MessageAttributes"]:
        document["MessageAttributes"] = record["MessageAttributes"]
    return written(document)


def invitation(
    topic: Topic, kind: str, message_id: str, subscription: Subscription, base_url: str, now: float
) -> dict[str, str]:
    """What asks an endpoint to confirm its subscription, or tells it that it has ended; yet unsigned."""
    if kind == "SubscriptionConfirmation":
        text = (
            f"You have chosen to subscribe to the topic {topic.arn}.\n"
            "To confirm the subscription, visit the SubscribeURL included in this message."
        )
    else:
        text = (
            f"You have chosen to deactivate subscription {subscription.arn}.\n"
            "To cancel this operation and restore the subscription, visit the SubscribeURL included in this message."
        )
    return {
        "Type": kind,
        "MessageId": message_id,
        "Token": subscription.token,
        "TopicArn": topic.arn,
        "Message": text,
        "SubscribeURL": subscribe_url(base_url, topic.arn, subscription.token),
        "Timestamp": iso_millis(now),
    }


def with_signature(document: Mapping[str, str], signature: Signature) -> dict[str, str]:
    """A signed document."""
    return {
        **document,
        "SignatureVersion": signature.version,
        "Signature": signature.value,
        "SigningCertURL": signature.certificate_url,
    }


def subscribe_url(base_url: str, topic_arn: str, token: str) -> str:
    """A link that confirms a subscription."""
    return _link(base_url, "ConfirmSubscription", TopicArn=topic_arn, Token=token)


def unsubscribe_url(base_url: str, subscription_arn: str) -> str:
    """A link that ends a subscription."""
    return _link(base_url, "Unsubscribe", SubscriptionArn=subscription_arn)


def headers(
    kind: str, message_id: str, topic_arn: str, subscription_arn: str | None, *, is_raw: bool
) -> dict[str, str]:
    """The headers of a POST that say what it is."""
    named = {
        "x-amz-sns-message-type": kind,
        "x-amz-sns-message-id": message_id,
        "x-amz-sns-topic-arn": topic_arn,
    }
    if subscription_arn is not None:
        named["x-amz-sns-subscription-arn"] = subscription_arn
    if is_raw:
        named["x-amz-sns-rawdelivery"] = "true"
    return named


def written(document: Mapping[str, Any]) -> bytes:
    """A document as text, with the spaces AWS has in it."""
    lines = ",\n".join(f"  {_json(name)} : {_value(value)}" for name, value in document.items())
    return f"{{\n{lines}\n}}".encode()


def _value(value: Any) -> str:
    if not isinstance(value, Mapping):
        return _json(value)
    inner = ",\n".join(f"    {_json(name)} : {_json(one)}" for name, one in value.items())
    return f"{{\n{inner}\n  }}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _link(base_url: str, action: str, **parameters: str) -> str:
    # AWS's links leave the version out; here it is what tells whose action it is, as all services share one address.
    query = "&".join(f"{name}={quote(value, safe=':/-_.~')}" for name, value in parameters.items())
    return f"{base_url}/?Action={action}&{query}&Version={_VERSION}"
