"""Queues and their attributes, as boto3 sees them."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection

from bulb.services.sqs.model import Queue
from bulb.services.sqs.store import sweeping
from tests.services.sqs.conftest import ACCOUNT, Served, arn_of, counts, name_of, refused

Make = Callable[..., str]


def attributes(sqs: Any, url: str, *names: str) -> dict[str, str]:
    shown: dict[str, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names) or ["All"])["Attributes"]
    return shown


def test_a_new_queue_has_the_defaults(sqs: Any, make: Make, served: Served) -> None:
    url = make("plain")
    assert url == f"{served.url}/{ACCOUNT}/{name_of(url)}"
    assert sqs.get_queue_url(QueueName=name_of(url))["QueueUrl"] == url
    shown = attributes(sqs, url)
    created = shown.pop("CreatedTimestamp")
    assert abs(int(created) - served.clock.now()) < 10
    assert shown == {
        "QueueArn": arn_of(url),
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "LastModifiedTimestamp": created,
        "VisibilityTimeout": "30",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "DelaySeconds": "0",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
    }
    assert attributes(sqs, url, "QueueArn", "DelaySeconds") == {"QueueArn": arn_of(url), "DelaySeconds": "0"}
    assert sqs.get_queue_attributes(QueueUrl=url).get("Attributes") is None


def test_a_new_fifo_queue_has_the_defaults(sqs: Any, make: Make) -> None:
    shown = attributes(sqs, make(fifo=True))
    assert {name: shown[name] for name in ("FifoQueue", "ContentBasedDeduplication")} == {
        "FifoQueue": "true",
        "ContentBasedDeduplication": "false",
    }
    assert (shown["DeduplicationScope"], shown["FifoThroughputLimit"]) == ("queue", "perQueue")


def test_the_same_queue_is_made_once(sqs: Any, make: Make) -> None:
    url = make(VisibilityTimeout="45")
    for given in ({}, {"VisibilityTimeout": "45"}, {"VisibilityTimeout": "45", "DelaySeconds": "0"}):
        assert sqs.create_queue(QueueName=name_of(url), Attributes=given)["QueueUrl"] == url
    code, message = refused(sqs.create_queue, QueueName=name_of(url), Attributes={"VisibilityTimeout": "46"})
    assert (code, message) == (
        "QueueAlreadyExists",
        "A queue already exists with the same name and a different value for attribute VisibilityTimeout",
    )


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("", {}),
        ("a" * 81, {}),
        ("a b", {}),
        ("a.fifo", {}),
        ("a", {"FifoQueue": "true"}),
        (".fifo", {"FifoQueue": "true"}),
    ],
)
def test_names_that_cannot_be(sqs: Any, name: str, given: dict[str, str]) -> None:
    code, message = refused(sqs.create_queue, QueueName=name, Attributes=given)
    assert code == "InvalidParameterValue"
    assert "1 to 80 in length" in message


@pytest.mark.parametrize(
    ("attribute", "good", "bad"),
    [
        ("VisibilityTimeout", ("0", "43200"), ("-1", "43201", "x", "", "1.5")),
        ("MaximumMessageSize", ("1024", "1048576"), ("1023", "1048577")),
        ("MessageRetentionPeriod", ("60", "1209600"), ("59", "1209601")),
        ("DelaySeconds", ("0", "900"), ("901",)),
        ("ReceiveMessageWaitTimeSeconds", ("0", "20"), ("21",)),
        ("KmsDataKeyReusePeriodSeconds", ("60", "86400"), ("59", "86401")),
        ("SqsManagedSseEnabled", ("true", "false"), ("yes",)),
    ],
)
def test_values_of_attributes(
    sqs: Any, make: Make, attribute: str, good: tuple[str, ...], bad: tuple[str, ...]
) -> None:
    url = make()
    for value in good:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={attribute: value})
        assert attributes(sqs, url)[attribute] == value
    for value in bad:
        code, message = refused(sqs.set_queue_attributes, QueueUrl=url, Attributes={attribute: value})
        assert (code, message) == ("InvalidAttributeValue", f"Invalid value for the parameter {attribute}.")
    assert attributes(sqs, url)[attribute] == good[-1]


def test_attributes_that_are_none(sqs: Any, make: Make) -> None:
    url = make()
    for name in ("Nothing", "FifoQueue", "ContentBasedDeduplication", "QueueArn", "ApproximateNumberOfMessages"):
        code, message = refused(sqs.set_queue_attributes, QueueUrl=url, Attributes={name: "true"})
        assert (code, message) == ("InvalidAttributeName", f"Unknown Attribute {name}.")
    code, _ = refused(sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["Nothing"])
    assert code == "InvalidAttributeName"
    fifo = make(fifo=True)
    assert refused(sqs.set_queue_attributes, QueueUrl=url, Attributes={"FifoQueue": "false"}) == (
        "InvalidAttributeName",
        "Unknown Attribute FifoQueue.",
    )
    assert refused(sqs.set_queue_attributes, QueueUrl=fifo, Attributes={"FifoQueue": "false"}) == (
        "InvalidAttributeValue",
        "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.",
    )
    sqs.set_queue_attributes(QueueUrl=fifo, Attributes={"FifoQueue": "true"})


def test_keys_of_kms_are_refused_by_name(sqs: Any, make: Make) -> None:
    code, message = refused(sqs.set_queue_attributes, QueueUrl=make(), Attributes={"KmsMasterKeyId": "alias/mine"})
    assert code == "NotImplementedException"
    assert "KmsMasterKeyId" in message


def test_high_throughput_needs_both_attributes(sqs: Any, make: Make) -> None:
    url = make(fifo=True)
    limit = {"FifoThroughputLimit": "perMessageGroupId"}
    assert refused(sqs.set_queue_attributes, QueueUrl=url, Attributes=limit) == (
        "InvalidAttributeValue",
        "Invalid value for the parameter FifoThroughputLimit. Reason: To set FifoThroughputLimit to perMessageGroupId, "
        "the DeduplicationScope must be messageGroup.",
    )
    assert refused(sqs.set_queue_attributes, QueueUrl=url, Attributes={"DeduplicationScope": "x"}) == (
        "InvalidAttributeValue",
        "Invalid value for the parameter DeduplicationScope. Reason: not a supported value.",
    )
    assert refused(sqs.set_queue_attributes, QueueUrl=make(), Attributes=limit) == (
        "InvalidAttributeName",
        "You can specify the FifoThroughputLimit only when FifoQueue is set to true.",
    )
    sqs.set_queue_attributes(QueueUrl=url, Attributes={**limit, "DeduplicationScope": "messageGroup"})
    assert attributes(sqs, url)["FifoThroughputLimit"] == "perMessageGroupId"


def test_an_empty_text_takes_a_document_back(sqs: Any, make: Make) -> None:
    url, letters = make(), make("letters")
    redrive = json.dumps({"deadLetterTargetArn": arn_of(letters), "maxReceiveCount": 3})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": redrive})
    assert json.loads(attributes(sqs, url)["RedrivePolicy"]) == json.loads(redrive)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": ""})
    assert "RedrivePolicy" not in attributes(sqs, url)


def test_queues_are_listed_by_prefix_and_in_pages(sqs: Any, make: Make) -> None:
    urls = sorted(make("listed") for _ in range(5))
    assert sorted(sqs.list_queues(QueueNamePrefix="listed-")["QueueUrls"]) == urls
    pages = sqs.get_paginator("list_queues").paginate(
        QueueNamePrefix="listed-", PaginationConfig={"PageSize": 2, "MaxItems": 100}
    )
    found = [page["QueueUrls"] for page in pages]
    assert [len(page) for page in found] == [2, 2, 1]
    assert sorted(url for page in found for url in page) == urls
    assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix="listed-by-nobody")
    assert refused(sqs.list_queues, MaxResults=1001)[0] == "InvalidParameterValue"
    assert refused(sqs.list_queues, MaxResults=1, NextToken="é")[0] == "InvalidParameterValue"


def test_accounts_and_regions_have_queues_of_their_own(served: Served, sqs: Any, make: Make) -> None:
    url = make("mine")
    elsewhere = served.client(region="eu-west-1")
    assert refused(elsewhere.get_queue_url, QueueName=name_of(url))[0].endswith("NonExistentQueue")
    there = elsewhere.create_queue(QueueName=name_of(url))["QueueUrl"]
    elsewhere.send_message(QueueUrl=there, MessageBody="there")
    assert (counts(sqs, url), counts(elsewhere, there)) == ((0, 0, 0), (1, 0, 0))
    other = served.client(account="111122223333")
    assert refused(other.send_message, QueueUrl=url, MessageBody="x")[0] == "AccessDenied"
    assert refused(other.get_queue_url, QueueName=name_of(url), QueueOwnerAWSAccountId=ACCOUNT)[0] == "AccessDenied"


def test_a_deleted_queue_is_gone_and_its_name_rests_for_a_minute(served: Served, sqs: Any, make: Make) -> None:
    url = make()
    sqs.send_message(QueueUrl=url, MessageBody="old")
    sqs.delete_queue(QueueUrl=url)
    for act in (sqs.receive_message, sqs.delete_queue, sqs.purge_queue, sqs.list_queue_tags):
        assert refused(act, QueueUrl=url)[0] == "AWS.SimpleQueueService.NonExistentQueue"
    code, message = refused(sqs.create_queue, QueueName=name_of(url))
    assert (code, message) == (
        "AWS.SimpleQueueService.QueueDeletedRecently",
        "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
    )
    served.clock.advance(61)
    assert sqs.create_queue(QueueName=name_of(url))["QueueUrl"] == url
    assert counts(sqs, url) == (0, 0, 0)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


def test_a_purge_empties_a_queue_once_a_minute(served: Served, sqs: Any, make: Make) -> None:
    url = make()
    for number in range(3):
        sqs.send_message(QueueUrl=url, MessageBody=str(number), DelaySeconds=number * 10)
    sqs.receive_message(QueueUrl=url)
    sqs.purge_queue(QueueUrl=url)
    assert counts(sqs, url) == (0, 0, 0)
    sqs.send_message(QueueUrl=url, MessageBody="after")
    code, message = refused(sqs.purge_queue, QueueUrl=url)
    assert code == "AWS.SimpleQueueService.PurgeQueueInProgress"
    assert message == f"Only one PurgeQueue operation on {name_of(url)} is allowed every 60 seconds."
    assert counts(sqs, url) == (1, 0, 0)
    served.clock.advance(61)
    sqs.purge_queue(QueueUrl=url)
    assert counts(sqs, url) == (0, 0, 0)


def test_a_purge_that_was_cut_short_may_be_asked_for_again_at_once(
    sqs: Any, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, remove, rounds = make(), sweeping._remove_some, []

    def remove_some(connection: Connection, queue: Queue, last: int) -> int:
        rounds.append(refused(sqs.purge_queue, QueueUrl=url)[0] if not rounds else "")
        if len(rounds) == 2:
            raise OSError("as if the server were killed")
        return remove(connection, queue, last)

    monkeypatch.setattr(sweeping, "BATCH", 2)
    monkeypatch.setattr(sweeping, "_remove_some", remove_some)
    entries = [{"Id": str(number), "MessageBody": "x"} for number in range(5)]
    sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert refused(sqs.purge_queue, QueueUrl=url)[0] == "InternalFailure"
    assert counts(sqs, url) == (3, 0, 0)
    sqs.purge_queue(QueueUrl=url)
    assert counts(sqs, url) == (0, 0, 0)
    assert rounds[0] == "AWS.SimpleQueueService.PurgeQueueInProgress"


def test_a_purged_fifo_queue_goes_on(sqs: Any, make: Make) -> None:
    url = make(fifo=True)
    for number in range(2):
        sqs.send_message(QueueUrl=url, MessageBody="old", MessageGroupId="g", MessageDeduplicationId=str(number))
    sqs.receive_message(QueueUrl=url)
    sqs.purge_queue(QueueUrl=url)
    sqs.send_message(QueueUrl=url, MessageBody="new", MessageGroupId="g", MessageDeduplicationId="n")
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "new"


def test_tags(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="tagged", tags={"team": "a"})["QueueUrl"]
    sqs.tag_queue(QueueUrl=url, Tags={"team": "b", "cost": "1"})
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "b", "cost": "1"}
    sqs.untag_queue(QueueUrl=url, TagKeys=["team", "nothing"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"cost": "1"}
    code, _ = refused(sqs.tag_queue, QueueUrl=url, Tags={str(number): "" for number in range(50)})
    assert code == "InvalidParameterValue"
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"cost": "1"}
    for bad in ({"": "x"}, {"aws:x": "y"}, {"k": "v" * 257}, {"k" * 129: ""}):
        assert refused(sqs.tag_queue, QueueUrl=url, Tags=bad)[0] == "InvalidParameterValue"


def test_permissions_are_statements_of_the_policy(served: Served, sqs: Any, make: Make) -> None:
    url = make()
    sqs.add_permission(QueueUrl=url, Label="others", AWSAccountIds=["111122223333"], Actions=["SendMessage"])
    policy = json.loads(attributes(sqs, url)["Policy"])
    assert policy["Statement"] == [
        {
            "Sid": "others",
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
            "Action": "SQS:SendMessage",
            "Resource": arn_of(url),
        }
    ]
    other, third = served.client(account="111122223333"), served.client(account="444455556666")
    other.send_message(QueueUrl=url, MessageBody="let in")
    other.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "too"}])
    for act in (lambda: other.receive_message(QueueUrl=url), lambda: third.send_message(QueueUrl=url, MessageBody="x")):
        assert refused(act)[0] == "AccessDenied"
    sqs.remove_permission(QueueUrl=url, Label="others")
    assert "Policy" not in attributes(sqs, url)
    assert refused(other.send_message, QueueUrl=url, MessageBody="x")[0] == "AccessDenied"
    assert counts(sqs, url) == (2, 0, 0)


@pytest.mark.parametrize(
    ("label", "accounts", "actions", "code", "words"),
    [
        ("a b", ["111122223333"], ["SendMessage"], "InvalidParameterValue", "1 to 80 in length"),
        ("a", ["x"], ["SendMessage"], "InvalidParameterValue", "Unable to verify."),
        ("a", ["111122223333"], ["CreateQueue"], "InvalidParameterValue", "Only the queue owner is allowed"),
        ("a", ["111122223333"], ["SendMessageBatch"], "InvalidParameterValue", "refer to the appropriate WSDL"),
        ("a", ["111122223333"], ["SendMessage"] * 8, "OverLimit", "8 Actions were found, maximum allowed is 7."),
        ("a", [], ["SendMessage"], "MissingParameter", "AWSAccountIds"),
        ("a", ["111122223333"], [], "MissingParameter", "Actions"),
    ],
)
def test_permissions_that_cannot_be(
    sqs: Any, make: Make, label: str, accounts: list[str], actions: list[str], code: str, words: str
) -> None:
    url = make()
    asked = {"QueueUrl": url, "Label": label, "AWSAccountIds": accounts, "Actions": actions}
    found, text = refused(sqs.add_permission, **asked)
    assert found == code
    assert words in text
    assert refused(sqs.remove_permission, QueueUrl=url, Label="nobody") == (
        "InvalidParameterValue",
        "Value nobody for parameter Label is invalid. Reason: can't find label.",
    )


def test_permissions_that_are_added_at_the_same_time_are_all_kept(served: Served, sqs: Any, make: Make) -> None:
    url = make()
    labels = [f"l{number}" for number in range(12)]
    client = served.client(max_pool_connections=len(labels))

    def add(label: str) -> None:
        client.add_permission(QueueUrl=url, Label=label, AWSAccountIds=["111122223333"], Actions=["SendMessage"])

    with ThreadPoolExecutor(len(labels)) as threads:
        list(threads.map(add, labels))
    assert sorted(one["Sid"] for one in json.loads(attributes(sqs, url)["Policy"])["Statement"]) == sorted(labels)
    with ThreadPoolExecutor(len(labels)) as threads:
        list(threads.map(lambda label: client.remove_permission(QueueUrl=url, Label=label), labels))
    assert "Policy" not in attributes(sqs, url)


def test_policies_have_limits(sqs: Any, make: Make) -> None:
    url = make()
    one = {"Effect": "Allow", "Principal": "*", "Action": ["sqs:SendMessage"] * 7, "Resource": arn_of(url)}

    def put(*statements: dict[str, Any]) -> None:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Statement": statements})})

    put(*[one] * 20)
    assert refused(put, {**one, "Action": ["sqs:SendMessage"] * 8}) == (
        "OverLimit",
        "8 actions were found in a statement from the submitted policy, max allowed is 7",
    )
    assert refused(put, *[one] * 21)[0] == "OverLimit"
    assert refused(put, {**one, "Sid": "a" * 8192}) == ("OverLimit", "Submitted policy is over max allowed size.")
    assert len(json.loads(attributes(sqs, url)["Policy"])["Statement"]) == 20


def test_policies_are_checked(sqs: Any, make: Make) -> None:
    url = make()
    for policy in ("{", "[]", '{"Statement":[]}', json.dumps({"Statement": [{"Effect": "Allow", "Action": "sqs:*"}]})):
        assert refused(sqs.set_queue_attributes, QueueUrl=url, Attributes={"Policy": policy})[0] == (
            "InvalidAttributeValue"
        )
