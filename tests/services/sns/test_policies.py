"""Where policies are enforced: the topic's own policy, the caller's, and AWS's words for who may not."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.sns.room import Queue, refused
from tests.support.bulb import Running, running_bulb
from tests.support.guarded import ELSEWHERE, HOME, allow, document, guarded_server, user
from tests.support.strict import Keys, root_of

TOPIC = f"arn:aws:sns:us-east-1:{HOME}:t"


WHOLE = {"access_key": ELSEWHERE, "secret_key": "any"}
OTHERS: Keys = {}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Another account gets a user while any credentials do."""
    data: Path = tmp_path_factory.mktemp("sns-guarded") / "data"
    with running_bulb(data, stock=0, egress="none") as open_to_all:
        OTHERS.update(user(open_to_all, "guest", allow("sns:*"), by=WHOLE))
    with guarded_server(data, egress="none") as bulb:
        bulb.client("sns", **root_of(bulb)).create_topic(Name="t")
        yield bulb


def test_who_may_publish(guarded: Running) -> None:
    keys = user(guarded, "nobody")
    sns = guarded.client("sns", **keys)
    me = f"arn:aws:iam::{HOME}:user/nobody"
    # What every topic begins with lets its owner in, not everybody in the account.
    assert refused(sns.publish, TopicArn=TOPIC, Message="m") == (
        "AuthorizationError",
        f"User: {me} is not authorized to perform: SNS:Publish on resource: {TOPIC} because no identity-based policy "
        "allows the SNS:Publish action",
    )
    allowed = guarded.client("sns", **user(guarded, "publisher", allow("sns:Publish", TOPIC)))
    assert allowed.publish(TopicArn=TOPIC, Message="m")["MessageId"]
    entries = [{"Id": "1", "Message": "m"}]
    assert allowed.publish_batch(TopicArn=TOPIC, PublishBatchRequestEntries=entries)["Successful"]
    assert refused(allowed.delete_topic, TopicArn=TOPIC)[0] == "AuthorizationError"


def test_a_topics_policy_lets_others_in(guarded: Running) -> None:
    owner = guarded.client("sns", **root_of(guarded))
    owner.create_topic(Name="shared")
    arn = TOPIC.removesuffix(":t") + ":shared"
    theirs = guarded.client("sns", **OTHERS)
    code, message = refused(theirs.publish, TopicArn=arn, Message="m")
    assert code == "AuthorizationError" and "because no resource-based policy allows the SNS:Publish action" in message
    owner.add_permission(TopicArn=arn, Label="them", AWSAccountId=[ELSEWHERE], ActionName=["Publish"])
    assert theirs.publish(TopicArn=arn, Message="m")["MessageId"]
    queue = f"arn:aws:sqs:us-east-1:{ELSEWHERE}:theirs"
    listening = {"TopicArn": arn, "Protocol": "sqs", "Endpoint": queue}
    assert refused(theirs.subscribe, **listening)[0] == "AuthorizationError"
    owner.add_permission(TopicArn=arn, Label="ears", AWSAccountId=[ELSEWHERE], ActionName=["Subscribe"])
    subscription = theirs.subscribe(**listening)["SubscriptionArn"]
    attributes = theirs.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    assert (attributes["Owner"], attributes["PendingConfirmation"]) == (ELSEWHERE, "false")
    raw = {"AttributeName": "RawMessageDelivery", "AttributeValue": "true"}
    theirs.set_subscription_attributes(SubscriptionArn=subscription, **raw)
    mine = owner.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue.replace(ELSEWHERE, HOME))["SubscriptionArn"]
    assert refused(theirs.get_subscription_attributes, SubscriptionArn=mine)[0] == "AuthorizationError"
    assert refused(theirs.unsubscribe, SubscriptionArn=mine)[0] == "AuthorizationError"
    theirs.unsubscribe(SubscriptionArn=subscription)
    assert refused(theirs.get_subscription_attributes, SubscriptionArn=subscription)[0] == "NotFound"
    owner.remove_permission(TopicArn=arn, Label="them")
    assert refused(theirs.publish, TopicArn=arn, Message="m")[0] == "AuthorizationError"


def test_a_bucket_needs_the_topics_leave(guarded: Running) -> None:
    keys = root_of(guarded)
    sns, s3 = guarded.client("sns", **keys), guarded.client("s3", **keys)
    arn = sns.create_topic(Name="uploads")["TopicArn"]
    queue = Queue(guarded, "uploads", **keys)
    statement = allow("sqs:SendMessage", queue.arn, Principal={"Service": "sns.amazonaws.com"})
    queue.sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"Policy": document(statement)})
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue.arn)
    s3.create_bucket(Bucket="uploads")
    told = {"TopicConfigurations": [{"TopicArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    configure = {"Bucket": "uploads", "NotificationConfiguration": told}
    assert refused(s3.put_bucket_notification_configuration, **configure)[0] == "InvalidArgument"
    leave = allow(
        "sns:Publish",
        arn,
        Principal={"Service": "s3.amazonaws.com"},
        Condition={"ArnLike": {"aws:SourceArn": "arn:aws:s3:::uploads"}},
    )
    sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=document(leave))
    s3.put_bucket_notification_configuration(**configure)
    (test,) = queue.documents(1)
    assert json.loads(test["Message"])["Event"] == "s3:TestEvent"
    s3.put_object(Bucket="uploads", Key="k", Body=b"")
    (document_,) = queue.documents(1)
    assert document_["Subject"] == "Amazon S3 Notification"
    assert json.loads(document_["Message"])["Records"][0]["s3"]["object"]["key"] == "k"
