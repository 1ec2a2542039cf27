"""What happens in one service reaches the next: real handlers, and every document whole.

    from            to              here, or where it is tested already
    S3              Lambda          test_a_bucket_tells_a_function
    S3              SQS             test_a_bucket_tells_a_queue
    S3              SNS             test_a_bucket_tells_a_topic
    S3              EventBridge     test_a_bucket_tells_the_default_bus
    SQS             Lambda          test_a_queue_tells_a_function
    SNS             Lambda          test_a_topic_tells_a_function
    rule            Lambda          test_a_rule_tells_a_function
    scheduled rule  Lambda          test_a_scheduled_rule_tells_a_function
    schedule        Lambda          tests/services/scheduler/test_targets.py: test_a_function_gets_exactly_the_input
    rule            Logs            test_a_rule_writes_to_a_log_group
    Logs            Lambda          test_log_events_reach_a_function, test_what_a_function_prints_reaches_another
    Lambda          SQS             test_an_end_is_told_to_a_queue, test_a_dead_letter_goes_to_a_queue
    Lambda          SNS             test_an_end_is_told_to_a_topic, test_a_dead_letter_goes_to_a_topic
    Lambda          EventBridge     test_an_end_is_told_to_a_bus
    Lambda          Lambda          test_an_end_is_told_to_a_function
    Lambda          S3              test_an_end_is_written_to_a_bucket

What follows when they fail is in test_edges_failing.py.
"""

import base64
import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.bulb import Running, running_bulb
from tests.support.functions import create
from tests.support.like import MILLISECOND, SECOND, UUID, Like
from tests.support.queues import Queue
from tests.support.waiting import until

ACCOUNT = "000000000000"
LAMBDA = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function"
EVENT_ID = Like(r"\d{56}")
# Sends every event it gets on to the queue SEEN.
TELLS = """
    import boto3, json, os
    sqs = boto3.client("sqs")

    def handler(event, context):
        told = {"event": event, "id": context.aws_request_id}
        sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(told))
"""
ANSWERS = "def handler(event, context):\n    return {'got': event}"
FAILS = "def handler(event, context):\n    raise ValueError('no')"


class Told:
    """A function that tells what it gets."""

    def __init__(self, bulb: Running, name: str) -> None:
        self._queue = Queue.make(bulb, f"{name}-seen")
        variables = {"Variables": {"SEEN": self._queue.url}}
        self.arn = create(bulb.client("lambda"), name, TELLS, Environment=variables, Timeout=30)

    def next(self) -> dict[str, Any]:
        """The next event; every attempt has the id of the delivery."""
        told = json.loads(self._queue.next()["Body"])
        assert told["id"] == UUID
        event: dict[str, Any] = told["event"]
        return event


@pytest.fixture(scope="module")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_bulb(tmp_path_factory.mktemp("edges") / "data", stock=1) as running:
        yield running


@pytest.fixture(scope="module")
def told(bulb: Running) -> Told:
    return Told(bulb, "told")


def notify(bulb: Running, bucket: str, **configuration: Any) -> str:
    """A bucket with this configuration; the id of the request that stored it."""
    s3 = bulb.client("s3")
    s3.create_bucket(Bucket=bucket)
    answer = s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
    request_id: str = answer["ResponseMetadata"]["RequestId"]
    return request_id


def upload(bulb: Running, bucket: str) -> dict[str, Any]:
    return dict(bulb.client("s3").put_object(Bucket=bucket, Key="a b/ü.txt", Body=b"hello"))


def record(bucket: str, answer: dict[str, Any], configuration: str) -> dict[str, Any]:
    """The document of the upload."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "us-east-1",
                "eventTime": MILLISECOND,
                "eventName": "ObjectCreated:Put",
                "userIdentity": {"principalId": f"AWS:{ACCOUNT}"},
                "requestParameters": {"sourceIPAddress": "127.0.0.1"},
                "responseElements": {
                    "x-amz-request-id": answer["ResponseMetadata"]["RequestId"],
                    "x-amz-id-2": answer["ResponseMetadata"]["HostId"],
                },
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": configuration,
                    "bucket": {
                        "name": bucket,
                        "ownerIdentity": {"principalId": Like("A3[0-9A-F]{12}")},
                        "arn": f"arn:aws:s3:::{bucket}",
                    },
                    "object": {
                        "key": "a+b/%C3%BC.txt",
                        "size": 5,
                        "eTag": "5d41402abc4b2a76b9719d911017c592",
                        "sequencer": Like("[0-9A-F]{18}"),
                    },
                },
            }
        ]
    }


def tried_out(bucket: str, request_id: str) -> dict[str, Any]:
    return {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": MILLISECOND,
        "Bucket": bucket,
        "RequestId": request_id,
        "HostId": Like(".+"),
    }


def test_a_bucket_tells_a_function(bulb: Running, told: Told) -> None:
    wanted = {"Id": "c", "LambdaFunctionArn": told.arn, "Events": ["s3:ObjectCreated:*"]}
    notify(bulb, "to-function", LambdaFunctionConfigurations=[wanted])
    answer = upload(bulb, "to-function")
    assert told.next() == record("to-function", answer, "c")


def test_a_bucket_tells_a_queue(bulb: Running) -> None:
    queue = Queue.make(bulb, "of-bucket")
    wanted = {"Id": "c", "QueueArn": queue.arn, "Events": ["s3:ObjectCreated:*"]}
    request_id = notify(bulb, "to-queue", QueueConfigurations=[wanted])
    [test] = queue.take()  # it was sent in the transaction of the put
    assert json.loads(test["Body"]) == tried_out("to-queue", request_id)
    answer = upload(bulb, "to-queue")
    message = queue.next()
    assert json.loads(message["Body"]) == record("to-queue", answer, "c")
    assert "MessageAttributes" not in message


def test_a_bucket_tells_a_topic(bulb: Running) -> None:
    sns, queue = bulb.client("sns"), Queue.make(bulb, "of-topic-of-bucket")
    topic = sns.create_topic(Name="of-bucket")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    request_id = notify(
        bulb, "to-topic", TopicConfigurations=[{"Id": "c", "TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]
    )
    test = json.loads(queue.next()["Body"])
    assert json.loads(test["Message"]) == tried_out("to-topic", request_id)
    answer = upload(bulb, "to-topic")
    found = json.loads(queue.next()["Body"])
    assert found == envelope(topic, found["Message"], Subject="Amazon S3 Notification")
    assert json.loads(found["Message"]) == record("to-topic", answer, "c")


def envelope(topic: str, message: str, **further: Any) -> dict[str, Any]:
    """What a queue gets from a topic."""
    return {
        "Type": "Notification",
        "MessageId": UUID,
        "TopicArn": topic,
        "Message": message,
        "Timestamp": MILLISECOND,
        "SignatureVersion": "1",
        "Signature": Like("[A-Za-z0-9+/=]+"),
        "SigningCertURL": Like("https?://.+"),
        "UnsubscribeURL": Like(rf"http://.+\?Action=Unsubscribe&SubscriptionArn={topic}:.+"),
        **further,
    }


def test_a_bucket_tells_the_default_bus(bulb: Running, told: Told) -> None:
    events = bulb.client("events")
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": ["to-bus"]}}}
    events.put_rule(Name="of-bucket", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="of-bucket", Targets=[{"Id": "1", "Arn": told.arn}])
    notify(bulb, "to-bus", EventBridgeConfiguration={})
    answer = upload(bulb, "to-bus")
    assert told.next() == {
        "version": "0",
        "id": UUID,
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": ACCOUNT,
        "time": SECOND,
        "region": "us-east-1",
        "resources": ["arn:aws:s3:::to-bus"],
        "detail": {
            "version": "0",
            "bucket": {"name": "to-bus"},
            "object": {
                "key": "a b/ü.txt",
                "size": 5,
                "etag": "5d41402abc4b2a76b9719d911017c592",
                "sequencer": Like("[0-9A-F]{18}"),
            },
            "request-id": answer["ResponseMetadata"]["RequestId"],
            "requester": ACCOUNT,
            "source-ip-address": "127.0.0.1",
            "reason": "PutObject",
        },
    }


@pytest.mark.parametrize("is_fifo", [False, True])
def test_a_queue_tells_a_function(bulb: Running, told: Told, is_fifo: bool) -> None:
    queue = Queue.make(bulb, "telling.fifo", FifoQueue="true") if is_fifo else Queue.make(bulb, "telling")
    bulb.client("lambda").create_event_source_mapping(FunctionName="told", EventSourceArn=queue.arn)
    attributes = {
        "k": {"DataType": "String", "StringValue": "v"},
        "b": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
    }
    empty: dict[str, list[str]] = {"stringListValues": [], "binaryListValues": []}
    for body, given in (("Grüße", attributes), ("plain", {})):
        ids = {"MessageGroupId": "g", "MessageDeduplicationId": f"d{len(body)}{len(given)}"} if is_fifo else {}
        sent = queue.sqs.send_message(QueueUrl=queue.url, MessageBody=body, MessageAttributes=given, **ids)
        assert told.next() == {
            "Records": [
                {
                    "messageId": sent["MessageId"],
                    "receiptHandle": Like(".+"),
                    "body": body,
                    "attributes": {
                        "ApproximateReceiveCount": "1",
                        "SentTimestamp": Like(r"\d{13}"),
                        "SenderId": ACCOUNT,
                        "ApproximateFirstReceiveTimestamp": Like(r"\d{13}"),
                        **({"SequenceNumber": sent["SequenceNumber"], **ids} if is_fifo else {}),
                    },
                    "messageAttributes": {
                        "k": {"stringValue": "v", **empty, "dataType": "String"},
                        "b": {"binaryValue": "AAE=", **empty, "dataType": "Binary"},
                    }
                    if given
                    else {},
                    "md5OfMessageAttributes": sent.get("MD5OfMessageAttributes"),
                    "md5OfBody": sent["MD5OfMessageBody"],
                    "eventSource": "aws:sqs",
                    "eventSourceARN": queue.arn,
                    "awsRegion": "us-east-1",
                }
            ]
        }


def test_a_topic_tells_a_function(bulb: Running, told: Told) -> None:
    sns = bulb.client("sns")
    topic = sns.create_topic(Name="to-function")["TopicArn"]
    subscription = sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=told.arn)["SubscriptionArn"]
    attributes = {
        "k": {"DataType": "String", "StringValue": "v"},
        "b": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
    }
    message_id = sns.publish(TopicArn=topic, Message="hello", MessageAttributes=attributes)["MessageId"]
    assert told.next() == {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": subscription,
                "Sns": {
                    "Type": "Notification",
                    "MessageId": message_id,
                    "TopicArn": topic,
                    "Subject": None,
                    "Message": "hello",
                    "Timestamp": MILLISECOND,
                    "SignatureVersion": "1",
                    "Signature": Like("[A-Za-z0-9+/=]+"),
                    "SigningCertUrl": Like("https?://.+"),
                    "UnsubscribeUrl": Like(r"http://.+\?Action=Unsubscribe&SubscriptionArn=arn.+"),
                    "MessageAttributes": {
                        "k": {"Type": "String", "Value": "v"},
                        "b": {"Type": "Binary", "Value": "AAE="},
                    },
                },
            }
        ]
    }


def test_a_rule_tells_a_function(bulb: Running, told: Told) -> None:
    events = bulb.client("events")
    pattern = {"source": ["shop"], "detail": {"n": [{"numeric": [">", 1]}]}}
    events.put_rule(Name="told", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="told", Targets=[{"Id": "1", "Arn": told.arn}])
    sent = [
        {"Source": "shop", "DetailType": "order", "Detail": json.dumps({"n": n}), "Resources": ["r"]} for n in (1, 2)
    ]
    ids = [entry["EventId"] for entry in events.put_events(Entries=sent)["Entries"]]
    assert told.next() == {
        "version": "0",
        "id": ids[1],
        "detail-type": "order",
        "source": "shop",
        "account": ACCOUNT,
        "time": SECOND,
        "region": "us-east-1",
        "resources": ["r"],
        "detail": {"n": 2},
    }


def test_a_scheduled_rule_tells_a_function(bulb: Running, told: Told) -> None:
    events = bulb.client("events")
    arn = events.put_rule(Name="often", ScheduleExpression="rate(5 minutes)")["RuleArn"]
    events.put_targets(Rule="often", Targets=[{"Id": "1", "Arn": told.arn}])
    bulb.clock.advance(301)
    event = told.next()
    events.remove_targets(Rule="often", Ids=["1"])
    events.delete_rule(Name="often")
    assert event == {
        "version": "0",
        "id": UUID,
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": SECOND,
        "region": "us-east-1",
        "resources": [arn],
        "detail": {},
    }


def test_a_rule_writes_to_a_log_group(bulb: Running) -> None:
    events, logs = bulb.client("events"), bulb.client("logs")
    logs.create_log_group(logGroupName="/aws/events/kept")
    events.put_rule(Name="kept", EventPattern=json.dumps({"source": ["kept"]}))
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/events/kept"
    events.put_targets(Rule="kept", Targets=[{"Id": "1", "Arn": arn}])
    sent = {"Source": "kept", "DetailType": "d", "Detail": "{}"}
    event_id = events.put_events(Entries=[sent])["Entries"][0]["EventId"]
    [found] = until(lambda: logs.filter_log_events(logGroupName="/aws/events/kept")["events"], "the event in the log")
    assert json.loads(found["message"]) == {
        "version": "0",
        "id": event_id,
        "detail-type": "d",
        "source": "kept",
        "account": ACCOUNT,
        "time": SECOND,
        "region": "us-east-1",
        "resources": [],
        "detail": {},
    }


def unpacked(event: dict[str, Any]) -> dict[str, Any]:
    """The log events a function was sent."""
    assert list(event) == ["awslogs"]
    assert list(event["awslogs"]) == ["data"]
    found: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    return found


def control(message: dict[str, Any]) -> bool:
    return message == {
        "messageType": "CONTROL_MESSAGE",
        "owner": "CloudwatchLogs",
        "logGroup": "",
        "logStream": "",
        "subscriptionFilters": [],
        "logEvents": [
            {
                "id": "",
                "timestamp": message["logEvents"][0]["timestamp"],
                "message": "CWL CONTROL MESSAGE: Checking health of destination Lambda.",
            }
        ],
    }


def test_log_events_reach_a_function(bulb: Running, told: Told) -> None:
    logs = bulb.client("logs")
    logs.create_log_group(logGroupName="/followed")
    logs.create_log_stream(logGroupName="/followed", logStreamName="s")
    logs.put_subscription_filter(
        logGroupName="/followed", filterName="f", filterPattern="[level = E*, code]", destinationArn=told.arn
    )
    assert control(unpacked(told.next()))
    now = int(bulb.clock.now() * 1000)
    messages = ["ERROR 7", "fine 0", "ERROR 8 9"]
    logs.put_log_events(
        logGroupName="/followed",
        logStreamName="s",
        logEvents=[{"timestamp": now, "message": message} for message in messages],
    )
    assert unpacked(told.next()) == {
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT,
        "logGroup": "/followed",
        "logStream": "s",
        "subscriptionFilters": ["f"],
        "logEvents": [
            {
                "id": EVENT_ID,
                "timestamp": now,
                "message": "ERROR 7",
                "extractedFields": {"level": "ERROR", "code": "7"},
            }
        ],
    }


def test_what_a_function_prints_reaches_another(bulb: Running, told: Told) -> None:
    aws, logs = bulb.client("lambda"), bulb.client("logs")
    create(aws, "printing", "def handler(event, context):\n    print('said', event['n'])")
    logs.create_log_group(logGroupName="/aws/lambda/printing")
    logs.put_subscription_filter(
        logGroupName="/aws/lambda/printing", filterName="f", filterPattern="said", destinationArn=told.arn
    )
    assert control(unpacked(told.next()))
    aws.invoke(FunctionName="printing", Payload=b'{"n": 3}')
    message = unpacked(told.next())
    [event] = message.pop("logEvents")
    assert message == {
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT,
        "logGroup": "/aws/lambda/printing",
        "logStream": Like(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}"),
        "subscriptionFilters": ["f"],
    }
    [kept] = logs.filter_log_events(logGroupName="/aws/lambda/printing", filterPattern="said")["events"]
    assert event == {"id": kept["eventId"], "timestamp": kept["timestamp"], "message": "said 3\n"}


def ends(bulb: Running, name: str, source: str, **destinations: str) -> str:
    """A function whose asynchronous events are told to these, invoked once; the id of the request."""
    aws = bulb.client("lambda")
    create(aws, name, source)
    aws.put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=0,
        DestinationConfig={outcome: {"Destination": arn} for outcome, arn in destinations.items()},
    )
    answer = aws.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"n": 1}')
    request_id: str = answer["ResponseMetadata"]["RequestId"]
    return request_id


def success(name: str, request_id: str) -> dict[str, Any]:
    return {
        "version": "1.0",
        "timestamp": MILLISECOND,
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{LAMBDA}:{name}:$LATEST",
            "condition": "Success",
            "approximateInvokeCount": 1,
        },
        "requestPayload": {"n": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": {"got": {"n": 1}},
    }


def failure(bulb: Running, name: str, request_id: str, shown: dict[str, Any]) -> dict[str, Any]:
    """The record of a failure, with the stack trace of the one that is `shown`, as it would be anywhere."""
    trace = shown["responsePayload"]["stackTrace"]
    assert [bulb.as_inside(line) for line in trace] == [
        "  File \"/var/task/app.py\", line 2, in handler\n    raise ValueError('no')\n"
    ]
    return {
        "version": "1.0",
        "timestamp": MILLISECOND,
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{LAMBDA}:{name}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 1,
        },
        "requestPayload": {"n": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {
            "errorMessage": "no",
            "errorType": "ValueError",
            "requestId": request_id,
            "stackTrace": trace,
        },
    }


def test_an_end_is_told_to_a_queue(bulb: Running) -> None:
    queue = Queue.make(bulb, "ends")
    request_id = ends(bulb, "to-queue", ANSWERS, OnSuccess=queue.arn)
    message = queue.next()
    assert json.loads(message["Body"]) == success("to-queue", request_id)
    assert "MessageAttributes" not in message
    request_id = ends(bulb, "to-queue-bad", FAILS, OnFailure=queue.arn)
    record = json.loads(queue.next()["Body"])
    assert record == failure(bulb, "to-queue-bad", request_id, record)


def test_an_end_is_told_to_a_topic(bulb: Running) -> None:
    sns, queue = bulb.client("sns"), Queue.make(bulb, "of-ends")
    topic = sns.create_topic(Name="ends")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    request_id = ends(bulb, "to-topic", ANSWERS, OnSuccess=topic)
    found = json.loads(queue.next()["Body"])
    assert found == envelope(topic, found["Message"])
    assert json.loads(found["Message"]) == success("to-topic", request_id)
    request_id = ends(bulb, "to-topic-bad", FAILS, OnFailure=topic)
    record = json.loads(json.loads(queue.next()["Body"])["Message"])
    assert record == failure(bulb, "to-topic-bad", request_id, record)


def dies(bulb: Running, name: str, target: str) -> str:
    """A function with a dead-letter target that has failed once; the id of the request."""
    aws = bulb.client("lambda")
    create(aws, name, FAILS, DeadLetterConfig={"TargetArn": target})
    aws.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    answer = aws.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"n": 1}')
    request_id: str = answer["ResponseMetadata"]["RequestId"]
    return request_id


def test_a_dead_letter_goes_to_a_queue(bulb: Running) -> None:
    queue = Queue.make(bulb, "letters")
    request_id = dies(bulb, "lettered-queue", queue.arn)
    letter = queue.next()
    assert letter["Body"] == '{"n": 1}'
    assert letter["MessageAttributes"] == {
        "RequestID": {"DataType": "String", "StringValue": request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": "200"},
        "ErrorMessage": {"DataType": "String", "StringValue": "no"},
    }


def test_a_dead_letter_goes_to_a_topic(bulb: Running) -> None:
    sns, queue = bulb.client("sns"), Queue.make(bulb, "of-letters")
    topic = sns.create_topic(Name="letters")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    request_id = dies(bulb, "lettered", topic)
    said = {
        "RequestID": {"Type": "String", "Value": request_id},
        "ErrorCode": {"Type": "Number", "Value": "200"},
        "ErrorMessage": {"Type": "String", "Value": "no"},
    }
    assert json.loads(queue.next()["Body"]) == envelope(topic, '{"n": 1}', MessageAttributes=said)


def test_an_end_is_told_to_a_bus(bulb: Running, told: Told) -> None:
    events = bulb.client("events")
    bus = events.create_event_bus(Name="ends")["EventBusArn"]
    events.put_rule(Name="ends", EventBusName="ends", EventPattern=json.dumps({"source": ["lambda"]}))
    events.put_targets(Rule="ends", EventBusName="ends", Targets=[{"Id": "1", "Arn": told.arn}])
    for name, source, outcome, result in (
        ("to-bus", ANSWERS, "OnSuccess", "Success"),
        ("to-bus-bad", FAILS, "OnFailure", "Failure"),
    ):
        request_id = ends(bulb, name, source, **{outcome: bus})
        event = told.next()
        detail = event.pop("detail")
        assert event == {
            "version": "0",
            "id": UUID,
            "detail-type": f"Lambda Function Invocation Result - {result}",
            "source": "lambda",
            "account": ACCOUNT,
            "time": SECOND,
            "region": "us-east-1",
            "resources": [bus, f"{LAMBDA}:{name}:$LATEST"],
        }
        expected = success(name, request_id) if result == "Success" else failure(bulb, name, request_id, detail)
        assert detail == expected


def test_an_end_is_told_to_a_function(bulb: Running, told: Told) -> None:
    request_id = ends(bulb, "to-next", ANSWERS, OnSuccess=told.arn)
    assert told.next() == success("to-next", request_id)
    request_id = ends(bulb, "to-next-bad", FAILS, OnFailure=told.arn)
    record = told.next()
    assert record == failure(bulb, "to-next-bad", request_id, record)


def test_an_end_is_written_to_a_bucket(bulb: Running) -> None:
    s3 = bulb.client("s3")
    s3.create_bucket(Bucket="ends")
    request_id = ends(bulb, "to-ends", FAILS, OnFailure="arn:aws:s3:::ends")
    [item] = until(lambda: s3.list_objects_v2(Bucket="ends").get("Contents"), "the object")
    day = r"\d{4}/\d\d/\d\d/\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d"
    assert item["Key"] == Like(rf"aws/lambda/async/to-ends/{day}-[0-9a-f-]{{36}}")
    kept = json.loads(s3.get_object(Bucket="ends", Key=item["Key"])["Body"].read())
    assert kept == failure(bulb, "to-ends", request_id, kept)
