"""The pure rules of mappings: what failed, what a record looks like, how many batches run, how long a batch waits."""

import json
import math
from collections.abc import Collection

import pytest

from bulb.core.errors import AwsError
from bulb.delivery.polling import answers, capacity, patience, records, scaling
from bulb.delivery.polling.queues import QueueMessage
from bulb.delivery.polling.scaling import Limits, Scale, Seen
from bulb.invoke.model import Outcome

IDS = {"a", "b"}
NONE: Collection[str] = ()


def items(*entries: object) -> object:
    return {"batchItemFailures": list(entries)}


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (None, NONE),
        ({}, NONE),
        ({"statusCode": 200}, NONE),
        ({"batchItemFailures": None}, NONE),
        (items(), NONE),
        (items({"itemIdentifier": "b"}), {"b"}),
        (items({"itemIdentifier": "a"}, {"itemIdentifier": "b"}), IDS),
        (items({"itemIdentifier": ""}), IDS),
        (items({"itemIdentifier": None}), IDS),
        (items({}), IDS),
        (items({"identifier": "b"}), IDS),
        (items({"itemIdentifier": "b"}, {"itemIdentifier": "stranger"}), IDS),
        (items("b"), IDS),
        ({"batchItemFailures": "b"}, IDS),
        ("", NONE),
        ([], NONE),
        ("text", IDS),
        (["b"], IDS),
        (0, IDS),
    ],
)
def test_what_a_function_reports(answer: object, failed: Collection[str]) -> None:
    outcome = Outcome(json.dumps(answer).encode(), "$LATEST")
    assert set(answers.failed(outcome, IDS, reports=True)) == set(failed)
    assert not answers.failed(outcome, IDS, reports=False), "without ReportBatchItemFailures an answer says nothing"


def test_what_is_no_answer_is_a_failure() -> None:
    assert answers.failed(Outcome(b"{", "1"), IDS, reports=True) == IDS
    assert answers.failed(Outcome(b"", "1"), IDS, reports=True) == ()
    raised = Outcome(b'{"errorType": "ValueError", "errorMessage": "no"}', "1", "Unhandled")
    for reports in (True, False):
        assert answers.failed(raised, IDS, reports=reports) == IDS
    assert answers.reason(raised, IDS) == "ValueError: no"
    assert answers.reason(Outcome(b"what", "1", "Unhandled"), IDS) == "Unhandled"


def test_a_batch_that_failed_says_whether_the_function_meant_it() -> None:
    named = b'{"batchItemFailures": [{"itemIdentifier": "%s"}]}'
    assert answers.reason(Outcome(named % min(IDS).encode(), "1"), IDS) == "reported by the function"
    for unclear in (named % b"stranger", b"[1]", b"{"):
        assert answers.reason(Outcome(unclear, "1"), IDS) == "batchItemFailures does not name messages of the batch"


def message(**of: object) -> QueueMessage:
    given = {
        "message_id": "m",
        "claim": 1,
        "receipt_handle": "h",
        "body": "Grüße",
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183"},
        "message_attributes": {},
        "md5_of_body": "abc",
        "md5_of_message_attributes": None,
        "group_id": None,
        "visible_at": 30.0,
    }
    return QueueMessage(**{**given, **of})  # type: ignore[arg-type] # the fields of one


def test_a_record() -> None:
    arn = "arn:aws:sqs:eu-west-1:000000000000:q"
    expected = {
        "messageId": "m",
        "receiptHandle": "h",
        "body": "Grüße",
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183"},
        "messageAttributes": {},
        "md5OfMessageAttributes": None,
        "md5OfBody": "abc",
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": "eu-west-1",
    }
    plain = records.record(message(), arn, "eu-west-1")
    assert plain == expected
    attributes = {
        "text": {"DataType": "String", "StringValue": "v"},
        "number": {"DataType": "Number", "StringValue": "1.5"},
        "bytes": {"DataType": "Binary.png", "BinaryValue": b"\x00\xff"},
        "encoded": {"DataType": "Binary", "BinaryValue": "AP8="},
    }
    rich = records.record(message(message_attributes=attributes, md5_of_message_attributes="def"), arn, "eu-west-1")
    empty = {"stringListValues": [], "binaryListValues": []}
    assert rich["md5OfMessageAttributes"] == "def"
    assert rich["messageAttributes"] == {
        "text": {"stringValue": "v", **empty, "dataType": "String"},
        "number": {"stringValue": "1.5", **empty, "dataType": "Number"},
        "bytes": {"binaryValue": "AP8=", **empty, "dataType": "Binary.png"},
        "encoded": {"binaryValue": "AP8=", **empty, "dataType": "Binary"},
    }
    event = json.loads(records.event([records.encoded(plain), records.encoded(rich)]))
    assert event == {"Records": [plain, rich]}


BUSY, CALM = Seen(ended=10, working=True, waiting=True), Seen()


def after(scale: Scale, limits: Limits, seen: Seen, seconds: int, idle: float = 1.0) -> Scale:
    begin = int(scale.at)
    for now in range(begin + 1, begin + seconds + 1):
        scale = scaling.step(scale, limits, seen, idle, float(now))
    return scale


def test_a_mapping_starts_with_five_and_gets_300_a_minute() -> None:
    limits = scaling.limits({})
    scale = scaling.start(limits, 0.0)
    assert scale.batches == 5
    assert after(scale, limits, BUSY, 1).batches == 10
    assert after(scale, limits, BUSY, 60).batches == 305
    assert after(scale, limits, BUSY, 600).batches == 1250
    assert scaling.step(scale, limits, BUSY, 1.0, 0.9) is scale, "at most once a second"
    assert scaling.step(scale, limits, BUSY, 1.0, 3600.0).batches == 15, "a pause is not made up for"
    assert after(scale, limits, BUSY, 60, idle=0.1).batches == 5, "busy processors get no more to do"


def test_without_traffic_it_comes_down() -> None:
    limits = scaling.limits({})
    grown = after(scaling.start(limits, 0.0), limits, BUSY, 60)
    assert after(grown, limits, CALM, 59).batches == 305
    assert after(grown, limits, CALM, 61).batches == 5
    assert after(grown, limits, CALM, 301).batches == 2
    working = Seen(working=True)
    assert after(grown, limits, working, 600).batches == 305
    assert after(after(grown, limits, CALM, 400), limits, BUSY, 1).batches == 7


def test_failures_slow_it_down() -> None:
    limits = scaling.limits({})
    grown = after(scaling.start(limits, 0.0), limits, BUSY, 19)
    assert grown.batches == 100
    assert after(grown, limits, Seen(10, 10, True, True), 1).batches == 50
    assert after(grown, limits, Seen(10, 1, True, True), 1).batches == 95
    assert after(grown, limits, Seen(10, 10, True, True), 100).batches == 2


def test_a_maximum_is_one() -> None:
    limits = scaling.limits({"ScalingConfig": {"MaximumConcurrency": 7}})
    scale = scaling.start(limits, 0.0)
    assert (scale.batches, after(scale, limits, BUSY, 60).batches) == (5, 7)
    assert after(scale, limits, CALM, 600).batches == 5, "not brought down when idle"
    low = scaling.limits({"ScalingConfig": {"MaximumConcurrency": 2}})
    assert scaling.start(low, 0.0).batches == 2
    assert scaling.within(after(scale, limits, BUSY, 60), low).batches == 2


def test_provisioned_pollers() -> None:
    limits = scaling.limits({"ProvisionedPollerConfig": {"MinimumPollers": 3, "MaximumPollers": 20}})
    scale = scaling.start(limits, 0.0)
    assert scale.batches == 30
    assert after(scale, limits, BUSY, 3).batches == 80
    assert after(scale, limits, BUSY, 60).batches == 200
    assert after(after(scale, limits, BUSY, 60), limits, CALM, 600).batches == 30
    assert after(scale, limits, Seen(10, 10, True, True), 60).batches == 30, "the least is kept"
    assert scaling.limits({"ProvisionedPollerConfig": {}}).most == 2000
    assert scaling.limits({"ProvisionedPollerConfig": {"MinimumPollers": 5}}).first == 50


def test_what_pollers_carry() -> None:
    two = capacity.full(2, 0.0)
    assert (two.messages, two.wait_s) == (20, 0.0), "a megabyte each, until it is known what messages weigh"
    light = capacity.spent(two, 20, 2_000)
    assert light.messages == 180, "twenty polls of ten, of which two are spent"
    empty = capacity.spent(capacity.spent(light, 180, 18_000), 0, 0)
    assert (empty.messages, round(empty.wait_s, 2)) == (0, 0.1), "a poll that finds nothing is one too"
    assert capacity.after(empty, 2, 0.1).messages == 10
    assert capacity.after(empty, 20, 0.1).messages == 190, "more pollers from now on"
    assert capacity.after(empty, 2, 1_000.0).messages == 200, "no more than a second's worth is kept"
    assert capacity.after(empty, 2, -5.0).messages == 0, "a clock that was set back"
    heavy = capacity.spent(two, 5, 5 * capacity.BYTES)
    assert (heavy.messages, heavy.wait_s) == (0, 1.5)
    assert capacity.after(heavy, 2, 1.4).messages == 0
    assert capacity.after(heavy, 2, 1.5).messages == 1
    assert capacity.after(heavy, 2, 2.5).messages == 2, "of the weight of the last ones"
    assert Scale(20.5, 0.0, 0.0).pollers == 2
    assert Scale(21.0, 0.0, 0.0).pollers == 3


def test_a_batch_without_room_waits_longer_and_longer_until_its_claim_ends() -> None:
    waits = [patience.next_attempt(n, 1.0, 0.0, math.inf) for n in range(1, 10)]
    assert waits == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert patience.next_attempt(3, 0.0, 10.0, math.inf) == 10.5
    assert patience.next_attempt(3, 1.0, 10.0, 11.0) is None
    assert patience.next_attempt(5000, 1.0, 0.0, math.inf) == 30.0
    assert patience.is_passing(AwsError("TooManyRequestsException", "Rate Exceeded."))
    assert not patience.is_passing(AwsError("RecursiveInvocationException", "loop"))
    assert patience.is_gone(AwsError("ResourceNotFoundException", "gone"))
