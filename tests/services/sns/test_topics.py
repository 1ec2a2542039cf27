import json
from typing import Any

import pytest

from tests.services.sns.room import ACCOUNT, Queue, invalid, refused, subscribe, topic
from tests.support.bulb import Running

FIFO_NAME = (
    "Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, numbers, "
    "underscores, and hyphens, and must be between 1 and 256 characters long."
)
KEY = "arn:aws:kms:us-east-1:000000000000:key/k"
ROLE = "arn:aws:iam::000000000000:role/feedback"


def attributes_of(bulb: Running, arn: str) -> dict[str, str]:
    attributes: dict[str, str] = bulb.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
    return attributes


def test_a_new_topic_is_as_aws_makes_one(bulb: Running) -> None:
    arn = topic(bulb, "plain")
    assert arn == f"arn:aws:sns:us-east-1:{ACCOUNT}:plain"
    found = attributes_of(bulb, arn)
    assert json.loads(found.pop("Policy")) == {
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [
            {
                "Sid": "__default_statement_ID",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": [
                    "SNS:GetTopicAttributes",
                    "SNS:SetTopicAttributes",
                    "SNS:AddPermission",
                    "SNS:RemovePermission",
                    "SNS:DeleteTopic",
                    "SNS:Subscribe",
                    "SNS:ListSubscriptionsByTopic",
                    "SNS:Publish",
                ],
                "Resource": arn,
                "Condition": {"StringEquals": {"AWS:SourceOwner": ACCOUNT}},
            }
        ],
    }
    assert json.loads(found.pop("EffectiveDeliveryPolicy")) == {
        "http": {
            "defaultHealthyRetryPolicy": {
                "minDelayTarget": 20,
                "maxDelayTarget": 20,
                "numRetries": 3,
                "numMaxDelayRetries": 0,
                "numNoDelayRetries": 0,
                "numMinDelayRetries": 0,
                "backoffFunction": "linear",
            },
            "disableSubscriptionOverrides": False,
            "defaultRequestPolicy": {"headerContentType": "text/plain; charset=UTF-8"},
        }
    }
    assert found == {
        "TopicArn": arn,
        "Owner": ACCOUNT,
        "DisplayName": "",
        "SubscriptionsConfirmed": "0",
        "SubscriptionsPending": "0",
        "SubscriptionsDeleted": "0",
    }


def test_creating_it_again_answers_the_same_topic_or_says_what_differs(bulb: Running) -> None:
    sns = bulb.client("sns")
    made = {"Name": "again", "Attributes": {"DisplayName": "One"}, "Tags": [{"Key": "k", "Value": "v"}]}
    arn = sns.create_topic(**made)["TopicArn"]
    for given in (made, {"Name": "again"}, {"Name": "again", "Tags": []}):
        assert sns.create_topic(**given)["TopicArn"] == arn
    other: dict[str, Any] = {"Name": "again", "Attributes": {"DisplayName": "Two"}}
    assert refused(sns.create_topic, **other) == invalid(
        "Attributes Reason: Topic already exists with different attributes"
    )
    other = {"Name": "again", "Tags": [{"Key": "k", "Value": "v"}, {"Key": "l", "Value": "v"}]}
    assert refused(sns.create_topic, **other) == invalid("Tags Reason: Topic already exists with different tags")
    sns.delete_topic(TopicArn=arn)
    sns.delete_topic(TopicArn=arn)
    assert sns.create_topic(**other)["TopicArn"] == arn
    assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == other["Tags"]


@pytest.mark.parametrize("name", ["", "a" * 257, "a:b", "a b", "a.fifo", "é"])
def test_names_topics_cannot_have(bulb: Running, name: str) -> None:
    assert refused(bulb.client("sns").create_topic, Name=name) == invalid("Topic Name")


def test_names_of_fifo_topics(bulb: Running) -> None:
    sns = bulb.client("sns")
    assert refused(sns.create_topic, Name="plain", Attributes={"FifoTopic": "true"}) == invalid(FIFO_NAME)
    arn = topic(bulb, "named.fifo", FifoTopic="true", FifoThroughputScope="MessageGroup")
    found = attributes_of(bulb, arn)
    assert (found["FifoTopic"], found["ContentBasedDeduplication"]) == ("true", "false")
    assert found["FifoThroughputScope"] == "MessageGroup"


def test_what_is_no_topic(bulb: Running) -> None:
    sns = bulb.client("sns")
    get = sns.get_topic_attributes
    assert refused(get, TopicArn=f"arn:aws:sns:us-east-1:{ACCOUNT}:gone") == ("NotFound", "Topic does not exist")
    for text, parts in (("x", 1), ("", 1), ("arn:aws:sns", 3)):
        reason = f"TopicArn Reason: An ARN must have at least 6 elements, not {parts}"
        assert refused(get, TopicArn=text) == invalid(reason)
    arn = topic(bulb, "elsewhere")
    assert refused(get, TopicArn=arn.replace("us-east-1", "eu-west-1")) == invalid("TopicArn")
    assert refused(sns.publish, TopicArn=arn.replace("us-east-1", "eu-west-1"), Message="m") == invalid("TopicArn")


def test_attributes_are_set_one_by_one(bulb: Running) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "changing")

    def set_to(name: str, value: str) -> None:
        sns.set_topic_attributes(TopicArn=arn, AttributeName=name, AttributeValue=value)

    policy = {"http": {"defaultHealthyRetryPolicy": {"minDelayTarget": 5, "maxDelayTarget": 6, "numRetries": 1}}}
    for name, value in (
        ("DisplayName", "Shown"),
        ("SignatureVersion", "2"),
        ("TracingConfig", "PassThrough"),
        ("DeliveryPolicy", json.dumps(policy)),
        ("MaximumMessageSize", "1024"),
        ("LambdaSuccessFeedbackRoleArn", ROLE),
        ("LambdaSuccessFeedbackSampleRate", "50"),
    ):
        set_to(name, value)
    found = attributes_of(bulb, arn)
    assert (found["DisplayName"], found["SignatureVersion"], found["MaximumMessageSize"]) == ("Shown", "2", "1024")
    assert json.loads(found["DeliveryPolicy"]) == {"http": {**policy["http"], "disableSubscriptionOverrides": False}}
    effective = json.loads(found["EffectiveDeliveryPolicy"])["http"]["defaultHealthyRetryPolicy"]
    assert (effective["numRetries"], effective["backoffFunction"]) == (1, "linear")
    set_to("DeliveryPolicy", "")
    assert "DeliveryPolicy" not in attributes_of(bulb, arn)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("Colour", "red", "InvalidParameter"),
        ("FifoTopic", "false", "InvalidParameter"),
        ("ContentBasedDeduplication", "true", "InvalidParameter"),
        ("ArchivePolicy", '{"MessageRetentionPeriod": 1}', "InvalidParameter"),
        ("BeginningArchiveTime", "2026-01-01T00:00:00.000Z", "InvalidParameter"),
        ("SignatureVersion", "3", "InvalidParameter"),
        ("MaximumMessageSize", "1048577", "InvalidParameter"),
        ("MaximumMessageSize", "-1", "InvalidParameter"),
        ("SQSSuccessFeedbackSampleRate", "101", "InvalidParameter"),
        ("HTTPFailureFeedbackRoleArn", "nobody", "InvalidParameter"),
        ("DisplayName", "d" * 101, "InvalidParameter"),
        ("Policy", "{}", "InvalidParameter"),
        ("Policy", "", "InvalidParameter"),
        ("DeliveryPolicy", '{"http": {"defaultHealthyRetryPolicy": {"numRetries": 101}}}', "InvalidParameter"),
        ("DeliveryPolicy", '{"http": {"defaultHealthyRetryPolicy": {"minDelayTarget": 21}}}', "InvalidParameter"),
        ("DeliveryPolicy", '{"sqs": {}}', "InvalidParameter"),
        ("DeliveryPolicy", "[", "InvalidParameter"),
        (
            "DeliveryPolicy",
            '{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":3600,"maxDelayTarget":3600,"numRetries":2}}}',
            "InvalidParameter",
        ),
        ("DeliveryPolicy", '{"http": {"defaultRequestPolicy": {"headerContentType": "a\\r\\nb"}}}', "InvalidParameter"),
        ("KmsMasterKeyId", KEY, "NotImplementedException"),
        ("TracingConfig", "Active", "NotImplementedException"),
        ("FirehoseSuccessFeedbackRoleArn", ROLE, "NotImplementedException"),
    ],
)
def test_what_attributes_cannot_be(bulb: Running, name: str, value: str, code: str) -> None:
    arn = topic(bulb, "fixed")
    before = attributes_of(bulb, arn)
    call = bulb.client("sns").set_topic_attributes
    assert refused(call, TopicArn=arn, AttributeName=name, AttributeValue=value)[0] == code
    assert attributes_of(bulb, arn) == before
    if name != "FifoTopic" and value:
        assert refused(bulb.client("sns").create_topic, Name="new", Attributes={name: value})[0] == code


def test_data_protection_policies_are_refused_by_name(bulb: Running) -> None:
    code, message = refused(bulb.client("sns").create_topic, Name="kept", DataProtectionPolicy="{}")
    assert code == "NotImplementedException" and "data protection" in message


def test_permissions_are_statements_of_the_policy(bulb: Running) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "shared")
    given = {"AWSAccountId": ["111122223333"], "ActionName": ["Publish", "Subscribe"]}
    sns.add_permission(TopicArn=arn, Label="them", **given)
    statements = json.loads(attributes_of(bulb, arn)["Policy"])["Statement"]
    assert [one["Sid"] for one in statements] == ["__default_statement_ID", "them"]
    assert statements[1] == {
        "Sid": "them",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
        "Action": ["SNS:Publish", "SNS:Subscribe"],
        "Resource": arn,
    }
    assert refused(sns.add_permission, TopicArn=arn, Label="them", **given) == invalid("Statement already exists")
    wrong = {**given, "ActionName": ["Explode"]}
    assert refused(sns.add_permission, TopicArn=arn, Label="more", **wrong) == invalid(
        "Policy statement action out of service scope!"
    )
    sns.remove_permission(TopicArn=arn, Label="them")
    assert len(json.loads(attributes_of(bulb, arn)["Policy"])["Statement"]) == 1
    assert refused(sns.remove_permission, TopicArn=arn, Label="them")[0] == "NotFound"


def test_tags(bulb: Running) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "tagged")
    sns.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    sns.tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "3"}])
    sns.untag_resource(ResourceArn=arn, TagKeys=["a", "z"])
    assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "3"}]
    twice = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]
    assert refused(sns.tag_resource, ResourceArn=arn, Tags=twice) == invalid("Duplicated keys are not allowed.")
    many = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    assert refused(sns.tag_resource, ResourceArn=arn, Tags=many)[0] == "TagLimitExceeded"
    gone = arn.replace("tagged", "gone")
    assert refused(sns.list_tags_for_resource, ResourceArn=gone) == ("ResourceNotFound", "Resource does not exist")


def test_lists_come_in_pages_of_a_hundred(bulb: Running) -> None:
    there = bulb.client("sns", region="eu-north-1")
    arns = sorted(there.create_topic(Name=f"t{number:03}")["TopicArn"] for number in range(101))
    first = there.list_topics()
    assert [one["TopicArn"] for one in first["Topics"]] == arns[:100]
    second = there.list_topics(NextToken=first["NextToken"])
    assert [one["TopicArn"] for one in second["Topics"]] == arns[100:]
    assert "NextToken" not in second
    assert refused(there.list_topics, NextToken="bogus") == invalid("NextToken")


def test_deleting_a_topic_ends_its_subscriptions(bulb: Running) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "ending")
    subscription = subscribe(bulb, arn, Queue(bulb, "ending"))
    assert attributes_of(bulb, arn)["SubscriptionsConfirmed"] == "1"
    sns.delete_topic(TopicArn=arn)
    gone = ("NotFound", "Subscription does not exist")
    assert refused(sns.get_subscription_attributes, SubscriptionArn=subscription) == gone
    assert refused(sns.publish, TopicArn=arn, Message="m") == ("NotFound", "Topic does not exist")


def test_operations_that_are_not_there_say_so(bulb: Running) -> None:
    sns = bulb.client("sns")
    for call, arguments in (
        (sns.create_platform_application, {"Name": "a", "Platform": "GCM", "Attributes": {}}),
        (sns.get_sms_attributes, {}),
        (sns.list_sms_sandbox_phone_numbers, {}),
        (sns.put_data_protection_policy, {"ResourceArn": "a", "DataProtectionPolicy": "{}"}),
    ):
        code, message = refused(call, **arguments)
        assert code == "NotImplementedException" and "of the service sns" in message
