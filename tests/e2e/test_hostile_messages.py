"""Messages, names, handles, tokens and patterns that nobody sends by accident; a neighbour's arrive all the same."""

import base64
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.messages import OTHER, PLACE, House, Neighbour, queue_arn, refused, watched
from tests.support.bulb import Running
from tests.support.rawhttp import Message, send
from tests.support.waiting import until


@pytest.fixture(scope="module")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with watched(tmp_path_factory.mktemp("messages") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def house(bulb: Running) -> House:
    return House(bulb)


@pytest.fixture(scope="module")
def neighbour(bulb: Running) -> Neighbour:
    return Neighbour(bulb)


@pytest.fixture(autouse=True)
def the_neighbour_is_served(neighbour: Neighbour) -> Iterator[None]:
    yield
    neighbour.assert_served()


ODD_TEXTS = ["\U0001f600 é 東", "\u2028\u2029", "\t\r\n", "\ufffd", "\ud7ff\ue000", "x" * 1_000_000, "\"\\'<&>"]
NO_TEXTS = ["\0", "a\x01b", "\x1f", "\ufffe", "\uffff"]


def test_odd_texts_arrive_as_they_were_sent_by_every_way(house: House) -> None:
    url = house.queue("odd-texts")
    topic = house.topic("odd-texts", "odd-texts")
    for text in ODD_TEXTS:
        house.sqs.send_message(QueueUrl=url, MessageBody=text)
        assert house.take(url, wait=2) == [text]
    for text in [*ODD_TEXTS[:5], "x" * 200_000]:
        house.sns.publish(TopicArn=topic, Message=text)
        assert house.take_all(url, 1) == [text]


def test_characters_that_no_message_may_have_are_refused_and_leave_nothing(house: House) -> None:
    url = house.queue("no-texts")
    for text in NO_TEXTS:
        assert refused(house.sqs.send_message, QueueUrl=url, MessageBody=text) in {
            "InvalidMessageContents",
            "InvalidParameterValue",
        }
        entries = [{"Id": "bad", "MessageBody": text}, {"Id": "good", "MessageBody": "good"}]
        try:
            answer = house.sqs.send_message_batch(QueueUrl=url, Entries=entries)
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        else:
            assert [entry["Id"] for entry in answer["Failed"]] == ["bad"]
            assert house.take_all(url, 1) == ["good"]
    assert house.take(url) == []


def raw(bulb: Running, target: str, document: str) -> Any:
    """The answer to a JSON request of SQS, byte for byte as given."""
    headers = (
        ("Host", "127.0.0.1"),
        ("Content-Type", "application/x-amz-json-1.0"),
        ("X-Amz-Target", f"AmazonSQS.{target}"),
        ("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, Signature=0"),
    )
    return send(bulb.url, Message("POST", "/", headers, document.encode("utf-8", "surrogatepass")), timeout=30)


def test_half_characters_are_refused(bulb: Running, house: House) -> None:
    url = house.queue("halves")
    for body in ('"\\ud800"', '"\\udc00x"', '"\ud800"'):
        reply = raw(bulb, "SendMessage", f'{{"QueueUrl": "{url}", "MessageBody": {body}}}')
        assert 400 <= reply.status < 500, (body, reply)
    attribute = '{"\\ud800": {"DataType": "String", "StringValue": "x"}}'
    for extra in (
        f'"MessageAttributes": {attribute}',
        '"MessageGroupId": "\\ud800"',
        '"MessageAttributes": {"a": {"DataType": "String", "StringValue": "\\udfff"}}',
        '"MessageSystemAttributes": {"AWSTraceHeader": {"DataType": "String", "StringValue": "\\ud800"}}',
    ):
        reply = raw(bulb, "SendMessage", f'{{"QueueUrl": "{url}", "MessageBody": "x", {extra}}}')
        assert 400 <= reply.status < 500, (extra, reply)
    reply = raw(bulb, "CreateQueue", '{"QueueName": "\\ud800"}')
    assert 400 <= reply.status < 500, reply
    assert house.take(url) == []


def attribute(value: str = "x", kind: str = "String") -> dict[str, Any]:
    return {"DataType": kind, "StringValue": value}


@pytest.mark.parametrize(
    "attributes",
    [
        {"a" * 1_048_576: attribute()},
        {"a" * 257: attribute()},
        {"\0": attribute()},
        {".a": attribute()},
        {"a..b": attribute()},
        {"AWS.x": attribute()},
        {"": attribute()},
        {"a": attribute("")},
        {"a": attribute("x", "K" * 300)},
        {"a": attribute("x", "Number")},
        {"a": attribute("1e999999999999", "Number")},
        {"a": attribute("9" * 100_000, "Number")},
        {"a": attribute("\0")},
        {"a": {"DataType": "Binary", "BinaryValue": b""}},
        {"a": {"DataType": "String"}},
        {f"a{number}": attribute() for number in range(11)},
    ],
    ids=map(str, range(17)),
)
def test_attributes_that_are_none(house: House, attributes: dict[str, Any]) -> None:
    """Refused by queues; topics have fewer rules, and what they take arrives."""
    url = house.queue("no-attributes")
    topic = house.topic("no-attributes", "no-attributes")
    refused(house.sqs.send_message, QueueUrl=url, MessageBody="x", MessageAttributes=attributes)
    try:
        house.sns.publish(TopicArn=topic, Message="taken", MessageAttributes=attributes)
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] < 500
        assert house.take(url) == []


def test_messages_that_are_too_long(house: House) -> None:
    url = house.queue("long")
    house.sqs.send_message(QueueUrl=url, MessageBody="x" * 1_048_576)
    assert len(house.take(url, wait=2)[0]) == 1_048_576
    refused(house.sqs.send_message, QueueUrl=url, MessageBody="x" * 1_048_577)
    refused(house.sqs.send_message, QueueUrl=url, MessageBody="é" * 600_000)
    with_attribute = {"a": attribute("x" * 1_000)}
    refused(house.sqs.send_message, QueueUrl=url, MessageBody="x" * 1_048_000, MessageAttributes=with_attribute)
    entries = [{"Id": str(number), "MessageBody": "x" * 200_000} for number in range(10)]
    assert refused(house.sqs.send_message_batch, QueueUrl=url, Entries=entries).endswith("BatchRequestTooLong")
    assert house.take(url) == []


def test_batches_that_are_none_store_nothing(house: House) -> None:
    url = house.queue("batches")
    good = {"Id": "a", "MessageBody": "x"}
    for entries, code in (
        ([], "EmptyBatchRequest"),
        ([good, good], "BatchEntryIdsNotDistinct"),
        ([{**good, "Id": str(number)} for number in range(11)], "TooManyEntriesInBatchRequest"),
        ([{**good, "Id": "a b"}], "InvalidBatchEntryId"),
        ([{**good, "Id": "x" * 81}], "InvalidBatchEntryId"),
    ):
        assert code in refused(house.sqs.send_message_batch, QueueUrl=url, Entries=entries)
        handles = [{"Id": entry["Id"], "ReceiptHandle": "x"} for entry in entries]
        assert code in refused(house.sqs.delete_message_batch, QueueUrl=url, Entries=handles)
        changes = [{**entry, "VisibilityTimeout": 1} for entry in handles]
        assert code in refused(house.sqs.change_message_visibility_batch, QueueUrl=url, Entries=changes)
    topic = house.topic("batches", "batches")
    one = {"Id": "a", "Message": "x"}
    for entries in ([], [one, one], [{**one, "Id": str(number)} for number in range(11)], [{**one, "Id": "a b"}]):
        refused(house.sns.publish_batch, TopicArn=topic, PublishBatchRequestEntries=entries)
    assert house.take(url) == []


def test_handles_that_are_forged_touch_nothing(bulb: Running, house: House) -> None:
    """Handles of other queues and accounts, cut, changed or made up: the message stays, and is the receiver's."""
    url, second = house.queue("mine", VisibilityTimeout="600"), house.queue("second", VisibilityTimeout="600")
    other = House(bulb, OTHER)
    theirs = other.sqs.create_queue(QueueName="mine")["QueueUrl"]
    for place, client in ((url, house), (second, house), (theirs, other)):
        client.sqs.send_message(QueueUrl=place, MessageBody="kept")
    handle = house.sqs.receive_message(QueueUrl=url)["Messages"][0]["ReceiptHandle"]
    foreign = [
        house.sqs.receive_message(QueueUrl=second)["Messages"][0]["ReceiptHandle"],
        other.sqs.receive_message(QueueUrl=theirs)["Messages"][0]["ReceiptHandle"],
    ]
    binary = base64.b64decode(handle + "===", validate=False)
    forged = [
        *foreign,
        handle[:-1],
        handle + "A",
        handle * 50,
        handle.swapcase(),
        *(base64.b64encode(binary[:n] + bytes([binary[n] ^ 1]) + binary[n + 1 :]).decode() for n in range(len(binary))),
        *["", " ", "\0", "é", "x" * 100_000, "../../x", "AAAA", "null"],
    ]
    for each in forged:
        for call, more in (
            (house.sqs.delete_message, {}),
            (house.sqs.change_message_visibility, {"VisibilityTimeout": 0}),
        ):
            try:
                call(QueueUrl=url, ReceiptHandle=each, **more)
            except ClientError as error:
                assert error.response["ResponseMetadata"]["HTTPStatusCode"] < 500, (each, error.response)
        counts = house.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert counts["ApproximateNumberOfMessagesNotVisible"] == "1", each
    for place, each, client in ((second, foreign[0], house), (theirs, foreign[1], other), (url, handle, house)):
        client.sqs.change_message_visibility(QueueUrl=place, ReceiptHandle=each, VisibilityTimeout=0)
        assert client.take(place, wait=2) == ["kept"]


TOKENS = [
    "x",
    "AAAA",
    "bnVsbA==",
    "WzFd",
    "e30=",
    "WyJhIiwxXQ==",
    "é",
    "\0",
    "9" * 400,
    "x" * 5_000,
    "../..",
    "[[[",
]


def test_tokens_that_are_forged(house: House) -> None:
    house.queue("tokens")
    topic = house.topic("tokens", "tokens")
    house.rule("tokens", {"source": ["tokens"]}, queue_arn("tokens"))
    calls = [
        (house.sqs.list_queues, {"MaxResults": 1}),
        (house.sqs.list_dead_letter_source_queues, {"QueueUrl": house.queue("tokens"), "MaxResults": 1}),
        (house.sns.list_topics, {}),
        (house.sns.list_subscriptions, {}),
        (house.sns.list_subscriptions_by_topic, {"TopicArn": topic}),
        *((call, {"Limit": 1}) for call in (house.events.list_rules, house.events.list_event_buses)),
        *((call, {"Limit": 1}) for call in (house.events.list_archives, house.events.list_replays)),
        *((call, {"Limit": 1}) for call in (house.events.list_connections, house.events.list_api_destinations)),
        (house.events.list_targets_by_rule, {"Rule": "tokens"}),
        (house.events.list_rule_names_by_target, {"TargetArn": queue_arn("tokens")}),
        (house.scheduler.list_schedules, {"MaxResults": 1}),
        (house.scheduler.list_schedule_groups, {"MaxResults": 1}),
    ]
    for call, arguments in calls:
        for token in TOKENS:
            try:
                answer = call(**arguments, NextToken=token)
            except ClientError as error:
                assert 400 <= error.response["ResponseMetadata"]["HTTPStatusCode"] < 500, (call, token)
            else:
                assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def nested(levels: int, leaf: str = "1") -> str:
    return '{"a":' * levels + leaf + "}" * levels


HOSTILE_PATTERNS = [
    '{"a":' * 400,
    nested(400, "[1]"),
    nested(200, "[1]"),
    '{"a": [%s]}' % ", ".join('{"wildcard": "*a*b*c"}' for _ in range(80)),  # noqa: UP031 - braces
    '{"a": [{"wildcard": "%s"}]}' % ("*a" * 400),
    '{"a": [{"wildcard": "*%s*%s"}]}' % ("ab" * 300, "ba" * 300),  # noqa: UP031 - braces
    '{"a": [{"anything-but": {"wildcard": [%s]}}]}' % ", ".join(f'"*{n}*"' for n in range(200)),  # noqa: UP031 - braces
    '{"$or": [%s]}' % ", ".join('{"a": [1]}' for _ in range(180)),  # noqa: UP031 - braces
    "{%s}" % ", ".join(f'"{n}": {{"$or": [{{"a": [1]}}, {{"b": [1]}}]}}' for n in range(40)),  # noqa: UP031 - braces
    '{"a": [{"numeric": ["<", 1e400]}]}',
    '{"a": [%s]}' % ("9" * 2_000),
    '{"a": [{"cidr": "%s/8"}]}' % ("1" * 1_000),
    '{"\\ud800": ["\\udfff"]}',
    '{"a": ["\\u0000"]}',
]


# The limit is that of rules with wildcards.
PATTERN_REFUSALS = ("InvalidEventPatternException", "ValidationException", "LimitExceededException")


def test_patterns_that_explode_are_refused_or_cost_nothing(house: House) -> None:
    url = house.queue("patterns")
    topic = house.topic("patterns", "patterns")
    start = time.monotonic()
    for pattern in HOSTILE_PATTERNS:
        try:
            house.rule("hostile", pattern, queue_arn("patterns"))
        except ClientError as error:
            assert error.response["Error"]["Code"] in PATTERN_REFUSALS, error
        for scope in ("MessageBody", "MessageAttributes"):
            attributes = {"FilterPolicy": pattern, "FilterPolicyScope": scope}
            try:
                subscription = house.subscribe(topic, "sqs", queue_arn(f"no{len(pattern)}"), **attributes)
            except ClientError as error:
                assert error.response["Error"]["Code"] == "InvalidParameter", error
            else:
                house.sns.publish(TopicArn=topic, Message=nested(100))
                house.sns.unsubscribe(SubscriptionArn=subscription)
        house.put("hostile", {"a": "ab" * 100_000})
    assert time.monotonic() - start < 200
    house.events.remove_targets(Rule="hostile", Ids=["0"])
    until(lambda: not house.take(url), "the messages to end", 30)


def test_the_most_expensive_rules_against_the_most_expensive_event(house: House) -> None:
    """Many of the worst that are let in: an event arrives once, and others are answered while it is looked at."""
    url = house.queue("worst")
    lists = [{"a": [{"a": [{"a": n} for n in range(12)]} for _ in range(12)]} for _ in range(12)]
    members = ", ".join('{"detail": {"l": {"a": {"a": {"a": [%d]}}}}}' % (n + 100) for n in range(30))  # noqa: UP031 - braces
    for number in range(12):
        house.rule(f"worst-{number}", '{"$or": [%s]}' % members)  # noqa: UP031 - braces
    house.rule("all", {"source": ["worst"]}, queue_arn("worst"))
    house.put("warm", {})
    put: list[float] = []

    def put_some() -> None:
        for _ in range(3):
            put.append(seconds(lambda: house.put("worst", {"l": lists, "text": "ab" * 10_000})))

    putting = threading.Thread(target=put_some)
    putting.start()
    answers: list[float] = []
    while putting.is_alive() or not answers:
        answers.append(seconds(lambda: house.sqs.get_queue_url(QueueName="worst")))
    putting.join()
    assert statistics.median(answers) < statistics.median(put) / 3
    assert len(house.take_all(url, 3)) == 3
    for number in range(12):
        house.events.delete_rule(Name=f"worst-{number}")


def seconds(call: Callable[[], Any]) -> float:
    """How long it takes."""
    began = time.monotonic()
    call()
    return time.monotonic() - began


@pytest.mark.parametrize("levels", [500, 5_000, 40_000])
def test_deep_events_and_bodies(house: House, levels: int) -> None:
    """What is too deep to be read is no JSON; what is let in arrives as it was."""
    url = house.queue("deep")
    house.rule("deep", {"source": ["deep"]}, queue_arn("deep"))
    entry = {"Source": "deep", "DetailType": "d", "Detail": nested(levels)}
    answer = house.events.put_events(Entries=[entry])
    if answer["FailedEntryCount"] == 0:
        (body,) = house.take_all(url, 1)
        assert nested(levels) in body.replace(" ", "")
    else:
        assert answer["Entries"][0]["ErrorCode"] == "MalformedDetail"
    topic = house.topic("deep", "deep", FilterPolicy='{"a": [{"exists": false}]}', FilterPolicyScope="MessageBody")
    house.sns.publish(TopicArn=topic, Message=nested(levels))
    house.sns.publish(TopicArn=topic, Message="{}")
    found = house.take_all(url, 2 if levels == 500 else 1)
    assert "{}" in found
    if levels <= 5_000:
        refused(house.events.test_event_pattern, EventPattern=nested(levels, "[1]"), Event="{}")


def test_names_of_other_accounts_and_regions_lead_nowhere(bulb: Running, house: House) -> None:
    """What is not here is refused when it is named, or when it is delivered: never delivered to a namesake."""
    url = house.queue("namesake")
    topic = house.topic("namesake")
    for place in (f"us-east-1:{OTHER}", "eu-west-1:000000000000"):
        arn = f"arn:aws:sqs:{place}:namesake"
        try:
            house.subscribe(topic, "sqs", arn)
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] < 500
        name = f"to-{place.partition(':')[0]}"
        house.rule(name, {"source": ["namesake"]})
        try:
            house.events.put_targets(Rule=name, Targets=[{"Id": "x", "Arn": arn}])
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] < 500
        foreign_topic = topic.replace(PLACE, place)
        refused(house.sns.publish, TopicArn=foreign_topic, Message="x")
        refused(house.sns.subscribe, TopicArn=foreign_topic, Protocol="sqs", Endpoint=queue_arn("namesake"))
    refused(house.sqs.send_message, QueueUrl=url.replace("000000000000", OTHER), MessageBody="x")
    house.sns.publish(TopicArn=topic, Message="x")
    house.put("namesake", {})
    abroad = bulb.client("sqs", region="eu-west-1")
    refused(abroad.get_queue_url, QueueName="namesake")
    time.sleep(0.5)
    assert house.take(url) == []


def test_another_account_is_let_in_by_the_policy_alone(bulb: Running, house: House) -> None:
    """While the policy names everybody its events arrive; without one none does."""
    url = house.queue("closed")
    other = House(bulb, OTHER)
    other.rule("from-afar", {"source": ["afar"]}, queue_arn("closed"))
    other.put("afar", {"n": 1})
    assert '"n":1' in house.take_all(url, 1)[0].replace(" ", "")
    house.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    other.put("afar", {"n": 2})
    time.sleep(0.5)
    assert house.take(url) == []
