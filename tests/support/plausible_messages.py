"""Values for what requests to queues, topics, buses and schedules name. See `plausible`, which they are part of."""

import json
from typing import Any

ACCOUNT, OTHER_ACCOUNT = "000000000000", "111122223333"
QUEUE, ALIAS = "queue", "live"
_PLACE = f"us-east-1:{ACCOUNT}"
QUEUE_ARN = f"arn:aws:sqs:{_PLACE}:{QUEUE}"
QUEUE_URL = f"http://127.0.0.1:4566/{ACCOUNT}/{QUEUE}"
TOPIC, FIFO_TOPIC = "topic", "topic.fifo"
TOPIC_ARN = f"arn:aws:sns:{_PLACE}:{TOPIC}"
_SUBSCRIPTION_ARN = f"{TOPIC_ARN}:00000000-0000-0000-0000-000000000000"
BUS_ARN = f"arn:aws:events:{_PLACE}:event-bus/default"
_RULE_ARN = f"arn:aws:events:{_PLACE}:rule/{ALIAS}"
_SCHEDULE_GROUP_ARN = f"arn:aws:scheduler:{_PLACE}:schedule-group/{ALIAS}"
_FUNCTION_ARN = f"arn:aws:lambda:{_PLACE}:function:neighbour"


def _other(arn: str) -> str:
    return arn.replace(ACCOUNT, OTHER_ACCOUNT)


_PATTERNS = [
    '{"source": ["a"]}',
    '{"detail": {"n": [{"numeric": [">", 1]}, {"exists": false}]}}',
    '{"$or": [{"a": ["x"]}, {"b": [{"wildcard": "*x*"}]}]}',
    '{"a": [{"cidr": "10.0.0.0/8"}, {"anything-but": {"prefix": "x"}}]}',
    '{"a": [{"wildcard": "*a*a*a*a*a*a*a"}]}',
    '{"a": "b"}',
    "{}",
    "[]",
    "{",
    '{"a":' * 400,
    '{"a": [1e999]}',
]
_POLICIES = [
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"}]}',
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sns:Publish","Resource":"*"}]}',
    "{}",
    "[",
    '{"Statement":5}',
]
_REDRIVES = [
    json.dumps({"deadLetterTargetArn": QUEUE_ARN, "maxReceiveCount": 2}),
    json.dumps({"deadLetterTargetArn": _other(QUEUE_ARN), "maxReceiveCount": "2"}),
    '{"deadLetterTargetArn": 5}',
    '{"maxReceiveCount": 1e999}',
    "null",
    "",
]
_EVENT = {
    "id": "1",
    "account": ACCOUNT,
    "source": "a",
    "time": "2026-01-01T00:00:00Z",
    "region": "us-east-1",
    "resources": [],
    "detail-type": "d",
    "detail": {},
}

KNOWN_MESSAGES: dict[str, list[Any]] = {
    "AWSAccountId": [OTHER_ACCOUNT, "x", ""],
    "ActionName": ["Publish", "Subscribe", "*", "Nothing"],
    "ArchiveName": [*[ALIAS] * 3, "nothing"],
    "AttributeName": [
        *["FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy", "DeliveryPolicy", "Policy"],
        *["DisplayName", "KmsMasterKeyId", "SubscriptionRoleArn", "TracingConfig", "nothing", ""],
    ],
    "AttributeValue": [*_PATTERNS[:5], *_POLICIES, *_REDRIVES, "true", "MessageBody", "Active", "x" * 300],
    "ConnectionArn": [*["@connection"] * 3, f"arn:aws:events:{_PLACE}:connection/nothing/1", "arn:"],
    "DestinationArn": [QUEUE_ARN, _other(QUEUE_ARN), "arn:"],
    "Detail": ["{}", '{"a": 1}', "", "[]", "{", '{"a":' * 900, "x" * 2_000],
    "DetailType": ["d", "", "x" * 200],
    "Endpoint": [QUEUE_ARN, _FUNCTION_ARN, "http://127.0.0.1:9/x", "http://[::1", "ftp://x", "a@b", "+1555", ""],
    "EntryId": ["one"],
    "Event": [json.dumps(_EVENT), json.dumps({**_EVENT, "detail": []}), "{}", "[", '{"a":' * 900, ""],
    "EventBusName": [*["default", ALIAS] * 2, BUS_ARN, _other(BUS_ARN), "nothing", "arn:", "aws.partner/x/y"],
    "EventPattern": _PATTERNS,
    "GroupName": [*["default", ALIAS] * 2, "nothing"],
    "Id": ["one", "two", "with space", "x" * 81, "é"],
    "Input": ["{}", '"text"', "{", "", "x" * 9_000],
    "InputPath": ["$.detail", "$", "$.a[0].b", "$..x", "$[", "detail", ""],
    "InputTemplate": ['{"a": <a>}', '"<a> and <aws.events.event>"', "<nothing>", "<", "{", ""],
    "InvocationEndpoint": ["https://127.0.0.1:9/x/*", "https://[::1", "http://x", "https://", "x"],
    "Label": ["one", "two", "with space"],
    "Message": ["text", "{}", '{"default": "x", "sqs": 5}', "", "x" * 300_000, "\ufffe\u0001"],
    "MessageBody": ["text", "{}", "", "x" * 300_000, "\ufffe\u0001", "\U0001f600"],
    "MessageDeduplicationId": ["d", "", "x" * 129, "a b"],
    "MessageGroupId": ["g", "", "x" * 129, "a b"],
    "MessageStructure": ["json", "xml", ""],
    "NextToken": ["bogus", "AAAA", "1", "é", "", "eyJhIjoxfQ=="],
    "PhoneNumber": ["+15550000", "x"],
    "Protocol": ["sqs", "lambda", "http", "https", "email", "sms", "application", "firehose", "x", ""],
    "QueueName": [*[QUEUE] * 3, f"{QUEUE}.fifo", "other", "x" * 81, "with space", ".fifo", ""],
    "QueueOwnerAWSAccountId": [ACCOUNT, OTHER_ACCOUNT, "x"],
    "QueueUrl": [
        *[QUEUE_URL] * 6,
        *[f"{QUEUE_URL}.fifo"] * 2,
        QUEUE_ARN,
        QUEUE,
        QUEUE_URL.replace(ACCOUNT, OTHER_ACCOUNT),
        "http://elsewhere/000000000000/nothing",
        "http://[::1",
        "",
    ],
    "ReceiptHandle": [*["@receipt"] * 4, "bogus", "AAAA", "x" * 1_000, "é"],
    "ReplayName": [ALIAS, "nothing"],
    "ResourceARN": [_RULE_ARN, BUS_ARN, _other(BUS_ARN), "arn:"],
    "Rule": [*[ALIAS] * 4, "nothing", "with space"],
    "ScheduleExpression": [
        *["rate(1 minute)", "rate(5 hours)", "cron(0 12 * * ? *)", "cron(0 0 L * ? *)", "at(2030-01-01T00:00:00)"],
        *["rate(0 minutes)", "rate(1 minutes)", "rate(99999999999999999999 days)", "cron(99 * * * ? *)", "at(x)"],
        *["cron(* * 31 2 ? *)", "cron(0/0 * * * ? *)", "at(9999-12-31T23:59:59)", "", "x" * 250],
    ],
    "ScheduleExpressionTimezone": ["UTC", "Europe/Berlin", "Nowhere/Land", "../../etc/passwd", ""],
    "Source": ["a", "aws.s3", "", "x" * 256],
    "Subject": ["s", "", "x" * 101, "two\nlines"],
    "SubscriptionArn": [*["@subscription"] * 4, f"{TOPIC_ARN}:1", _other(TOPIC_ARN), "arn:", "PendingConfirmation"],
    "TaskHandle": ["bogus", "AAAA", ""],
    "Token": ["bogus", "x" * 300],
    "WaitTimeSeconds": [0, 0, 1, -1, 21, 2**31 - 1],
    "TopicArn": [*[TOPIC_ARN] * 5, f"{TOPIC_ARN}.fifo", f"{TOPIC_ARN}x", _other(TOPIC_ARN), "arn:", ""],
}

_TOPICS: dict[str, list[Any]] = {
    "AWSAccountId": [ACCOUNT, OTHER_ACCOUNT, "1", "é"],
    "ActionName": ["Publish", "Subscribe", "*", "Explode", ""],
    "AttributeName": [
        "Policy",
        "DisplayName",
        "DeliveryPolicy",
        "SignatureVersion",
        "MaximumMessageSize",
        "ContentBasedDeduplication",
        "FilterPolicy",
        "FilterPolicyScope",
        "RawMessageDelivery",
        "RedrivePolicy",
        "SQSSuccessFeedbackSampleRate",
        "FifoTopic",
        "nonsense",
    ],
    "AttributeValue": [
        "",
        "true",
        "1",
        "2",
        "{}",
        "[]",
        "null",
        '{"a": ["b"]}',
        '{"a": [{"prefix": "b"}, {"exists": true}]}',
        '{"a":' * 900,
        '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:queue"}',
        '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:\\ud800"}',
        '{"http": {"defaultHealthyRetryPolicy": {"numRetries": 99999999999999999999}}}',
        '{"http": {"defaultHealthyRetryPolicy": {"numRetries": 1e400}}}',
        '{"healthyRetryPolicy": {"minDelayTarget": 1, "numRetries": 3}, "requestPolicy": {"headerContentType": 1}}',
        "MessageBody",
        "99999999999999999999",
    ],
    "DataType": ["String", "Number", "Binary", "String.Array", "Number.é", "", "Boolean"],
    "Endpoint": [_FUNCTION_ARN, QUEUE_ARN, f"{QUEUE_ARN}.fifo", "http://[", "http://a:b:c/", "nobody@example.com", ""],
    "Label": ["one", "two", "", "a b"],
    "MessageDeduplicationId": ["once", "é", ""],
    "MessageGroupId": ["group", "é", ""],
    "MessageStructure": ["json", "xml", ""],
    "NextToken": ["bogus", "WyJhIl0=", "W10=", "WzFd", "bnVsbA==", "WyLDqSJd"],
    "PhoneNumber": ["+15551234567", "15551234567", "+1a234", "", "é"],
    "Protocol": ["lambda", "sqs", "http", "https", "email", "sms", "application", "firehose", "pigeon"],
    "Subject": ["about", "a\nb", "", "x" * 101, "\u2028"],
    "SubscriptionArn": [
        *["@subscription"] * 3,
        _SUBSCRIPTION_ARN,
        f"{TOPIC_ARN}:x",
        "PendingConfirmation",
        "",
        ":" * 9,
    ],
    "Token": ["0" * 224, "f" * 15, "é", ""],
    "TopicArn": [
        *[TOPIC_ARN] * 4,
        f"{TOPIC_ARN}.fifo",
        f"{TOPIC_ARN}s",
        TOPIC_ARN.replace(ACCOUNT, OTHER_ACCOUNT),
        TOPIC_ARN.replace("us-east-1", "eu-west-9"),
        _FUNCTION_ARN,
        "arn:aws:sns:::",
        "",
    ],
}
for _name, _values in _TOPICS.items():
    KNOWN_MESSAGES[_name] = [*_values, *KNOWN_MESSAGES.get(_name, ())]

# For names that other services have too: what is added to theirs.
FURTHER: dict[str, list[Any]] = {
    "Action": ["SendMessage", "*", "events:PutEvents"],
    "Arn": [
        QUEUE_ARN,
        TOPIC_ARN,
        _FUNCTION_ARN,
        BUS_ARN,
        "@destination",
        "arn:aws:scheduler:::aws-sdk:sqs:sendMessage",
    ],
    "EventSourceArn": [BUS_ARN],
    "ResourceArn": [TOPIC_ARN, _SCHEDULE_GROUP_ARN],
    "SourceArn": [QUEUE_ARN],
    "TargetArn": [TOPIC_ARN],
}

_ATTRIBUTE = {"DataType": "String", "StringValue": "x"}
# Whole maps, by their shapes: keys that go with their values.
MAPS: dict[str, list[dict[str, Any]]] = {
    "MessageBodyAttributeMap": [
        {"a": _ATTRIBUTE},
        {"n": {"DataType": "Number", "StringValue": "1e999"}, "b": {"DataType": "Binary.x", "BinaryValue": b"\0"}},
        {"a": {"DataType": "String"}},
        {"": _ATTRIBUTE},
        {"aws.x": _ATTRIBUTE, "..": _ATTRIBUTE},
        {"a": {"DataType": "x", "StringValue": "x", "BinaryValue": b"x"}},
        {f"a{number}": _ATTRIBUTE for number in range(11)},
    ],
    "QueueAttributeMap": [
        {"VisibilityTimeout": "0", "DelaySeconds": "900", "MaximumMessageSize": "1024"},
        {"VisibilityTimeout": "43201"},
        {"FifoQueue": "true", "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"},
        {"ReceiveMessageWaitTimeSeconds": "x", "MessageRetentionPeriod": "99999999999999999999"},
        *({"Policy": policy} for policy in _POLICIES),
        *({"RedrivePolicy": redrive} for redrive in _REDRIVES),
        {"RedriveAllowPolicy": '{"redrivePermission": "byQueue", "sourceQueueArns": [5]}'},
        {"KmsMasterKeyId": "alias/aws/sqs", "SqsManagedSseEnabled": "true"},
    ],
    "SubscriptionAttributesMap": [
        *({"FilterPolicy": pattern} for pattern in _PATTERNS),
        {"FilterPolicy": '{"a": {"b": ["x"]}}', "FilterPolicyScope": "MessageBody"},
        {"FilterPolicyScope": "x"},
        *({"RedrivePolicy": redrive} for redrive in _REDRIVES),
        {"DeliveryPolicy": '{"healthyRetryPolicy": {"numRetries": 1e999, "minDelayTarget": -1}}'},
        {"RawMessageDelivery": "maybe"},
    ],
    "TopicAttributesMap": [
        {"FifoTopic": "true", "ContentBasedDeduplication": "x"},
        *({"Policy": policy} for policy in _POLICIES),
        {"DeliveryPolicy": '{"http": {"defaultHealthyRetryPolicy": {"numRetries": "x"}}}'},
        {"DisplayName": "x" * 101},
        {"nothing": ""},
    ],
    "TransformerPaths": [{"a": "$.detail.a"}, {"a": "$["}, {"": ""}, {"aws.x": "$.x"}, {"a b": "$"}],
}
MAPS["MessageAttributeMap"] = MAPS["MessageBodyAttributeMap"]
