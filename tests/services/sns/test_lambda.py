"""From a topic to a real function: the event as the handler sees it."""

import json
from typing import Any

from tests.services.sns.room import check_signature, topic
from tests.support import functions
from tests.support.bulb import Running
from tests.support.waiting import until

HANDLER = """
    import json

    def handler(event, context):
        print("EVENT " + json.dumps({"event": event, "id": context.aws_request_id}))
"""


def events_of(bulb: Running, name: str, count: int) -> list[dict[str, Any]]:
    logs = bulb.client("logs")

    def look() -> list[dict[str, Any]]:
        try:
            found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="EVENT")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        seen = [json.loads(one["message"].removeprefix("EVENT ")) for one in found]
        return seen if len(seen) >= count else []

    return until(look, f"{count} events of {name}")


def test_the_event(bulb: Running) -> None:
    sns, arn = bulb.client("sns"), topic(bulb, "to-function")
    function = functions.create(bulb.client("lambda"), "listener", HANDLER)
    subscription = sns.subscribe(TopicArn=arn, Protocol="lambda", Endpoint=function)["SubscriptionArn"]
    sent = sns.publish(
        TopicArn=arn,
        Message="Hëllo",
        MessageAttributes={
            "k": {"DataType": "String", "StringValue": "v"},
            "b": {"DataType": "Binary", "BinaryValue": b"\x01"},
        },
    )
    (seen,) = events_of(bulb, "listener", 1)
    record = seen["event"]["Records"][0]
    check_signature({name: value for name, value in record["Sns"].items() if value is not None})
    signature, certificate = record["Sns"].pop("Signature"), record["Sns"].pop("SigningCertUrl")
    timestamp = record["Sns"].pop("Timestamp")
    assert signature and certificate.startswith(f"{bulb.url}/_sns/") and len(timestamp) == 24
    assert seen["event"] == {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": subscription,
                "Sns": {
                    "Type": "Notification",
                    "MessageId": sent["MessageId"],
                    "TopicArn": arn,
                    "Subject": None,
                    "Message": "Hëllo",
                    "SignatureVersion": "1",
                    "UnsubscribeUrl": f"{bulb.url}/?Action=Unsubscribe&SubscriptionArn={subscription}"
                    "&Version=2010-03-31",
                    "MessageAttributes": {
                        "k": {"Type": "String", "Value": "v"},
                        "b": {"Type": "Binary", "Value": "AQ=="},
                    },
                },
            }
        ]
    }
    sns.publish(TopicArn=arn, Message="two", Subject="S")
    _, second = events_of(bulb, "listener", 2)
    assert len(second["event"]["Records"]) == 1
    assert (second["event"]["Records"][0]["Sns"]["Subject"], second["event"]["Records"][0]["Sns"]["Message"]) == (
        "S",
        "two",
    )
    assert second["id"] != seen["id"]


def test_a_function_publishes_with_its_own_client(bulb: Running) -> None:
    """The endpoint inside a function is this server; the links in what it publishes work outside as well."""
    sns, arn = bulb.client("sns"), topic(bulb, "from-function")
    lam = bulb.client("lambda")
    functions.create(lam, "listener-2", HANDLER)
    publisher = """
        import boto3

        def handler(event, context):
            return boto3.client("sns").publish(TopicArn=event["topic"], Message="from inside")["MessageId"]
    """
    functions.create(lam, "publisher", publisher, Timeout=30)
    target = lam.get_function(FunctionName="listener-2")["Configuration"]["FunctionArn"]
    sns.subscribe(TopicArn=arn, Protocol="lambda", Endpoint=target)
    message_id, _ = functions.invoke(lam, "publisher", {"topic": arn})
    (seen,) = events_of(bulb, "listener-2", 1)
    record = seen["event"]["Records"][0]["Sns"]
    assert (record["MessageId"], record["Message"]) == (message_id, "from inside")
    check_signature({name: value for name, value in record.items() if value is not None})


def test_what_a_function_could_not_do_reaches_a_topic(bulb: Running) -> None:
    """Dead letters of asynchronous events, published with the attributes that say why."""
    from tests.services.sns.room import Queue, subscribe

    arn, queue, lam = topic(bulb, "graves"), Queue(bulb, "graves"), bulb.client("lambda")
    subscribe(bulb, arn, queue)
    function = "def handler(event, context):\n    raise ValueError('on purpose')\n"
    functions.create(lam, "failing", function, DeadLetterConfig={"TargetArn": arn})
    lam.put_function_event_invoke_config(FunctionName="failing", MaximumRetryAttempts=0)
    lam.invoke(FunctionName="failing", InvocationType="Event", Payload=b'{"n":1}')
    (document,) = queue.documents(1)
    assert json.loads(document["Message"]) == {"n": 1}
    assert document["MessageAttributes"]["ErrorCode"] == {"Type": "Number", "Value": "200"}
    assert document["MessageAttributes"]["ErrorMessage"]["Value"] == "on purpose"
    check_signature(document)
