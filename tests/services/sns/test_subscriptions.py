import json
from typing import Any

import pytest

from tests.services.sns.room import ACCOUNT, OTHER, Queue, invalid, refused, subscribe, topic
from tests.support.bulb import Running

QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:nobodys"
FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:nobodys"
DEAD = f"arn:aws:sqs:us-east-1:{ACCOUNT}:dead"


def attributes_of(bulb: Running, arn: str) -> dict[str, str]:
    found: dict[str, str] = bulb.client("sns").get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    return found


def test_a_subscription_of_a_queue_of_ones_own_is_confirmed_at_once(bulb: Running) -> None:
    arn = topic(bulb, "confirmed")
    queue = Queue(bulb, "confirmed")
    subscription = subscribe(bulb, arn, queue)
    assert subscription.rpartition(":")[0] == arn
    found = attributes_of(bulb, subscription)
    principal = found.pop("SubscriptionPrincipal")
    assert principal.startswith(f"arn:aws:iam::{ACCOUNT}:")
    assert found == {
        "SubscriptionArn": subscription,
        "TopicArn": arn,
        "Owner": ACCOUNT,
        "Protocol": "sqs",
        "Endpoint": queue.arn,
        "PendingConfirmation": "false",
        "ConfirmationWasAuthenticated": "true",
        "RawMessageDelivery": "false",
    }
    listed = bulb.client("sns").list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
    assert listed == [
        {
            "SubscriptionArn": subscription,
            "Owner": ACCOUNT,
            "Protocol": "sqs",
            "Endpoint": queue.arn,
            "TopicArn": arn,
        }
    ]
    assert listed[0] in bulb.client("sns").list_subscriptions()["Subscriptions"]


def test_subscribing_again_answers_the_same_or_says_what_differs(bulb: Running) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "twice")
    given: dict[str, Any] = {"TopicArn": arn, "Protocol": "sqs", "Endpoint": QUEUE}
    policy = {"RawMessageDelivery": "true", "FilterPolicy": '{"a": ["b"]}'}
    first = sns.subscribe(**given, Attributes=policy)["SubscriptionArn"]
    same = {"FilterPolicy": '{"a":["b"]}', "RawMessageDelivery": "true"}
    for attributes in (policy, same, {}, {"RawMessageDelivery": "true"}):
        assert sns.subscribe(**given, Attributes=attributes)["SubscriptionArn"] == first
    assert refused(sns.subscribe, **given, Attributes={"RawMessageDelivery": "false"}) == invalid(
        "Attributes Reason: Subscription already exists with different attributes"
    )


@pytest.mark.parametrize(
    ("protocol", "attributes", "shorter"),
    [
        ("sqs", {"RawMessageDelivery": "True"}, {"RawMessageDelivery": "true"}),
        ("sqs", {"RedrivePolicy": "{}", "FilterPolicy": ""}, {}),
        ("sqs", {}, {"RawMessageDelivery": "false", "FilterPolicyScope": "MessageAttributes"}),
        ("http", {"DeliveryPolicy": '{"healthyRetryPolicy":{"numRetries":5}}'}, {}),
    ],
)
def test_the_very_same_request_again_is_no_other(
    bulb: Running, protocol: str, attributes: dict[str, str], shorter: dict[str, str]
) -> None:
    """However a value is kept: spelt otherwise, filled up with what was left out, or not at all."""
    sns, arn = bulb.client("sns"), topic(bulb, f"same-{abs(hash((protocol, str(attributes))))}")
    endpoint = QUEUE if protocol == "sqs" else "http://127.0.0.1:9/"
    given: dict[str, Any] = {"TopicArn": arn, "Protocol": protocol, "Endpoint": endpoint, "ReturnSubscriptionArn": True}
    first = sns.subscribe(**given, Attributes=attributes)["SubscriptionArn"]
    for again in (attributes, shorter):
        assert sns.subscribe(**given, Attributes=again)["SubscriptionArn"] == first
    assert len(sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]) == 1


@pytest.mark.parametrize(
    ("protocol", "target", "message"),
    [
        ("sqs", "http://127.0.0.1/000000000000/queue", "SQS endpoint ARN"),
        ("sqs", FUNCTION, "SQS endpoint ARN"),
        ("sqs", "", "Endpoint Reason: no value for required parameter"),
        (
            "sqs",
            f"{QUEUE}.fifo",
            "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics",
        ),
        ("lambda", QUEUE, "Lambda endpoint ARN"),
        ("lambda", "arn:aws:lambda:us-east-1:000000000000:layer:x", "Lambda endpoint ARN"),
        ("http", "https://example.com/", "Endpoint must match the specified protocol"),
        ("https", "http://example.com/", "Endpoint must match the specified protocol"),
        ("http", "http://exa mple.com/", "Endpoint must match the specified protocol"),
        ("http", "http://example.com:99999/", "Endpoint must match the specified protocol"),
        ("http", "http://", "Endpoint must match the specified protocol"),
        ("pigeon", "roof", "Amazon SNS does not support this protocol string: pigeon"),
    ],
)
def test_endpoints_there_cannot_be(bulb: Running, protocol: str, target: str, message: str) -> None:
    arn = topic(bulb, "unreachable")
    call = bulb.client("sns").subscribe
    assert refused(call, TopicArn=arn, Protocol=protocol, Endpoint=target) == invalid(message)


@pytest.mark.parametrize("protocol", ["email", "email-json", "sms", "application", "firehose"])
def test_protocols_that_lead_out_of_the_house_are_refused_by_name(bulb: Running, protocol: str) -> None:
    arn = topic(bulb, "unreachable")
    code, message = refused(bulb.client("sns").subscribe, TopicArn=arn, Protocol=protocol, Endpoint="somebody")
    assert code == "NotImplementedException" and "subscriptions" in message


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("Colour", "red", "AttributeName"),
        ("RawMessageDelivery", "maybe", "RawMessageDelivery: Invalid value [maybe]. Must be true or false."),
        ("RawMessageDelivery", "", "RawMessageDelivery: Invalid value []. Must be true or false."),
        ("RedrivePolicy", '{"deadLetterTargetArn": "x"}', "RedrivePolicy: deadLetterTargetArn is an invalid arn"),
        ("RedrivePolicy", "{invalid", "RedrivePolicy: failed to parse JSON."),
        ("RedrivePolicy", '{"maxReceiveCount": 1}', "RedrivePolicy: Missing deadLetterTargetArn attribute"),
        (
            "RedrivePolicy",
            json.dumps({"deadLetterTargetArn": QUEUE.replace(":sqs:", ":sns:")}),
            "RedrivePolicy: deadLetterTargetArn must be a SQS queue",
        ),
        (
            "RedrivePolicy",
            json.dumps({"deadLetterTargetArn": QUEUE.replace("us-east-1", "eu-west-1")}),
            "RedrivePolicy: deadLetterTargetArn must be in the same region as the subscription",
        ),
        ("DeliveryPolicy", "{}", "DeliveryPolicy: Delivery protocol [sqs] does not support it."),
        ("FilterPolicy", '{"a": "b"}', None),
        ("FilterPolicy", "{invalid", None),
        ("FilterPolicy", '{"a": [{"explode": 1}]}', None),
        ("FilterPolicyScope", "Both", None),
    ],
)
def test_what_attributes_cannot_be(bulb: Running, name: str, value: str, message: str | None) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "strict")
    subscription = sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=QUEUE)["SubscriptionArn"]
    before = attributes_of(bulb, subscription)
    given = {"AttributeName": name, "AttributeValue": value}
    code, said = refused(sns.set_subscription_attributes, SubscriptionArn=subscription, **given)
    assert code == "InvalidParameter" and said.startswith(f"Invalid parameter: {message or name}")
    assert attributes_of(bulb, subscription) == before
    # The same in Subscribe, which says where it was.
    other = {"TopicArn": arn, "Protocol": "sqs", "Endpoint": f"{QUEUE}-2", "Attributes": {name: value}}
    code, said = refused(sns.subscribe, **other)
    assert code == "InvalidParameter" and said.startswith("Invalid parameter: Attributes Reason: ")


def test_attributes_that_are_refused_by_name(bulb: Running) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "strict")
    subscription = sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=QUEUE)["SubscriptionArn"]
    given = {"AttributeName": "SubscriptionRoleArn", "AttributeValue": "x"}
    code, said = refused(sns.set_subscription_attributes, SubscriptionArn=subscription, **given)
    assert code == "NotImplementedException" and "SubscriptionRoleArn" in said


def test_attributes_come_and_go(bulb: Running) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "moody")
    subscription = sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=QUEUE)["SubscriptionArn"]

    def set_to(name: str, value: str) -> dict[str, str]:
        sns.set_subscription_attributes(SubscriptionArn=subscription, AttributeName=name, AttributeValue=value)
        return attributes_of(bulb, subscription)

    assert set_to("RawMessageDelivery", "True")["RawMessageDelivery"] == "true"
    assert set_to("FilterPolicy", '{"a":["b"]}')["FilterPolicyScope"] == "MessageAttributes"
    assert "FilterPolicyScope" not in set_to("FilterPolicy", "")
    assert "FilterPolicyScope" not in set_to("FilterPolicyScope", "MessageBody")  # shown with its policy, as AWS does
    assert set_to("FilterPolicy", '{"a":{"b":["c"]}}')["FilterPolicyScope"] == "MessageBody"
    assert json.loads(set_to("RedrivePolicy", json.dumps({"deadLetterTargetArn": DEAD}))["RedrivePolicy"]) == {
        "deadLetterTargetArn": DEAD
    }
    assert "RedrivePolicy" not in set_to("RedrivePolicy", "")
    assert "FilterPolicy" not in set_to("FilterPolicy", "")


def test_raw_delivery_is_not_for_functions(bulb: Running) -> None:
    arn = topic(bulb, "strict")
    given = {"TopicArn": arn, "Protocol": "lambda", "Endpoint": FUNCTION, "Attributes": {"RawMessageDelivery": "true"}}
    assert refused(bulb.client("sns").subscribe, **given) == invalid(
        "Attributes Reason: Delivery protocol [lambda] does not support raw message delivery."
    )


def test_names_of_subscriptions(bulb: Running) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "strict")
    for call in (sns.get_subscription_attributes, sns.unsubscribe):
        assert refused(call, SubscriptionArn="") == invalid("SubscriptionArn Reason: no value for required parameter")
        assert refused(call, SubscriptionArn="PendingConfirmation") == invalid(
            "SubscriptionArn Reason: An ARN must have at least 6 elements, not 1"
        )
        assert refused(call, SubscriptionArn=f"{arn}:nobody") == invalid("SubscriptionId")
    nobody = f"{arn}:00000000-0000-0000-0000-000000000000"
    assert refused(sns.get_subscription_attributes, SubscriptionArn=nobody) == (
        "NotFound",
        "Subscription does not exist",
    )
    sns.unsubscribe(SubscriptionArn=nobody)


def test_the_end_of_a_subscription(bulb: Running) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "left")
    queue = Queue(bulb, "left")
    subscription = subscribe(bulb, arn, queue)
    sns.unsubscribe(SubscriptionArn=subscription)
    sns.unsubscribe(SubscriptionArn=subscription)
    assert sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"] == []
    assert sns.get_topic_attributes(TopicArn=arn)["Attributes"]["SubscriptionsDeleted"] == "1"
    sns.publish(TopicArn=arn, Message="to nobody")
    again = subscribe(bulb, arn, queue)
    assert again != subscription
    sns.publish(TopicArn=arn, Message="to somebody")
    assert [one["Message"] for one in queue.documents(1)] == ["to somebody"]


def test_a_queue_of_somebody_else_is_asked_to_confirm(bulb: Running) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "across")
    theirs = Queue(bulb, "across", access_key=OTHER)
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": theirs.arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": arn}},
            }
        ],
    }
    theirs.sqs.set_queue_attributes(QueueUrl=theirs.url, Attributes={"Policy": json.dumps(policy)})
    given = {"TopicArn": arn, "Protocol": "sqs", "Endpoint": theirs.arn}
    assert sns.subscribe(**given)["SubscriptionArn"] == "pending confirmation"
    assert sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"][0]["SubscriptionArn"] == "PendingConfirmation"
    (asked,) = theirs.documents(1)
    assert (asked["Type"], asked["TopicArn"]) == ("SubscriptionConfirmation", arn)
    sns.publish(TopicArn=arn, Message="too early")
    confirmed = bulb.client("sns", access_key=OTHER).confirm_subscription(TopicArn=arn, Token=asked["Token"])
    assert attributes_of(bulb, confirmed["SubscriptionArn"])["PendingConfirmation"] == "false"
    sns.publish(TopicArn=arn, Message="in time")
    assert [one["Message"] for one in theirs.documents(1)] == ["in time"]


def test_a_subscriber_of_another_account_confirms_its_own_queue(bulb: Running) -> None:
    arn = topic(bulb, "across")
    theirs = bulb.client("sns", access_key=OTHER)
    queue = f"arn:aws:sqs:us-east-1:{OTHER}:own"
    subscription = theirs.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue)["SubscriptionArn"]
    assert attributes_of(bulb, subscription)["Owner"] == OTHER
    assert subscription in [one["SubscriptionArn"] for one in theirs.list_subscriptions()["Subscriptions"]]


def test_tokens_that_confirm_nothing(bulb: Running) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "strict")
    assert refused(sns.confirm_subscription, TopicArn=arn, Token="0" * 200) == invalid("Token")
    assert refused(sns.confirm_subscription, TopicArn=arn, Token="x") == ("InvalidParameter", "Invalid token")
    assert refused(sns.confirm_subscription, TopicArn="x", Token="0" * 200) == invalid("Topic")
