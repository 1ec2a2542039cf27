"""Functions fed by queues: real queues, real handlers, boto3 on both ends."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from bulb.core.facts import BatchFinished, InvocationFinished, MappingEvents
from bulb.environments.processors import Processors
from tests.support.bulb import Running, running_bulb
from tests.support.functions import create
from tests.support.gates import TIMEOUT_S, Gate, begun, waiting
from tests.support.waiting import until

ACCOUNT = "000000000000"
ARN = f"arn:aws:sqs:us-east-1:{ACCOUNT}"
# Sends every event on to the queue `seen`, then does what the first body says.
TELLS = """
import json, os, boto3
sqs = boto3.client("sqs")
def handler(event, context):
    sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(event))
    if any(record["body"].startswith("bad") for record in event["Records"]):
        raise ValueError("bad")
    return json.loads(os.environ.get("ANSWER", "null"))
"""


@pytest.fixture(scope="module")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """On processors that have time to spare, whatever else the machine does: mappings grow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Processors, "idle", lambda processors: 1.0)
        with running_bulb(tmp_path_factory.mktemp("mappings")) as running:
            yield running


class Mapped:
    """A queue, a function that tells what it sees, and the mapping between them."""

    def __init__(self, bulb: Running, name: str, source: str = TELLS, **options: Any) -> None:
        self.bulb, self.name = bulb, name
        self.aws, self.sqs = bulb.client("lambda"), bulb.client("sqs")
        queue = options.pop("queue", {})
        is_fifo = queue.get("FifoQueue") == "true"
        self.queue_name = f"{name}.fifo" if is_fifo else name
        self.url = self.sqs.create_queue(QueueName=self.queue_name, Attributes=queue)["QueueUrl"]
        self.arn = f"{ARN}:{self.queue_name}"
        self.seen_url = self.sqs.create_queue(QueueName=f"{name}-seen")["QueueUrl"]
        variables = {"SEEN": self.seen_url, **options.pop("variables", {})}
        settings = {"Timeout": 20, **options.pop("function", {})}
        create(self.aws, name, source, Environment={"Variables": variables}, **settings)
        made = self.aws.create_event_source_mapping(FunctionName=name, EventSourceArn=self.arn, **options)
        self.uuid = made["UUID"]
        if options.get("Enabled", True):
            self.settled("Enabled")

    def settled(self, state: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            shown: dict[str, Any] = self.aws.get_event_source_mapping(UUID=self.uuid)
            return shown if shown["State"] == state else None

        shown = until(look, state)
        assert shown is not None
        return shown

    def send(self, *bodies: str, **further: Any) -> list[str]:
        """The message ids."""
        ids = []
        for start in range(0, len(bodies), 10):
            entries = [
                {"Id": str(n), "MessageBody": body, **further} for n, body in enumerate(bodies[start : start + 10])
            ]
            answer = self.sqs.send_message_batch(QueueUrl=self.url, Entries=entries)
            ids += [one["MessageId"] for one in answer["Successful"]]
        return ids

    def events(self, count: int = 1) -> list[dict[str, Any]]:
        """The next events the function has seen."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            answer = self.sqs.receive_message(QueueUrl=self.seen_url, MaxNumberOfMessages=10)
            for message in answer.get("Messages", ()):
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.seen_url, ReceiptHandle=message["ReceiptHandle"])
            return len(found) >= count

        until(look, f"{count} events")
        return found

    def left(self) -> tuple[int, int]:
        """Messages visible, and in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        shown = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return int(shown[names[0]]), int(shown[names[1]])

    def empty(self) -> None:
        until(lambda: self.left() == (0, 0), f"{self.queue_name} is empty")

    def endings(self) -> list[BatchFinished]:
        return [
            fact for fact in list(self.bulb.facts) if isinstance(fact, BatchFinished) and fact.mapping_uuid == self.uuid
        ]


def bodies(event: dict[str, Any]) -> list[str]:
    return [record["body"] for record in event["Records"]]


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def test_an_event_of_a_standard_queue(bulb: Running) -> None:
    mapped = Mapped(bulb, "standard")
    attributes = {
        "text": {"DataType": "String", "StringValue": "v"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    sent = mapped.sqs.send_message(QueueUrl=mapped.url, MessageBody="Grüße 😀", MessageAttributes=attributes)
    (event,) = mapped.events()
    (record,) = event["Records"]
    system = record.pop("attributes")
    handle = record.pop("receiptHandle")
    empty = {"stringListValues": [], "binaryListValues": []}
    assert record == {
        "messageId": sent["MessageId"],
        "body": "Grüße 😀",
        "messageAttributes": {
            "text": {"stringValue": "v", **empty, "dataType": "String"},
            "bytes": {"binaryValue": "AP8=", **empty, "dataType": "Binary"},
        },
        "md5OfMessageAttributes": sent["MD5OfMessageAttributes"],
        "md5OfBody": md5("Grüße 😀"),
        "eventSource": "aws:sqs",
        "eventSourceARN": mapped.arn,
        "awsRegion": "us-east-1",
    }
    assert handle
    times = {name: system.pop(name) for name in ("SentTimestamp", "ApproximateFirstReceiveTimestamp")}
    assert all(text.isdecimal() and len(text) == 13 for text in times.values())
    assert system.pop("SenderId")
    assert system == {"ApproximateReceiveCount": "1"}
    mapped.send("plain")
    (event,) = mapped.events()
    assert event["Records"][0]["md5OfMessageAttributes"] is None
    mapped.empty()


def test_an_event_of_a_fifo_queue(bulb: Running) -> None:
    mapped = Mapped(bulb, "ordered", queue={"FifoQueue": "true"})
    mapped.sqs.send_message(QueueUrl=mapped.url, MessageBody="one", MessageGroupId="g", MessageDeduplicationId="d")
    (event,) = mapped.events()
    system = event["Records"][0]["attributes"]
    assert {name: system[name] for name in ("MessageGroupId", "MessageDeduplicationId")} == {
        "MessageGroupId": "g",
        "MessageDeduplicationId": "d",
    }
    assert system["SequenceNumber"].isdecimal()
    mapped.empty()


def test_a_failed_batch_comes_again_and_ends_in_the_dead_letter_queue(bulb: Running) -> None:
    sqs = bulb.client("sqs")
    dead = sqs.create_queue(QueueName="failing-dead")["QueueUrl"]
    policy = {"deadLetterTargetArn": f"{ARN}:failing-dead", "maxReceiveCount": 2}
    mapped = Mapped(bulb, "failing", queue={"RedrivePolicy": json.dumps(policy), "VisibilityTimeout": "20"})
    mapped.send("bad", "good")
    assert sorted(bodies(mapped.events()[0])) == ["bad", "good"]
    until(mapped.endings, "told")
    (ending,) = mapped.endings()
    assert (ending.status, ending.count, ending.deleted, ending.error) == ("error", 2, 0, "ValueError: bad")
    assert mapped.left() == (0, 2)
    bulb.clock.advance(21)
    (event,) = mapped.events()
    assert {record["attributes"]["ApproximateReceiveCount"] for record in event["Records"]} == {"2"}
    bulb.clock.advance(21)

    def buried() -> bool:
        answer = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["ApproximateNumberOfMessages"])
        return bool(answer["Attributes"]["ApproximateNumberOfMessages"] == "2")

    until(buried, "both in the dead-letter queue")
    names = ["DeadLetterQueueSourceArn"]
    asked = {"QueueUrl": dead, "MaxNumberOfMessages": 10, "MessageSystemAttributeNames": names}
    letters = [letter for _ in range(2) for letter in sqs.receive_message(**asked).get("Messages", ())]
    assert sorted(letter["Body"] for letter in letters) == ["bad", "good"]
    assert [letter["Attributes"] for letter in letters] == [{names[0]: mapped.arn}] * 2
    mapped.empty()


SHAPES: list[tuple[str, str, set[str]]] = [
    ("null", "null", set()),
    ("object", "{}", set()),
    ("list", "[]", set()),
    ("text", '""', set()),
    ("missing", '{"statusCode": 200}', set()),
    ("empty", '{"batchItemFailures": []}', set()),
    ("nothing", '{"batchItemFailures": null}', set()),
    ("valid", '{"batchItemFailures": [{"itemIdentifier": "ID"}]}', {"b"}),
    ("empty id", '{"batchItemFailures": [{"itemIdentifier": ""}]}', {"a", "b", "c"}),
    ("null id", '{"batchItemFailures": [{"itemIdentifier": null}]}', {"a", "b", "c"}),
    ("wrong key", '{"batchItemFailures": [{"id": "ID"}]}', {"a", "b", "c"}),
    ("stranger", '{"batchItemFailures": [{"itemIdentifier": "stranger"}]}', {"a", "b", "c"}),
]
ANSWERS = """
import json
def handler(event, context):
    ids = {record["body"].split()[0]: record["messageId"] for record in event["Records"]}
    answer = event["Records"][0]["body"].split(" ", 1)[1]
    if answer == "raise":
        raise ValueError("no")
    return json.loads(answer.replace("ID", ids.get("b", "")))
"""


def test_partial_failures_in_every_shape(bulb: Running) -> None:
    options = {"FunctionResponseTypes": ["ReportBatchItemFailures"], "queue": {"VisibilityTimeout": "600"}}
    mapped = Mapped(bulb, "shapes", ANSWERS, **options)
    for number, (name, answer, failed) in enumerate([*SHAPES, ("exception", "raise", {"a", "b", "c"})], 1):
        ids = dict(zip("abc", mapped.send(*(f"{letter} {answer}" for letter in "abc")), strict=True))
        until(lambda n=number: len(mapped.endings()) == n, name)
        ending = mapped.endings()[-1]
        assert set(ending.message_ids) == set(ids.values()), name
        assert (ending.failed, ending.deleted) == (len(failed), 3 - len(failed)), name
        assert bool(ending.error) is bool(failed), "whoever looks is told why"
        assert mapped.left() == (0, len(failed)), name
        mapped.sqs.purge_queue(QueueUrl=mapped.url)
        bulb.clock.advance(61)  # a queue may be purged once a minute


def test_groups_stay_in_order_whatever_fails(bulb: Running) -> None:
    """Messages 1 to 5 of a group; 2 fails once, and what is behind it is reported with it."""
    source = """
import json, os, boto3
sqs = boto3.client("sqs")
def handler(event, context):
    records = [record for record in event["Records"]]
    names = [record["body"] for record in records]
    failed, done = {}, []
    for record in records:
        group = record["attributes"]["MessageGroupId"]
        if record["body"] == "g2" and record["attributes"]["ApproximateReceiveCount"] == "1":
            failed[group] = True
        if group not in failed:
            done.append(record["body"])
    event = {"Records": [{"body": name} for name in done]}
    sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(event))
    return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in records if r["body"] not in done]}
"""
    queue = {"FifoQueue": "true", "ContentBasedDeduplication": "true", "VisibilityTimeout": "20"}
    options = {"FunctionResponseTypes": ["ReportBatchItemFailures"], "Enabled": False}
    mapped = Mapped(bulb, "partial", source, queue=queue, **options)
    for number in range(1, 6):
        for group in "gh":
            entry = {"Id": "1", "MessageBody": f"{group}{number}", "MessageGroupId": group}
            mapped.sqs.send_message_batch(QueueUrl=mapped.url, Entries=[entry])
    mapped.aws.update_event_source_mapping(UUID=mapped.uuid, Enabled=True)
    until(lambda: mapped.left() == (0, 4), "2 to 5 of g are left")
    bulb.clock.advance(21)
    mapped.empty()
    done = [body for event in mapped.events(2) for body in bodies(event)]
    for group in "gh":
        assert [body for body in done if body[0] == group] == [f"{group}{n}" for n in range(1, 6)]


def test_filters_let_through_delete_the_rest_and_are_counted(bulb: Running) -> None:
    patterns = [
        '{"body": {"kind": ["order"], "total": [{"numeric": [">", 10]}]}}',
        '{"messageAttributes": {"vip": {"stringValue": ["yes"]}}}',
    ]
    mapped = Mapped(
        bulb,
        "filtered",
        FilterCriteria={"Filters": [{"Pattern": pattern} for pattern in patterns]},
        MetricsConfig={"Metrics": ["EventCount"]},
        Enabled=False,
    )
    mapped.send('{"kind": "order", "total": 11}', '{"kind": "order", "total": 9}', "plain")
    mapped.send("important", MessageAttributes={"vip": {"DataType": "String", "StringValue": "yes"}})
    mapped.aws.update_event_source_mapping(UUID=mapped.uuid, Enabled=True)
    mapped.empty()
    assert sorted(bodies(mapped.events()[0])) == ["important", '{"kind": "order", "total": 11}']

    def counted() -> list[int]:
        facts = [f for f in list(bulb.facts) if isinstance(f, MappingEvents) and f.mapping_uuid == mapped.uuid]
        columns = [(f.polled, f.filtered_out, f.invoked, f.failed_invoke, f.deleted) for f in facts]
        return [sum(column) for column in zip(*columns, strict=True)]

    until(lambda: counted() == [4, 2, 2, 0, 4], "all counted")


def test_a_filter_of_plain_texts(bulb: Running) -> None:
    criteria = {"Filters": [{"Pattern": '{"body": [{"prefix": "yes"}]}'}]}
    mapped = Mapped(bulb, "texts", FilterCriteria=criteria)
    mapped.send("yes 1", "no", '{"yes": 1}', "yes 2")
    mapped.empty()
    seen = [body for event in mapped.events() for body in bodies(event)]
    assert sorted(seen) == ["yes 1", "yes 2"]


def test_a_window_gathers_what_comes(bulb: Running) -> None:
    mapped = Mapped(
        bulb, "window", BatchSize=100, MaximumBatchingWindowInSeconds=80, queue={"VisibilityTimeout": "120"}
    )
    mapped.send(*(str(n) for n in range(12)))
    until(lambda: mapped.left() == (0, 12), "all claimed")
    mapped.send("last")
    until(lambda: mapped.left() == (0, 13), "all claimed")
    assert mapped.endings() == []
    bulb.clock.advance(80)
    (event,) = mapped.events()
    assert len(event["Records"]) == 13
    mapped.empty()


def test_no_batch_is_larger_than_an_invocation_may_be(bulb: Running) -> None:
    source = "def handler(event, context):\n    print(sum(len(record['body']) for record in event['Records']))"
    mapped = Mapped(
        bulb, "large", source, BatchSize=100, MaximumBatchingWindowInSeconds=80, Enabled=False,
        queue={"VisibilityTimeout": "120"}, function={"MemorySize": 512, "Timeout": 30},
    )  # fmt: skip
    for _ in range(8):
        mapped.sqs.send_message(QueueUrl=mapped.url, MessageBody="x" * 1_000_000)
    mapped.aws.update_event_source_mapping(UUID=mapped.uuid, Enabled=True)
    until(lambda: sum(mapped.left()) == 2, "a batch of six goes, whatever the window")
    bulb.clock.advance(81)
    mapped.empty()
    until(lambda: len(mapped.endings()) == 2, "two batches")
    assert [ending.count for ending in mapped.endings()] == [6, 2]


def test_disable_enable_update_delete(bulb: Running) -> None:
    mapped = Mapped(bulb, "life", BatchSize=1, Enabled=False)
    assert mapped.settled("Disabled")["StateTransitionReason"] == "USER_INITIATED"
    mapped.send("a", "b")
    assert mapped.left() == (2, 0)
    mapped.aws.update_event_source_mapping(UUID=mapped.uuid, Enabled=True)
    assert len(mapped.events(2)) == 2
    mapped.settled("Enabled")
    mapped.aws.update_event_source_mapping(UUID=mapped.uuid, BatchSize=2, MaximumBatchingWindowInSeconds=60)
    mapped.settled("Enabled")
    mapped.send("c", "d")
    assert sorted(bodies(mapped.events()[0])) == ["c", "d"]
    mapped.send("e")
    until(lambda: mapped.left() == (0, 1), "claimed, waiting for its window")
    mapped.aws.update_event_source_mapping(UUID=mapped.uuid, Enabled=False)
    mapped.settled("Disabled")
    assert mapped.left() == (1, 0), "what had not begun is back at once"
    mapped.aws.delete_event_source_mapping(UUID=mapped.uuid)

    def gone() -> bool:
        try:
            mapped.aws.get_event_source_mapping(UUID=mapped.uuid)
        except mapped.aws.exceptions.ResourceNotFoundException:
            return True
        return False

    until(gone, "deleted")
    assert mapped.left() == (1, 0)


def test_an_alias_is_what_is_invoked(bulb: Running) -> None:
    aws = bulb.client("lambda")
    sqs = bulb.client("sqs")
    sqs.create_queue(QueueName="aliased")
    create(aws, "aliased", "def handler(event, context):\n    return context.invoked_function_arn")
    version = aws.publish_version(FunctionName="aliased")["Version"]
    aws.create_alias(FunctionName="aliased", Name="live", FunctionVersion=version)
    made = aws.create_event_source_mapping(FunctionName="aliased:live", EventSourceArn=f"{ARN}:aliased")
    assert made["FunctionArn"].endswith(":aliased:live")
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="aliased")["QueueUrl"], MessageBody="x")

    def told() -> list[BatchFinished]:
        return [f for f in list(bulb.facts) if isinstance(f, BatchFinished) and f.mapping_uuid == made["UUID"]]

    assert until(told, "invoked")[0].function.version == version


def test_what_is_refused(bulb: Running) -> None:
    aws, sqs = bulb.client("lambda"), bulb.client("sqs")
    create(aws, "picky", "def handler(event, context):\n    pass", Timeout=60)
    sqs.create_queue(QueueName="short", Attributes={"VisibilityTimeout": "30"})
    sqs.create_queue(QueueName="short.fifo", Attributes={"FifoQueue": "true", "VisibilityTimeout": "60"})
    nobody = (
        "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
        "SQS Error Message: The specified queue does not exist."
    )
    cases: list[tuple[dict[str, Any], str]] = [
        ({"EventSourceArn": f"{ARN}:nobody"}, nobody),
        (
            {"EventSourceArn": f"{ARN}:short"},
            "Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds",
        ),
        (
            {"EventSourceArn": f"{ARN}:short.fifo", "MaximumBatchingWindowInSeconds": 1},
            "Batching window is not supported for FIFO queues",
        ),
        (
            {
                "EventSourceArn": f"{ARN}:short.fifo",
                "ScalingConfig": {"MaximumConcurrency": 2},
                "ProvisionedPollerConfig": {"MinimumPollers": 2},
            },
            "Provisioned mode for SQS ESM does not support maximum concurrency feature. Use MaximumPollers as the "
            "control mechanism and remove maximum concurrency.",
        ),
    ]
    for params, text in cases:
        with pytest.raises(aws.exceptions.InvalidParameterValueException) as refused:
            aws.create_event_source_mapping(FunctionName="picky", **params)
        assert refused.value.response["Error"]["Message"] == text
    sqs.create_queue(QueueName="fits", Attributes={"VisibilityTimeout": "60"})
    made = aws.create_event_source_mapping(FunctionName="picky", EventSourceArn=f"{ARN}:fits", Enabled=False)
    url = sqs.get_queue_url(QueueName="fits")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "59"})
    with pytest.raises(aws.exceptions.InvalidParameterValueException):
        aws.update_event_source_mapping(UUID=made["UUID"], Enabled=True)


def test_a_function_gets_no_more_time_than_its_queue_hides_messages_for(bulb: Running) -> None:
    mapped = Mapped(bulb, "timely", "def handler(event, context):\n    pass", queue={"VisibilityTimeout": "30"})

    def timeout(seconds: int) -> None:
        mapped.aws.get_waiter("function_updated_v2").wait(FunctionName="timely", WaiterConfig={"Delay": 0.05})
        mapped.aws.update_function_configuration(FunctionName="timely", Timeout=seconds)

    timeout(30)
    with pytest.raises(mapped.aws.exceptions.InvalidParameterValueException) as refused:
        timeout(31)
    text = "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds"
    assert refused.value.response["Error"]["Message"] == text
    mapped.sqs.set_queue_attributes(QueueUrl=mapped.url, Attributes={"VisibilityTimeout": "31"})
    timeout(31)
    mapped.sqs.set_queue_attributes(QueueUrl=mapped.url, Attributes={"VisibilityTimeout": "5"})  # not refused by SQS
    mapped.sqs.delete_queue(QueueUrl=mapped.url)
    timeout(60)


def test_a_queue_and_a_function_that_go_are_said_and_come_back(bulb: Running) -> None:
    mapped = Mapped(bulb, "going")
    assert "LastProcessingResult" not in mapped.settled("Enabled")
    configuration = mapped.aws.get_function_configuration(FunctionName="going")
    mapped.aws.delete_function(FunctionName="going")
    shown = mapped.settled("Enabled")
    assert shown["LastProcessingResult"] == f"PROBLEM: Function not found: {configuration['FunctionArn']}"
    mapped.send("patient")
    variables = {"Variables": configuration["Environment"]["Variables"]}
    create(mapped.aws, "going", TELLS, Environment=variables, Timeout=20)
    assert bodies(mapped.events()[0]) == ["patient"]
    mapped.empty()
    assert "LastProcessingResult" not in mapped.settled("Enabled")
    mapped.sqs.delete_queue(QueueUrl=mapped.url)
    assert "NonExistentQueue" in mapped.settled("Enabled")["LastProcessingResult"]
    bulb.clock.advance(61)  # a name is free again after a minute
    mapped.sqs.create_queue(QueueName="going")
    mapped.send("again")
    assert bodies(mapped.events()[0]) == ["again"]


def test_a_throttled_function_gets_its_messages_in_the_end(bulb: Running) -> None:
    mapped = Mapped(bulb, "throttled", queue={"VisibilityTimeout": "20"})
    mapped.aws.put_function_concurrency(FunctionName="throttled", ReservedConcurrentExecutions=0)
    mapped.send("one")
    until(lambda: bulb.clock.advance(2) or mapped.endings(), "given back", every=0.2)
    assert mapped.endings()[0].status == "throttled"
    mapped.aws.put_function_concurrency(FunctionName="throttled", ReservedConcurrentExecutions=1)
    # Not while it runs: by such a clock its messages would be visible again in less than a second.
    until(lambda: bool(begun(bulb, "throttled")) or bulb.clock.advance(1), "another attempt", every=0.2)
    mapped.empty()
    (event,) = mapped.events()
    assert int(event["Records"][0]["attributes"]["ApproximateReceiveCount"]) >= 2


def test_the_maximum_is_kept_and_a_slow_function_holds_up_no_other(bulb: Running) -> None:
    gate = Gate(bulb, "slow")
    slow = Mapped(
        bulb, "slow", waiting("def handler(event, context):\n    wait()"), BatchSize=1,
        ScalingConfig={"MaximumConcurrency": 2}, queue={"VisibilityTimeout": str(TIMEOUT_S)},
        variables=gate.settings["Environment"]["Variables"], function={"Timeout": TIMEOUT_S},
    )  # fmt: skip
    quick = Mapped(bulb, "quick", "def handler(event, context):\n    pass")
    slow.send("1", "2", "3")
    until(lambda: begun(bulb, "slow") == 2, "two at the same time")
    quick.send("now")
    quick.empty()
    assert sum(slow.left()) == 3
    gate.open()
    slow.empty()
    spans = [
        (fact.started_at, fact.at)
        for fact in list(bulb.facts)
        if isinstance(fact, InvocationFinished) and fact.environment.function.name == "slow"
    ]
    assert max(sum(begin <= at < end for begin, end in spans) for at, _ in spans) == 2


# Tells when its messages were received first, then waits until there is a message in the queue `go`.
WAITS = """
import json, os, boto3
sqs = boto3.client("sqs")
def handler(event, context):
    times = [record["attributes"]["ApproximateFirstReceiveTimestamp"] for record in event["Records"]]
    sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(times))
    go = os.environ.get("GO")
    while go and not sqs.receive_message(QueueUrl=go, WaitTimeSeconds=20, VisibilityTimeout=0).get("Messages"):
        pass
"""


def test_more_batches_run_while_messages_wait(bulb: Running) -> None:
    """Five at first, five more a second: here that is a minute's growth of 300."""
    go = bulb.client("sqs").create_queue(QueueName="go")["QueueUrl"]
    mapped = Mapped(
        bulb, "growing", WAITS, BatchSize=1, Enabled=False, variables={"GO": go},
        queue={"VisibilityTimeout": "900"}, function={"Timeout": 600},
    )  # fmt: skip
    mapped.send(*(str(n) for n in range(6)))
    mapped.aws.update_event_source_mapping(UUID=mapped.uuid, Enabled=True)
    until(lambda: mapped.left()[1] >= 5, "the first five")
    bulb.clock.advance(1)
    until(lambda: mapped.left() == (0, 6), "all at the same time")
    mapped.sqs.send_message(QueueUrl=go, MessageBody="go")
    mapped.empty()
    first = sorted(int(time) for times in mapped.events(6) for time in times)
    assert first[0] == first[4] < first[5], "five and no more at once"


def test_provisioned_pollers_carry_a_megabyte_a_second_each(bulb: Running) -> None:
    config = {"MinimumPollers": 2, "MaximumPollers": 2}
    mapped = Mapped(
        bulb, "provisioned", WAITS, BatchSize=1, Enabled=False, ProvisionedPollerConfig=config,
        queue={"VisibilityTimeout": "900"}, function={"Timeout": 60},
    )  # fmt: skip
    for _ in range(5):
        mapped.sqs.send_message(QueueUrl=mapped.url, MessageBody="x" * 1_000_000)
    mapped.aws.update_event_source_mapping(UUID=mapped.uuid, Enabled=True)
    assert mapped.settled("Enabled")["ProvisionedPollerConfig"] == config
    until(lambda: sum(mapped.left()) == 0, "all five")
    mapped.send("light")
    until(lambda: bulb.clock.advance(0.1) or sum(mapped.left()) == 0, "one more")
    first = sorted(int(time) for times in mapped.events(6) for time in times)
    # Five megabytes are the work of two pollers for 2.4 s, of which one had been saved.
    assert first[0] == first[4]
    assert first[5] - first[0] >= 1_300


def test_a_loop_through_a_queue_is_cut(bulb: Running) -> None:
    source = """
import os, boto3
sqs = boto3.client("sqs")
def handler(event, context):
    for record in event["Records"]:
        sqs.send_message(QueueUrl=os.environ["LOOP"], MessageBody=str(int(record["body"]) + 1))
"""
    sqs = bulb.client("sqs")
    loop = sqs.create_queue(QueueName="loop", Attributes={"VisibilityTimeout": "300"})["QueueUrl"]
    mapped = Mapped(bulb, "loop", source, variables={"LOOP": loop}, queue={"VisibilityTimeout": "300"})
    mapped.send("1")
    until(lambda: [e for e in mapped.endings() if e.status == "error"], "cut", 120)
    (cut,) = [ending for ending in mapped.endings() if ending.status == "error"]
    assert cut.error is not None
    assert cut.error.startswith("RecursiveInvocationException")
    # The last that was let run may still be settling: its message was sent before it had ended.
    until(lambda: len([ending for ending in mapped.endings() if ending.status == "success"]) >= 16, "sixteen passes")
    assert len([ending for ending in mapped.endings() if ending.status == "success"]) == 16
    assert mapped.left() == (0, 1)
