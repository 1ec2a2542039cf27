import base64
import json
import time

from tests.services.sns.room import (
    Endpoint,
    Queue,
    check_signature,
    confirmed,
    fetched,
    invalid,
    refused,
    topic,
)
from tests.support.bulb import Running
from tests.support.waiting import until

AGENT = "Amazon Simple Notification Service Agent"


def test_an_endpoint_is_asked_to_confirm_and_then_gets_messages(bulb: Running, there: Endpoint) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "hooked")
    given = {"TopicArn": arn, "Protocol": "http", "Endpoint": there.url}
    assert sns.subscribe(**given)["SubscriptionArn"] == "pending confirmation"
    subscription = sns.subscribe(**given, ReturnSubscriptionArn=True)["SubscriptionArn"]
    first, second = there.got(2)
    assert first.document["Token"] == second.document["Token"]
    attributes = sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    assert (attributes["PendingConfirmation"], attributes["ConfirmationWasAuthenticated"]) == ("true", "false")
    assert sns.get_topic_attributes(TopicArn=arn)["Attributes"]["SubscriptionsPending"] == "1"
    sns.publish(TopicArn=arn, Message="too early")

    document, headers = first.document, first.headers
    check_signature(document)
    url = document["SubscribeURL"]
    assert url.startswith(f"{bulb.url}/?Action=ConfirmSubscription&TopicArn={arn}&Token={document['Token']}")
    assert headers["content-type"] == "text/plain; charset=UTF-8" and headers["user-agent"] == AGENT
    assert headers["x-amz-sns-message-type"] == "SubscriptionConfirmation"
    assert headers["x-amz-sns-message-id"] == document["MessageId"]
    assert headers["x-amz-sns-topic-arn"] == arn and "x-amz-sns-subscription-arn" not in headers
    assert document["Message"] == (
        f"You have chosen to subscribe to the topic {arn}.\n"
        "To confirm the subscription, visit the SubscribeURL included in this message."
    )
    for _ in range(2):
        status, answer = fetched(url)
        assert status == 200 and f"<SubscriptionArn>{subscription}</SubscriptionArn>" in answer
    assert fetched(url.replace("Token=", "Token=0"))[0] == 400
    assert sns.get_topic_attributes(TopicArn=arn)["Attributes"]["SubscriptionsPending"] == "0"

    there.posts.clear()
    sent = sns.publish(
        TopicArn=arn,
        Message="Hello",
        Subject="S",
        MessageAttributes={"b": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}},
    )
    (post,) = there.got(1)
    headers, document = post.headers, post.document
    assert (headers["x-amz-sns-message-type"], headers["x-amz-sns-subscription-arn"]) == ("Notification", subscription)
    assert headers["x-amz-sns-message-id"] == document["MessageId"] == sent["MessageId"]
    assert document["MessageAttributes"] == {"b": {"Type": "Binary", "Value": base64.b64encode(b"\x00\xff").decode()}}
    assert "x-amz-sns-rawdelivery" not in headers
    check_signature(document)


def test_the_links_to_leave_and_to_come_back(bulb: Running, there: Endpoint) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "leaving")
    subscription = confirmed(bulb, arn, there)
    sns.publish(TopicArn=arn, Message="before")
    link = there.got(1)[0].document["UnsubscribeURL"]
    assert fetched(link)[0] == 200
    told = there.got(2)[1]
    document = told.document
    assert (told.kind, told.headers["x-amz-sns-subscription-arn"]) == ("UnsubscribeConfirmation", subscription)
    assert document["Message"].startswith(f"You have chosen to deactivate subscription {subscription}.\n")
    check_signature(document)
    sns.publish(TopicArn=arn, Message="to nobody")
    assert fetched(document["SubscribeURL"])[0] == 200
    sns.publish(TopicArn=arn, Message="after")
    assert there.got(3)[2].document["Message"] == "after"
    assert len(there.posts) == 3


def test_a_subscription_that_only_signed_requests_end(bulb: Running, there: Endpoint) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "locked")
    sns.subscribe(TopicArn=arn, Protocol="http", Endpoint=there.url)
    token = there.got(1)[0].document["Token"]
    given = {"TopicArn": arn, "Token": token, "AuthenticateOnUnsubscribe": "true"}
    subscription = sns.confirm_subscription(**given)["SubscriptionArn"]
    attributes = sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    assert attributes["ConfirmationWasAuthenticated"] == "true"
    status, answer = fetched(f"{bulb.url}/?Action=Unsubscribe&SubscriptionArn={subscription}&Version=2010-03-31")
    assert status == 403 and "<Code>AuthorizationError</Code>" in answer
    other = bulb.client("sns", access_key="111122223333")
    assert refused(other.unsubscribe, SubscriptionArn=subscription)[0] == "AuthorizationError"
    sns.unsubscribe(SubscriptionArn=subscription)
    assert there.got(2)[1].kind == "UnsubscribeConfirmation"


def test_raw_delivery_and_the_content_type(bulb: Running, there: Endpoint) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "bare")
    policy = {"requestPolicy": {"headerContentType": "text/csv"}}
    subscription = confirmed(bulb, arn, there, RawMessageDelivery="true", DeliveryPolicy=json.dumps(policy))
    shown = sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    assert json.loads(shown["DeliveryPolicy"]) == {
        "healthyRetryPolicy": None,
        "sicklyRetryPolicy": None,
        "throttlePolicy": None,
        "requestPolicy": {"headerContentType": "text/csv"},
        "guaranteed": False,
    }
    assert json.loads(shown["EffectiveDeliveryPolicy"])["healthyRetryPolicy"]["numRetries"] == 3
    sns.publish(TopicArn=arn, Message="a;b", Subject="unseen")
    (post,) = there.got(1)
    assert post.body == b"a;b"
    assert (post.headers["x-amz-sns-rawdelivery"], post.headers["content-type"]) == ("true", "text/csv")


def test_a_topics_policy_is_for_all_its_endpoints(bulb: Running, there: Endpoint) -> None:
    sns = bulb.client("sns")
    policy = {"http": {"defaultRequestPolicy": {"headerContentType": "application/json"}}}
    arn = topic(bulb, "typed", DeliveryPolicy=json.dumps(policy))
    subscription = confirmed(bulb, arn, there)
    sns.publish(TopicArn=arn, Message="m")
    assert there.got(1)[0].headers["content-type"] == "application/json"
    own = json.dumps({"requestPolicy": {"headerContentType": "text/xml"}})
    sns.set_subscription_attributes(SubscriptionArn=subscription, AttributeName="DeliveryPolicy", AttributeValue=own)
    sns.publish(TopicArn=arn, Message="m")
    assert there.got(2)[1].headers["content-type"] == "text/xml"
    policy["http"]["disableSubscriptionOverrides"] = True  # type: ignore[assignment]
    sns.set_topic_attributes(TopicArn=arn, AttributeName="DeliveryPolicy", AttributeValue=json.dumps(policy))
    sns.publish(TopicArn=arn, Message="m")
    assert there.got(3)[2].headers["content-type"] == "application/json"


def test_a_password_in_a_url_is_used_and_not_shown(bulb: Running, there: Endpoint) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "secret")
    url = there.url.replace("http://", "http://ann:p%40ss@")
    sns.subscribe(TopicArn=arn, Protocol="http", Endpoint=url)
    (post,) = there.got(1)
    assert base64.b64decode(post.headers["authorization"].removeprefix("Basic ")) == b"ann:p@ss"
    assert post.headers["host"] == there.url.split("/")[2]
    (listed,) = sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
    assert listed["Endpoint"] == there.url.replace("http://", "http://ann:****@")


def test_a_slow_pace_is_kept(bulb: Running, there: Endpoint) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "paced")
    policy = json.dumps({"throttlePolicy": {"maxReceivesPerSecond": 5}})
    confirmed(bulb, arn, there, DeliveryPolicy=policy)
    began = time.monotonic()
    for number in range(6):
        sns.publish(TopicArn=arn, Message=str(number))
    there.got(6)
    assert time.monotonic() - began >= 1.0


def test_a_slow_endpoint_holds_up_nobody(bulb: Running, there: Endpoint) -> None:
    """One that is connected to and never answers, and a queue of the same topic."""
    import socket

    sns, arn, queue = bulb.client("sns"), topic(bulb, "stalled"), Queue(bulb, "stalled")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        for number in range(40):
            sns.subscribe(TopicArn=arn, Protocol="http", Endpoint=f"{url}{number}")
        confirmed(bulb, arn, there)
        sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue.arn)
        sns.publish(TopicArn=arn, Message="through")
        assert queue.documents(1)[0]["Message"] == "through"
        assert there.got(1, seconds=10)[0].document["Message"] == "through"


def test_certificates(bulb: Running) -> None:
    assert fetched(f"{bulb.url}/_sns/SimpleNotificationService-00.pem")[0] == 404
    assert fetched(f"{bulb.url}/_sns/")[0] == 404


def test_a_pending_subscription_is_forgotten_after_two_days(own: Running, there: Endpoint) -> None:
    sns, arn = own.client("sns"), topic(own, "forgotten")
    sns.subscribe(TopicArn=arn, Protocol="http", Endpoint=there.url)
    token = there.got(1)[0].document["Token"]
    own.clock.advance(2 * 86_400 + 1)
    assert refused(sns.confirm_subscription, TopicArn=arn, Token=token) == invalid("Token")
    assert sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"] == []
    sns.subscribe(TopicArn=arn, Protocol="http", Endpoint=there.url)
    fresh = there.got(2)[1].document["Token"]
    assert fresh != token
    until(lambda: sns.confirm_subscription(TopicArn=arn, Token=fresh), "the fresh token counts")
