"""Event source mappings over a source that records what it is asked, in AWS's words."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bulb.core.errors import AwsError
from bulb.services.lambda_.mapping_kinds import KINDS
from bulb.services.lambda_.mappings import EventSourceMapping
from tests.services.lambda_.room import ARN, ROLE, Room, open_room
from tests.services.lambda_.test_refusals import refused

QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"
STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2024-01-01T00:00:00.000"
BROKERS = {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["b1:9092", "b2:9092"]}}
ACCESS = [{"Type": "BASIC_AUTH", "URI": "arn:aws:secretsmanager:us-east-1:000000000000:secret:s"}]
INVALID = "InvalidParameterValueException"
MISSING = ("ResourceNotFoundException", "The resource you requested does not exist.", 404)


@dataclass
class Source:
    """Stands for a service that is read from; work waits for the gate."""

    gate: threading.Event = field(default_factory=threading.Event)
    done: list[tuple[str, str]] = field(default_factory=list)
    refusal: AwsError | None = None
    failures: int = 0
    most_s: int = 900
    trouble: str | None = None

    async def check(self, mapping: EventSourceMapping, function_timeout_s: int, role: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        assert role == ROLE
        self.done.append(("check", str(function_timeout_s)))

    async def check_timeout(self, mapping: EventSourceMapping, function_timeout_s: int) -> None:
        self.done.append(("timeout", str(function_timeout_s)))
        if function_timeout_s > self.most_s:
            raise AwsError(INVALID, f"{self.most_s} seconds is less")

    async def begin(self, mapping: EventSourceMapping) -> None:
        await self._work("begin", mapping)

    async def end(self, mapping: EventSourceMapping) -> None:
        await self._work("end", mapping)

    async def problem(self, mapping: EventSourceMapping) -> str | None:
        return self.trouble

    async def _work(self, what: str, mapping: EventSourceMapping) -> None:
        await asyncio.to_thread(self.gate.wait, 60)
        if self.failures:
            self.failures -= 1
            raise OSError("the source is away")
        self.done.append((what, mapping.uuid))


@pytest.fixture
def source(room: Room) -> Iterator[Source]:
    made = Source()
    made.gate.set()
    for kind in KINDS:
        room.sources.register(kind, made)
    yield made
    made.gate.set()


def settled(room: Room, uuid: str) -> dict[str, Any]:
    for _ in range(3_000):
        shown: dict[str, Any] = room.client().get_event_source_mapping(UUID=uuid)
        if shown["State"] in ("Enabled", "Disabled"):
            return shown
        threading.Event().wait(0.005)
    raise AssertionError(f"{shown} did not settle")


def gone(room: Room, uuid: str) -> None:
    aws = room.client()
    for _ in range(3_000):
        try:
            assert aws.get_event_source_mapping(UUID=uuid)["State"] == "Deleting"
        except aws.exceptions.ResourceNotFoundException:
            return
        threading.Event().wait(0.005)
    raise AssertionError("still there")


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in ("ResponseMetadata", "LastModified")}


def test_a_queue_from_creating_to_gone(room: Room, source: Source) -> None:
    aws = room.client()
    room.create(Timeout=7)
    source.gate.clear()
    created = aws.create_event_source_mapping(FunctionName="f", EventSourceArn=QUEUE)
    uuid = created["UUID"]
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert plain(created) == {
        "UUID": uuid,
        "EventSourceMappingArn": f"arn:aws:lambda:us-east-1:000000000000:event-source-mapping:{uuid}",
        "EventSourceArn": QUEUE,
        "FunctionArn": f"{ARN}:f",
        "State": "Creating",
        "StateTransitionReason": "USER_INITIATED",
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": 0,
        "FunctionResponseTypes": [],
    }
    in_use = ("ResourceInUseException", "Cannot update the event source mapping because it is in use.", 400)
    assert refused(aws.update_event_source_mapping, UUID=uuid, BatchSize=1) == in_use
    assert refused(aws.delete_event_source_mapping, UUID=uuid)[0] == "ResourceInUseException"
    source.gate.set()
    assert settled(room, uuid)["State"] == "Enabled"
    assert source.done == [("check", "7"), ("begin", uuid)]
    updated = aws.update_event_source_mapping(UUID=uuid, BatchSize=5)
    assert (updated["State"], updated["BatchSize"]) == ("Updating", 5)
    assert settled(room, uuid)["State"] == "Enabled"
    assert aws.update_event_source_mapping(UUID=uuid, Enabled=False)["State"] == "Disabling"
    assert settled(room, uuid)["State"] == "Disabled"
    assert source.done[-1] == ("end", uuid)
    assert aws.update_event_source_mapping(UUID=uuid, Enabled=True)["State"] == "Enabling"
    assert settled(room, uuid)["State"] == "Enabled"
    deleted = aws.delete_event_source_mapping(UUID=uuid)
    assert (deleted["State"], deleted["ResponseMetadata"]["HTTPStatusCode"]) == ("Deleting", 202)
    gone(room, uuid)
    assert source.done[-1] == ("end", uuid)
    for operation in ("get", "update", "delete"):
        assert refused(getattr(aws, f"{operation}_event_source_mapping"), UUID=uuid) == MISSING


def test_a_stream_has_its_defaults(room: Room, source: Source) -> None:
    room.create()
    created = room.client().create_event_source_mapping(
        FunctionName="f", EventSourceArn=STREAM, StartingPosition="TRIM_HORIZON", Enabled=False
    )
    expected = {
        "BatchSize": 100,
        "BisectBatchOnFunctionError": False,
        "DestinationConfig": {"OnFailure": {}},
        "FunctionResponseTypes": [],
        "LastProcessingResult": "No records processed",
        "MaximumBatchingWindowInSeconds": 0,
        "MaximumRecordAgeInSeconds": -1,
        "MaximumRetryAttempts": -1,
        "ParallelizationFactor": 1,
        "StartingPosition": "TRIM_HORIZON",
        "State": "Disabled",
        "StateTransitionReason": "User action",
        "TumblingWindowInSeconds": 0,
    }
    assert {name: created[name] for name in expected} == expected
    assert [what for what, _ in source.done] == ["check"]
    moment = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    timed = room.client().create_event_source_mapping(
        FunctionName="f",
        EventSourceArn=STREAM + "2",
        StartingPosition="AT_TIMESTAMP",
        StartingPositionTimestamp=moment,
        Enabled=False,
    )
    assert timed["StartingPositionTimestamp"] == moment


def test_kafka_reads_as_a_group_of_its_own(room: Room, source: Source) -> None:
    room.create()
    given = {
        "FunctionName": "f",
        "SelfManagedEventSource": BROKERS,
        "Topics": ["topic"],
        "SourceAccessConfigurations": ACCESS,
        "StartingPosition": "LATEST",
    }
    created = room.client().create_event_source_mapping(**given)
    assert created["SelfManagedKafkaEventSourceConfig"]["ConsumerGroupId"] == created["UUID"]
    assert created["SelfManagedEventSource"] == BROKERS
    assert "EventSourceArn" not in created
    assert refused(room.client().create_event_source_mapping, **given) == (
        "ResourceConflictException",
        f'An event source mapping with event source ("b1:9092,b2:9092"), function ("{ARN}:f"), topics ("topic") '
        f"already exists. Please update or delete the existing mapping with UUID {created['UUID']}",
        409,
    )


KAFKA = "arn:aws:kafka:us-east-1:000000000000:cluster/c/0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f-1"
DATABASE = "arn:aws:rds:us-east-1:000000000000:cluster:c"
KEPT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"EventSourceArn": QUEUE}, {"ScalingConfig": {"MaximumConcurrency": 7}}),
    ({"EventSourceArn": QUEUE}, {"ProvisionedPollerConfig": {"MinimumPollers": 2, "MaximumPollers": 9}}),
    ({"EventSourceArn": QUEUE}, {"MetricsConfig": {"Metrics": ["EventCount"]}}),
    (
        {"EventSourceArn": KAFKA, "Topics": ["topic"], "StartingPosition": "LATEST"},
        {
            "AmazonManagedKafkaEventSourceConfig": {"ConsumerGroupId": "readers"},
            "LoggingConfig": {"SystemLogLevel": "WARN"},
            "MetricsConfig": {"Metrics": ["EventCount", "ErrorCount", "KafkaMetrics"]},
        },
    ),
    (
        {"EventSourceArn": DATABASE, "StartingPosition": "LATEST", "SourceAccessConfigurations": ACCESS},
        {"DocumentDBEventSourceConfig": {"DatabaseName": "d", "CollectionName": "c", "FullDocument": "UpdateLookup"}},
    ),
]


@pytest.mark.parametrize(("about", "options"), KEPT)
def test_options_of_a_kind_are_kept(room: Room, source: Source, about: dict[str, Any], options: dict[str, Any]) -> None:
    room.create()
    aws = room.client()
    made = aws.create_event_source_mapping(FunctionName="f", **about, **options)
    shown = settled(room, made["UUID"])
    assert {name: made[name] for name in options} == {name: shown[name] for name in options} == options


def test_options_can_be_changed(room: Room, source: Source) -> None:
    room.create()
    aws = room.client()
    uuid = aws.create_event_source_mapping(FunctionName="f", EventSourceArn=QUEUE)["UUID"]
    for options in ({"ScalingConfig": {"MaximumConcurrency": 3}}, {"MetricsConfig": {"Metrics": ["EventCount"]}}):
        settled(room, uuid)
        aws.update_event_source_mapping(UUID=uuid, **options)
        shown = settled(room, uuid)
        assert {name: shown[name] for name in options} == options
    aws.update_event_source_mapping(UUID=uuid, ScalingConfig={}, MetricsConfig={})
    assert not {"ScalingConfig", "MetricsConfig"} & settled(room, uuid).keys()
    both = {"ScalingConfig": {"MaximumConcurrency": 3}, "ProvisionedPollerConfig": {"MinimumPollers": 1}}
    text = (
        "Provisioned mode for SQS ESM does not support maximum concurrency feature. Use MaximumPollers as the control "
        "mechanism and remove maximum concurrency."
    )
    assert refused(aws.update_event_source_mapping, UUID=uuid, **both) == (INVALID, text, 400)
    for operation, named in (
        (aws.update_event_source_mapping, {"UUID": uuid}),
        (aws.create_event_source_mapping, {"FunctionName": "f", "EventSourceArn": f"{QUEUE}2"}),
    ):
        key = "arn:aws:kms:us-east-1:000000000000:key/k"
        what = "Bulb does not support KMSKeyArn of event source mappings yet."
        assert refused(operation, KMSKeyArn=key, **named) == ("NotImplementedException", what, 501)


_POLLERS = "MinimumPollers should be between [2, 200] and MaximumPollers should be between [MinimumPollers, 10000]"


@pytest.mark.parametrize(
    ("pollers", "text"),
    [
        ({"MinimumPollers": 1, "MaximumPollers": 2}, _POLLERS),
        ({"MaximumPollers": 1}, _POLLERS),
        ({"MaximumPollers": 10_001}, "1 validation error detected: Value '10001'"),
        ({"MinimumPollers": 9, "MaximumPollers": 8}, _POLLERS),
        ({"MinimumPollers": 9, "PollerGroupName": "g"}, "Unsupported PollerGroupName parameter"),
    ],
)
def test_bounds_of_pollers(room: Room, source: Source, pollers: dict[str, Any], text: str) -> None:
    room.create()
    create = room.client().create_event_source_mapping
    code, message, _ = refused(create, FunctionName="f", EventSourceArn=QUEUE, ProvisionedPollerConfig=pollers)
    assert code == ("ValidationException" if "detected" in text else INVALID)
    assert message.startswith(text)


def test_what_its_source_has_with_a_mapping_is_shown(room: Room, source: Source) -> None:
    room.create()
    aws = room.client()
    uuid = aws.create_event_source_mapping(FunctionName="f", EventSourceArn=QUEUE)["UUID"]
    assert "LastProcessingResult" not in settled(room, uuid)
    source.trouble = "PROBLEM: it is gone"
    (listed,) = aws.list_event_source_mappings(FunctionName="f")["EventSourceMappings"]
    for shown in (settled(room, uuid), listed):
        assert shown["LastProcessingResult"] == "PROBLEM: it is gone"
    # Whatever is gone, nobody has to keep a mapping enabled.
    source.refusal = AwsError(INVALID, "gone")
    assert refused(aws.update_event_source_mapping, UUID=uuid, BatchSize=2) == (INVALID, "gone", 400)
    aws.update_event_source_mapping(UUID=uuid, Enabled=False)
    assert "LastProcessingResult" not in settled(room, uuid)


def test_duplicates(room: Room, source: Source) -> None:
    aws = room.client()
    room.create()
    cases = [
        (
            {"EventSourceArn": QUEUE},
            f'An event source mapping with SQS arn (" {QUEUE} ") and function (" f ") already exists. '
            "Please update or delete the existing mapping with UUID {}",
        ),
        (
            {"EventSourceArn": STREAM, "StartingPosition": "LATEST"},
            f'The event source arn (" {STREAM} ") and function (" f ") provided mapping already exists. '
            "Please update or delete the existing mapping with UUID {}",
        ),
    ]
    for params, text in cases:
        uuid = aws.create_event_source_mapping(FunctionName="f", **params)["UUID"]
        conflict = ("ResourceConflictException", text.format(uuid), 409)
        assert refused(aws.create_event_source_mapping, FunctionName="f", **params) == conflict
    room.create("g")
    other = aws.create_event_source_mapping(FunctionName="g", EventSourceArn=QUEUE)["UUID"]
    settled(room, other)
    assert refused(aws.update_event_source_mapping, UUID=other, FunctionName="f")[0] == "ResourceConflictException"
    assert aws.get_event_source_mapping(UUID=other)["FunctionArn"] == f"{ARN}:g"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "Unrecognized event source."),
    ({"EventSourceArn": "arn:aws:sns:us-east-1:000000000000:t"}, "Unrecognized event source."),
    ({"EventSourceArn": QUEUE, "FunctionName": "nobody"}, "Function does not exist"),
    ({"EventSourceArn": QUEUE, "FunctionName": "f:nobody"}, "Function does not exist"),
    (
        {"EventSourceArn": STREAM},
        "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: "
        "Member must not be null.",
    ),
    (
        {"EventSourceArn": TABLE, "StartingPosition": "AT_TIMESTAMP"},
        f"Unsupported starting position for arn type: {TABLE}",
    ),
    (
        {"EventSourceArn": QUEUE, "BatchSize": 11},
        "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
    ),
    (
        {"EventSourceArn": QUEUE, "DestinationConfig": {"OnFailure": {"Destination": QUEUE}}},
        "Unsupported DestinationConfig parameter for given event source mapping type.",
    ),
    (
        {
            "EventSourceArn": STREAM,
            "StartingPosition": "LATEST",
            "DestinationConfig": {"OnSuccess": {"Destination": QUEUE}},
        },
        "Unsupported DestinationConfig parameter for given event source mapping type.",
    ),
    ({"EventSourceArn": QUEUE, "StartingPosition": "LATEST"}, "StartingPosition is not valid for SQS event sources."),
    (
        {"EventSourceArn": QUEUE, "ParallelizationFactor": 2},
        "Unsupported ParallelizationFactor parameter for given event source mapping type.",
    ),
    (
        {"EventSourceArn": QUEUE, "MetricsConfig": {"Metrics": ["EventCount", "ErrorCount"]}},
        "Unsupported metric ErrorCount for given event source mapping type.",
    ),
    (
        {"EventSourceArn": STREAM, "StartingPosition": "LATEST", "MetricsConfig": {"Metrics": ["KafkaMetrics"]}},
        "Unsupported metric KafkaMetrics for given event source mapping type.",
    ),
    (
        {"EventSourceArn": "arn:aws:mq:us-east-1:000000000000:broker:b:b-1", "Queues": ["q"]},
        "Required 'sourceAccessConfigurations' parameter is missing.",
    ),
    *(
        (
            {"EventSourceArn": QUEUE, "FilterCriteria": {"Filters": [{"Pattern": pattern}]}},
            "Invalid filter pattern definition.",
        )
        for pattern in (
            '"text"',
            "[]",
            "{}",
            "{",
            '{"body": "x"}',
            '{"body": []}',
            '{"body": [{"wildcard": "*"}]}',
            '{"body": [{"cidr": "10.0.0.0/8"}]}',
            '{"body": {"n": [{"numeric": [">"]}]}}',
            '{"body": [["x"]]}',
            '{"$or": [{"body": ["x"]}]}',
        )
    ),
]


@pytest.mark.parametrize(("params", "text"), REFUSED)
def test_refusals(room: Room, source: Source, params: dict[str, Any], text: str) -> None:
    room.create()
    given = {"FunctionName": "f", **params}
    assert refused(room.client().create_event_source_mapping, **given) == (INVALID, text, 400)
    assert room.client().list_event_source_mappings()["EventSourceMappings"] == []


def test_a_mapping_that_is_not_read_is_still_of_a_function_that_is_there(room: Room, source: Source) -> None:
    room.create()
    aws = room.client()
    uuid = aws.create_event_source_mapping(FunctionName="f", EventSourceArn=QUEUE, Enabled=False)["UUID"]
    nobody = (INVALID, "Function does not exist", 400)
    assert refused(aws.update_event_source_mapping, UUID=uuid, FunctionName="nobody") == nobody
    assert refused(aws.update_event_source_mapping, UUID=uuid, FunctionName="f:nobody") == nobody
    aws.delete_function(FunctionName="f")
    assert aws.update_event_source_mapping(UUID=uuid, BatchSize=5)["BatchSize"] == 5
    assert refused(aws.update_event_source_mapping, UUID=uuid, Enabled=True) == nobody


def test_filters_are_kept_as_they_are_given(room: Room, source: Source) -> None:
    aws = room.client()
    room.create()
    pattern = (
        '{"body": {"a": ["x", 1, null, {"prefix": "p"}, {"numeric": [">", 1, "<=", 5]}], '
        '"b": [{"exists": false}], "c": [{"anything-but": ["y"]}]}, "$or": [{"d": [""]}, {"e": [true]}]}'
    )
    criteria = {"Filters": [{"Pattern": pattern}]}
    created = aws.create_event_source_mapping(FunctionName="f", EventSourceArn=QUEUE, FilterCriteria=criteria)
    assert created["FilterCriteria"] == criteria
    settled(room, created["UUID"])
    assert "FilterCriteria" not in aws.update_event_source_mapping(UUID=created["UUID"], FilterCriteria={})


def test_a_source_that_is_not_here_is_named(room: Room) -> None:
    room.create()
    code, text, status = refused(room.client().create_event_source_mapping, FunctionName="f", EventSourceArn=QUEUE)
    assert (code, status) == ("NotImplementedException", 501)
    assert text == "Bulb does not support event source mappings of Amazon SQS yet."


def test_what_the_source_refuses_is_not_kept(room: Room, source: Source) -> None:
    room.create()
    source.refusal = AwsError(INVALID, f"Stream not found: {STREAM}")
    aws = room.client()
    given = {"FunctionName": "f", "EventSourceArn": STREAM, "StartingPosition": "LATEST"}
    assert refused(aws.create_event_source_mapping, **given) == (INVALID, f"Stream not found: {STREAM}", 400)
    assert aws.list_event_source_mappings()["EventSourceMappings"] == []


def test_a_source_that_is_away_is_asked_again(room: Room, source: Source) -> None:
    room.create()
    source.failures = 2
    created = room.client().create_event_source_mapping(FunctionName="f", EventSourceArn=QUEUE)
    for _ in range(3_000):
        room.clock.advance(5)
        if room.client().get_event_source_mapping(UUID=created["UUID"])["State"] == "Enabled":
            break
        threading.Event().wait(0.005)
    assert source.done[-1] == ("begin", created["UUID"])


def test_lists(room: Room, source: Source) -> None:
    aws = room.client()
    for name in ("f", "g"):
        room.create(name)
        for queue in (QUEUE, QUEUE + "2"):
            aws.create_event_source_mapping(FunctionName=name, EventSourceArn=queue)
    pages = list(aws.get_paginator("list_event_source_mappings").paginate(PaginationConfig={"PageSize": 3}))
    assert [len(page["EventSourceMappings"]) for page in pages] == [3, 1]
    assert len({each["UUID"] for page in pages for each in page["EventSourceMappings"]}) == 4
    of_function = aws.list_event_source_mappings(FunctionName="g")["EventSourceMappings"]
    assert {each["FunctionArn"] for each in of_function} == {f"{ARN}:g"}
    both = aws.list_event_source_mappings(FunctionName="f", EventSourceArn=QUEUE)["EventSourceMappings"]
    assert [(each["FunctionArn"], each["EventSourceArn"]) for each in both] == [(f"{ARN}:f", QUEUE)]
    other = room.client(access_key="111122223333")
    assert other.list_event_source_mappings()["EventSourceMappings"] == []
    assert refused(other.get_event_source_mapping, UUID=both[0]["UUID"]) == MISSING


def test_tags_and_the_end_of_the_function(room: Room, source: Source) -> None:
    aws = room.client()
    room.create()
    created = aws.create_event_source_mapping(FunctionName="f:$LATEST", EventSourceArn=QUEUE, Tags={"a": "1"})
    arn = created["EventSourceMappingArn"]
    assert created["FunctionArn"] == f"{ARN}:f:$LATEST"
    aws.tag_resource(Resource=arn, Tags={"b": "2"})
    aws.untag_resource(Resource=arn, TagKeys=["a"])
    assert aws.list_tags(Resource=arn)["Tags"] == {"b": "2"}
    other = arn[:-4] + "0000"
    missing = ("ResourceNotFoundException", f"Event source mapping not found: {other}", 404)
    assert refused(aws.list_tags, Resource=other) == missing
    aws.delete_function(FunctionName="f")
    assert settled(room, created["UUID"])["State"] == "Enabled"


def test_a_timeout_that_a_source_does_not_allow(room: Room, source: Source) -> None:
    """Asked of what feeds `$LATEST` and is read; a published version keeps its timeout."""
    aws = room.client()
    room.create(Timeout=10)
    version = aws.publish_version(FunctionName="f")["Version"]
    aws.create_event_source_mapping(FunctionName=f"f:{version}", EventSourceArn=QUEUE)
    uuid = aws.create_event_source_mapping(FunctionName="f", EventSourceArn=QUEUE)["UUID"]
    settled(room, uuid)
    source.done.clear()
    source.most_s = 30
    aws.update_function_configuration(FunctionName="f", Timeout=30)
    room.settle()
    aws.update_function_configuration(FunctionName="f", Description="as it is")
    room.settle()
    assert source.done == [("timeout", "30")]
    too_long = (INVALID, "30 seconds is less", 400)
    assert refused(aws.update_function_configuration, FunctionName="f", Timeout=31) == too_long
    assert room.settle()["Timeout"] == 30
    aws.update_event_source_mapping(UUID=uuid, Enabled=False)
    settled(room, uuid)
    aws.update_function_configuration(FunctionName="f", Timeout=31)
    assert room.settle()["Timeout"] == 31
    aws.delete_function(FunctionName="f")
    missing = refused(aws.update_function_configuration, FunctionName="f", Timeout=31)
    assert missing[0] == "ResourceNotFoundException"


def let_go_after_close(room: Room, held: Source) -> None:
    """What waits in a thread is given up first, and only then are its thread and the server's end not kept waiting."""
    work = room.opened["api"].mapping_work
    close = work.close

    async def close_and_let_go() -> None:
        await close()
        held.gate.set()

    work.close = close_and_let_go


def test_what_was_under_way_goes_on_at_the_next_start(tmp_path: Path) -> None:
    uuid = ""
    held = Source()
    with open_room(tmp_path) as room:
        room.sources.register("sqs", held)
        room.create()
        aws = room.client()
        uuid = aws.create_event_source_mapping(FunctionName="f", EventSourceArn=QUEUE)["UUID"]
        let_go_after_close(room, held)
    with open_room(tmp_path, resume=False) as room:
        after = Source()
        after.gate.set()
        room.sources.register("sqs", after)
        room.run(room.opened["api"].mapping_work.resume())
        assert settled(room, uuid)["State"] == "Enabled"
        assert after.done == [("begin", uuid)]
