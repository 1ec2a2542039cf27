"""Queues where policies are enforced: what callers may do, and what a queue's own policy lets others do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.bulb import Running, running_bulb
from tests.support.guarded import ELSEWHERE, HOME, allow, denied, deny, document, guarded_server, say, user
from tests.support.strict import Keys, root_of

WHOLE = {"access_key": ELSEWHERE, "secret_key": "any"}


class Two:
    """A server with two accounts: the operator's, and another one whose administrator has a key."""

    def __init__(self, bulb: Running, other: Keys) -> None:
        self.bulb, self.other = bulb, other
        self.owner = bulb.client("sqs", **root_of(bulb))

    def queue(self, name: str, **attributes: str) -> tuple[str, str]:
        """Its URL and ARN."""
        url: str = self.owner.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url, f"arn:aws:sqs:us-east-1:{HOME}:{name}"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    data: Path = tmp_path_factory.mktemp("two") / "data"
    with running_bulb(data, stock=0, egress="none") as open_to_all:
        other = user(open_to_all, "admin", allow("*"), by=WHOLE)
    with guarded_server(data, egress="none") as bulb:
        yield Two(bulb, other)


def test_a_caller_may_do_what_its_policies_say(two: Two) -> None:
    url, arn = two.queue("mine")
    _, other = two.queue("another")
    keys = user(two.bulb, "ann", allow(["sqs:SendMessage", "sqs:ReceiveMessage"], arn))
    sqs = two.bulb.client("sqs", **keys)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "y"}])
    (message,) = sqs.receive_message(QueueUrl=url, AttributeNames=["SenderId"])["Messages"]
    assert message["Attributes"]["SenderId"].startswith("AIDA")
    assert denied(sqs.delete_message, QueueUrl=url, ReceiptHandle=message["ReceiptHandle"]) == (
        f"User: arn:aws:iam::{HOME}:user/ann is not authorized to perform: sqs:DeleteMessage on resource: {arn} "
        "because no identity-based policy allows the sqs:DeleteMessage action"
    )
    assert other in denied(sqs.send_message, QueueUrl=url.replace("mine", "another"), MessageBody="x")
    assert "sqs:ListQueues" in denied(sqs.list_queues)


def test_a_policy_of_the_queue_is_enough_at_home_and_may_deny(two: Two) -> None:
    url, arn = two.queue("shared")
    keys = user(two.bulb, "bob")
    sqs = two.bulb.client("sqs", **keys)
    assert "no identity-based policy" in denied(sqs.send_message, QueueUrl=url, MessageBody="x")
    me = {"AWS": f"arn:aws:iam::{HOME}:user/bob"}
    two.owner.set_queue_attributes(
        QueueUrl=url, Attributes={"Policy": document(allow("sqs:SendMessage", arn, Principal=me))}
    )
    sqs.send_message(QueueUrl=url, MessageBody="x")
    two.owner.set_queue_attributes(
        QueueUrl=url, Attributes={"Policy": document(deny("sqs:SendMessage", arn, Principal="*"))}
    )
    say(two.bulb.client("iam", **root_of(two.bulb)), "bob", allow("sqs:*"))
    assert "explicit deny in a resource-based policy" in denied(sqs.send_message, QueueUrl=url, MessageBody="x")
    two.owner.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    sqs.send_message(QueueUrl=url, MessageBody="x")


def test_another_account_needs_both(two: Two) -> None:
    url, arn = two.queue("theirs")
    keys = user(two.bulb, "guest", allow("sqs:*"), by=two.other)
    sqs: Any = two.bulb.client("sqs", **keys)
    assert "no resource-based policy" in denied(sqs.send_message, QueueUrl=url, MessageBody="x")
    two.owner.add_permission(
        QueueUrl=url, Label="guests", AWSAccountIds=[ELSEWHERE], Actions=["SendMessage", "GetQueueUrl"]
    )
    assert sqs.get_queue_url(QueueName="theirs", QueueOwnerAWSAccountId=HOME)["QueueUrl"] == url
    sqs.send_message(QueueUrl=url, MessageBody="from there")
    (message,) = two.owner.receive_message(QueueUrl=url)["Messages"]
    assert message["Body"] == "from there"
    assert arn in denied(sqs.receive_message, QueueUrl=url)
    everything = document(allow("sqs:*", arn, Principal={"AWS": ELSEWHERE}))
    two.owner.set_queue_attributes(QueueUrl=url, Attributes={"Policy": everything})
    sqs.receive_message(QueueUrl=url)
    assert arn in denied(sqs.delete_queue, QueueUrl=url)  # for the owner's account alone, whatever the policy says
    assert arn in denied(sqs.set_queue_attributes, QueueUrl=url, Attributes={"DelaySeconds": "1"})
    say(two.bulb.client("iam", **two.other), "guest", allow("sqs:Get*"))
    assert "no identity-based policy" in denied(sqs.send_message, QueueUrl=url, MessageBody="x")
