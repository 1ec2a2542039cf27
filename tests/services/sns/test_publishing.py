import base64
import hashlib
import json
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature

from tests.services.sns.room import (
    Endpoint,
    Queue,
    check_signature,
    confirmed,
    invalid,
    refused,
    subscribe,
    topic,
)
from tests.support.bulb import Running

ATTRIBUTES: dict[str, Any] = {
    "kind": {"DataType": "String", "StringValue": "picture"},
    "size": {"DataType": "Number", "StringValue": "99.12"},
    "raw": {"DataType": "Binary", "BinaryValue": b"\x02\x03\x04"},
    "tags": {"DataType": "String.Array", "StringValue": '["a", 1, null]'},
}


def test_what_a_queue_gets(bulb: Running) -> None:
    sns, arn, queue = bulb.client("sns"), topic(bulb, "envelope"), Queue(bulb, "envelope")
    subscription = subscribe(bulb, arn, queue)
    answer = sns.publish(
        TopicArn=arn, Message='hällo "you"\n', Subject="About ü", MessageAttributes={"n": ATTRIBUTES["size"]}
    )
    (message,) = queue.received(1)
    document = json.loads(message["Body"])
    assert message["MD5OfBody"] == hashlib.md5(message["Body"].encode()).hexdigest()
    assert "MessageAttributes" not in message
    assert message["MessageId"] != answer["MessageId"]
    check_signature(document)
    timestamp, signature, certificate = (document.pop(n) for n in ("Timestamp", "Signature", "SigningCertURL"))
    assert len(timestamp) == 24 and timestamp.endswith("Z")
    assert len(base64.b64decode(signature)) == 256
    assert certificate.startswith(f"{bulb.url}/_sns/SimpleNotificationService-") and certificate.endswith(".pem")
    assert document == {
        "Type": "Notification",
        "MessageId": answer["MessageId"],
        "TopicArn": arn,
        "Subject": "About ü",
        "Message": 'hällo "you"\n',
        "SignatureVersion": "1",
        "UnsubscribeURL": f"{bulb.url}/?Action=Unsubscribe&SubscriptionArn={subscription}&Version=2010-03-31",
        "MessageAttributes": {"n": {"Type": "Number", "Value": "99.12"}},
    }
    # The spaces and the order are AWS's too.
    lines = message["Body"].split("\n")
    assert lines[0] == "{" and lines[1] == '  "Type" : "Notification",' and lines[-1] == "}"
    assert lines[-3] == '    "n" : {"Type":"Number","Value":"99.12"}'


def test_what_a_queue_gets_raw(bulb: Running) -> None:
    sns, arn, queue = bulb.client("sns"), topic(bulb, "raw"), Queue(bulb, "raw")
    subscribe(bulb, arn, queue, RawMessageDelivery="true")
    sns.publish(TopicArn=arn, Message="bare", Subject="unseen", MessageAttributes=ATTRIBUTES)
    (message,) = queue.received(1)
    assert message["Body"] == "bare"
    assert message["MessageAttributes"] == ATTRIBUTES
    assert message["MD5OfMessageAttributes"]


def test_version_2_signs_with_sha_256(bulb: Running) -> None:
    sns, arn, queue = bulb.client("sns"), topic(bulb, "sha256", SignatureVersion="2"), Queue(bulb, "sha256")
    subscribe(bulb, arn, queue)
    sns.publish(TopicArn=arn, Message="signed", Subject="s")
    (document,) = queue.documents(1)
    assert document["SignatureVersion"] == "2"
    check_signature(document)
    with pytest.raises(InvalidSignature):
        check_signature({**document, "Message": "forged"})
    with pytest.raises(InvalidSignature):
        check_signature({**document, "SignatureVersion": "1"})


def test_each_protocol_gets_its_own_message(bulb: Running) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "voices")
    plain, raw = Queue(bulb, "voices"), Queue(bulb, "voices-raw")
    subscribe(bulb, arn, plain)
    subscribe(bulb, arn, raw, RawMessageDelivery="true")
    message = {"default": "for all", "sqs": "for queues", "email": "for nobody", "lambda": 7}
    sns.publish(TopicArn=arn, Message=json.dumps(message), MessageStructure="json")
    (document,) = plain.documents(1)
    assert document["Message"] == "for queues"
    check_signature(document)
    assert raw.received(1)[0]["Body"] == "for queues"
    sns.publish(TopicArn=arn, Message=json.dumps({"default": "for all"}), MessageStructure="json")
    assert plain.documents(1)[0]["Message"] == "for all"


def test_attributes_of_a_message_with_a_structure_are_for_filters_alone(bulb: Running) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "structured")
    plain, raw = Queue(bulb, "structured"), Queue(bulb, "structured-raw")
    subscribe(bulb, arn, plain, FilterPolicy='{"kind": ["mine"]}')
    subscribe(bulb, arn, raw, RawMessageDelivery="true")
    for kind in ("other", "mine"):
        attributes = {"kind": {"DataType": "String", "StringValue": kind}}
        text = json.dumps({"default": kind})
        sns.publish(TopicArn=arn, Message=text, MessageStructure="json", MessageAttributes=attributes)
    (document,) = plain.documents(1)
    assert document["Message"] == "mine"
    assert "MessageAttributes" not in document
    assert [message.get("MessageAttributes") for message in raw.received(2)] == [None, None]


def test_a_structure_that_is_not_json_is_none(bulb: Running) -> None:
    sns, arn, queue = bulb.client("sns"), topic(bulb, "unstructured"), Queue(bulb, "unstructured")
    subscribe(bulb, arn, queue)
    text, attributes = json.dumps({"default": "d"}), {"kind": {"DataType": "String", "StringValue": "mine"}}
    sns.publish(TopicArn=arn, Message=text, MessageStructure="string", MessageAttributes=attributes)
    (document,) = queue.documents(1)
    assert document["Message"] == text
    assert document["MessageAttributes"] == {"kind": {"Type": "String", "Value": "mine"}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "No default entry in JSON message body"),
        ('{"default": 1}', "No default entry in JSON message body"),
        ('"default"', "JSON message body failed to parse"),
        ("{default", "JSON message body failed to parse"),
        ('{"default": "\\ud800"}', "JSON message body failed to parse"),
        ('{"default":' + "[" * 20_000, "JSON message body failed to parse"),
    ],
)
def test_what_is_no_message_structure(bulb: Running, text: str, said: str) -> None:
    arn = topic(bulb, "wrong")
    call = bulb.client("sns").publish
    assert refused(call, TopicArn=arn, Message=text, MessageStructure="json") == invalid(f"Message Structure - {said}")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"Message": ""}, "Empty message"),
        ({"Message": "m", "Subject": ""}, "Subject"),
        ({"Message": "m", "Subject": "a\nb"}, "Subject"),
        ({"Message": "m", "Subject": "s" * 101}, "Subject"),
        ({"Message": "m" * 262_145}, "Message too long"),
        ({"Message": "m" * 262_140, "MessageAttributes": {"n": ATTRIBUTES["size"]}}, "Message too long"),
        (
            {"Message": "m", "MessageDeduplicationId": "d"},
            "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid "
            "for this topic type",
        ),
        (
            {"Message": "m", "MessageGroupId": "ä"},
            "MessageGroupId Reason: must be 1 to 128 alphanumeric characters and punctuation",
        ),
    ],
)
def test_messages_there_cannot_be(bulb: Running, given: dict[str, Any], said: str) -> None:
    assert refused(bulb.client("sns").publish, TopicArn=topic(bulb, "wrong"), **given) == invalid(said)


@pytest.mark.parametrize(
    ("name", "attribute", "said"),
    [
        (
            "a",
            {"DataType": "String", "StringValue": ""},
            "The message attribute 'a' must contain non-empty message attribute value for message attribute type "
            "'String'.",
        ),
        (
            "a",
            {"DataType": "String", "BinaryValue": b"x"},
            "The message attribute 'a' with type 'String' must use field 'String'.",
        ),
        (
            "a",
            {"DataType": "Binary", "StringValue": "x"},
            "The message attribute 'a' with type 'Binary' must use field 'Binary'.",
        ),
        (
            "a",
            {"DataType": "Stringy", "StringValue": "x"},
            "The message attribute 'a' has an invalid message attribute type, the set of supported type prefixes is "
            "Binary, Number, and String.",
        ),
        *(
            ("a", {"DataType": "Number", "StringValue": one}, "Could not cast message attribute 'a' value to number.")
            for one in ("one", "1_000", "\uff11", "NaN", "0x10", " 5", ".", "9" * 77)
        ),
        (
            "a" * 256,
            {"DataType": "String", "StringValue": "x"},
            "Length of message attribute name must be less than 256 bytes.",
        ),
        (
            "a^",
            {"DataType": "String", "StringValue": "x"},
            "Invalid non-alphanumeric character '#x5E' was found in the message attribute name. Can only include "
            "alphanumeric characters, hyphens, underscores, or dots.",
        ),
        (
            ".a",
            {"DataType": "String", "StringValue": "x"},
            "Invalid message attribute name starting with character '.' was found.",
        ),
        (
            "a.",
            {"DataType": "String", "StringValue": "x"},
            "Invalid message attribute name ending with character '.' was found.",
        ),
        (
            "a..b",
            {"DataType": "String", "StringValue": "x"},
            "Message attribute name can not have successive '.' character.",
        ),
    ],
)
def test_attributes_there_cannot_be(bulb: Running, name: str, attribute: dict[str, Any], said: str) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "wrong")
    message = {"Message": "m", "MessageAttributes": {name: attribute}}
    assert refused(sns.publish, TopicArn=arn, **message) == ("ParameterValueInvalid", said)
    entries = [{"Id": "1", **message}]
    refusal = refused(sns.publish_batch, TopicArn=arn, PublishBatchRequestEntries=entries)
    assert refusal == ("ParameterValueInvalid", said)


def test_targets_there_cannot_be(bulb: Running) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "wrong")
    none = "TopicArn or TargetArn Reason: no value for required parameter"
    assert refused(sns.publish, Message="m") == invalid(none)
    both = "TopicArn and TargetArn Reason: only one of them can be given"
    assert refused(sns.publish, Message="m", TopicArn=arn, TargetArn=arn) == invalid(both)
    endpoint = arn.replace(":wrong", ":endpoint/GCM/app/one")
    assert refused(sns.publish, Message="m", TargetArn=endpoint) == invalid(
        "TargetArn Reason: No endpoint found for the target arn specified"
    )
    assert refused(sns.publish, Message="m", PhoneNumber="NAA+15551234567") == invalid(
        "PhoneNumber Reason: NAA+15551234567 is not valid to publish to"
    )


def test_a_topic_as_target(bulb: Running) -> None:
    sns, arn, queue = bulb.client("sns"), topic(bulb, "targeted"), Queue(bulb, "targeted")
    subscribe(bulb, arn, queue)
    sns.publish(TargetArn=arn, Message="by target")
    assert queue.documents(1)[0]["Message"] == "by target"


def test_a_raw_message_with_more_attributes_than_a_queue_takes_is_a_dead_letter(bulb: Running) -> None:
    sns, arn, queue, dead = bulb.client("sns"), topic(bulb, "many"), Queue(bulb, "many"), Queue(bulb, "many-dead")
    redrive = json.dumps({"deadLetterTargetArn": dead.arn})
    raw = subscribe(bulb, arn, queue, RawMessageDelivery="true", RedrivePolicy=redrive)
    many = {f"a{number}": {"DataType": "String", "StringValue": "v"} for number in range(11)}
    sns.publish(TopicArn=arn, Message="too many", MessageAttributes=many)
    sns.publish(TopicArn=arn, Message="ten", MessageAttributes=dict(list(many.items())[:10]))
    assert [one["Body"] for one in queue.received(1)] == ["ten"]
    assert raw and queue.is_empty()


def test_large_messages_where_the_topic_takes_them(bulb: Running) -> None:
    sns, arn, queue = bulb.client("sns"), topic(bulb, "large", MaximumMessageSize="1048576"), Queue(bulb, "large")
    subscribe(bulb, arn, queue, RawMessageDelivery="true")
    sns.publish(TopicArn=arn, Message="m" * 1_000_000)
    assert len(queue.received(1)[0]["Body"]) == 1_000_000
    assert refused(sns.publish, TopicArn=arn, Message="m" * 1_048_577) == invalid("Message too long")
    given = {"TopicArn": arn, "Protocol": "http", "Endpoint": "http://127.0.0.1/"}
    assert refused(sns.subscribe, **given)[0] == "InvalidParameter"


def test_a_batch_is_one_act(bulb: Running) -> None:
    sns, arn, queue = bulb.client("sns"), topic(bulb, "batch"), Queue(bulb, "batch")
    subscribe(bulb, arn, queue, RawMessageDelivery="true")
    entries = [{"Id": str(number), "Message": f"m{number}", "Subject": "s"} for number in range(10)]
    answer = sns.publish_batch(TopicArn=arn, PublishBatchRequestEntries=entries)
    assert answer["Failed"] == []
    assert [one["Id"] for one in answer["Successful"]] == [one["Id"] for one in entries]
    assert len({one["MessageId"] for one in answer["Successful"]}) == 10
    assert sorted(one["Body"] for one in queue.received(10)) == sorted(one["Message"] for one in entries)
    wrong: list[tuple[list[dict[str, str]], str, str]] = [
        ([], "EmptyBatchRequest", "The batch request doesn't contain any entries."),
        (
            [{"Id": str(number), "Message": "m"} for number in range(11)],
            "TooManyEntriesInBatchRequest",
            "The batch request contains more entries than permissible.",
        ),
        (
            [{"Id": "1", "Message": "m"}, {"Id": "1", "Message": "n"}],
            "BatchEntryIdsNotDistinct",
            "Two or more batch entries in the request have the same Id.",
        ),
        (
            [{"Id": "a b", "Message": "m"}],
            "InvalidBatchEntryId",
            "The Id of a batch entry in a batch request doesn't abide by the specification.",
        ),
        (
            [{"Id": str(number), "Message": "m" * 200_000} for number in range(2)],
            "BatchRequestTooLong",
            "The length of all the messages put together is more than the limit.",
        ),
        (
            [{"Id": "1", "Message": "m"}, {"Id": "2", "Message": ""}],
            "InvalidParameter",
            "Invalid parameter: Empty message",
        ),
    ]
    for given, code, said in wrong:
        refusal = refused(sns.publish_batch, TopicArn=arn, PublishBatchRequestEntries=given)
        assert refusal == (code, said)
    assert queue.is_empty()


def test_filter_policies_choose_by_attributes_or_by_the_body(bulb: Running) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "filtered")
    by_attribute, by_body, all_of_them = Queue(bulb, "by-attribute"), Queue(bulb, "by-body"), Queue(bulb, "all")
    raw = {"RawMessageDelivery": "true"}
    policy = {"kind": ["picture", {"prefix": "vid"}], "size": [{"numeric": [">", 10]}], "tags": ["a", "z"]}
    subscribe(bulb, arn, by_attribute, FilterPolicy=json.dumps(policy), **raw)
    body = {"order": {"total": [{"numeric": [">=", 100]}]}}
    subscribe(bulb, arn, by_body, FilterPolicy=json.dumps(body), FilterPolicyScope="MessageBody", **raw)
    subscribe(bulb, arn, all_of_them, **raw)

    def publish(text: str, **attributes: Any) -> None:
        sns.publish(TopicArn=arn, Message=text, MessageAttributes=attributes)

    publish("one", **ATTRIBUTES)
    publish("two", **{**ATTRIBUTES, "size": {"DataType": "Number", "StringValue": "9"}})
    publish("three", **{**ATTRIBUTES, "kind": {"DataType": "String", "StringValue": "video"}})
    publish("four")
    rich, poor = json.dumps({"order": {"total": 100}}), json.dumps({"order": {"total": 99}})
    publish(rich)
    publish(poor)
    assert len(all_of_them.received(6)) == 6
    assert sorted(one["Body"] for one in by_attribute.received(2)) == ["one", "three"]
    assert [one["Body"] for one in by_body.received(1)] == [rich]
    assert by_attribute.is_empty() and by_body.is_empty()


def test_a_filter_counts_from_its_answer_on(bulb: Running) -> None:
    sns, arn, queue = bulb.client("sns"), topic(bulb, "refiltered"), Queue(bulb, "refiltered")
    subscription = subscribe(bulb, arn, queue, RawMessageDelivery="true")
    for number in range(10):
        policy = json.dumps({"n": [str(number)]})
        sns.set_subscription_attributes(
            SubscriptionArn=subscription, AttributeName="FilterPolicy", AttributeValue=policy
        )
        for wanted in (number, number + 1):
            attributes = {"n": {"DataType": "String", "StringValue": str(wanted)}}
            sns.publish(TopicArn=arn, Message=f"{number}:{wanted}", MessageAttributes=attributes)
    assert sorted(one["Body"] for one in queue.received(10)) == [f"{number}:{number}" for number in range(10)]


def test_a_trace_and_a_group_go_along(bulb: Running, there: Endpoint) -> None:
    sns, arn, queue = bulb.client("sns"), topic(bulb, "traced"), Queue(bulb, "traced")
    subscribe(bulb, arn, queue)
    confirmed(bulb, arn, there)
    trace = "Root=1-3152b799-8954dae64eda91bc9a23a7e8;Parent=7fa8c0f79203be72;Sampled=1"

    def add_header(request: Any, **_: Any) -> None:
        request.headers["X-Amzn-Trace-Id"] = trace

    sns.meta.events.register("before-send.sns.Publish", add_header)
    sns.publish(TopicArn=arn, Message="traced", MessageGroupId="my-group")
    (message,) = queue.received(1)
    assert message["Attributes"]["AWSTraceHeader"] == trace
    assert message["Attributes"]["MessageGroupId"] == "my-group"
    assert there.got(1)[0].headers["x-amzn-trace-id"] == trace


def test_messages_to_phones_are_written_to_a_log(bulb: Running) -> None:
    answer = bulb.client("sns").publish(PhoneNumber="+15551234567", Message="Your code is 1234")
    found = bulb.client("logs").filter_log_events(logGroupName="sns/us-east-1/000000000000/DirectPublishToPhoneNumber")
    line = json.loads(found["events"][-1]["message"])
    assert line["notification"]["messageId"] == answer["MessageId"]
    assert (line["delivery"]["destination"], line["delivery"]["message"]) == ("+15551234567", "Your code is 1234")
