"""What SQS knows of queues and messages, as values. Times are Unix seconds, durations seconds, sizes bytes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from bulb.core.arn import arn, parse_arn

DEFAULTS: Mapping[str, str] = {
    "VisibilityTimeout": "30",
    "MaximumMessageSize": "1048576",
    "MessageRetentionPeriod": "345600",
    "DelaySeconds": "0",
    "ReceiveMessageWaitTimeSeconds": "0",
}
FIFO_DEFAULTS: Mapping[str, str] = {
    "ContentBasedDeduplication": "false",
    "DeduplicationScope": "queue",
    "FifoThroughputLimit": "perQueue",
}


class QueueKey(NamedTuple):
    """Which queue."""

    account: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        """Its ARN."""
        return arn("sqs", self.region, self.account, self.name)


def key_of_arn(text: str) -> QueueKey | None:
    """The queue an ARN names, None when it is no queue's."""
    parsed = parse_arn(text)
    if parsed is None or parsed.service != "sqs" or ":" in parsed.resource or "/" in parsed.resource:
        return None
    return QueueKey(parsed.account, parsed.region, parsed.resource)


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Where messages go that were received too often."""

    arn: str
    max_receive_count: int


@dataclass(frozen=True)
class Queue:
    """A queue. `attributes` are those that were set, as they were; what was not set has its default."""

    id: int
    key: QueueKey
    is_fifo: bool
    created_at: float
    modified_at: float
    purged_at: float = 0.0
    attributes: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def arn(self) -> str:
        """Its ARN."""
        return self.key.arn

    @cached_property
    def channel(self) -> str:
        """What commits signal after which something may be received (`Database.on_commit`)."""
        return f"sqs:{self.id}"

    def number(self, name: str) -> int:
        """The value of a numeric attribute that has a default."""
        return int(self.attributes.get(name, DEFAULTS[name]))

    @cached_property
    def visibility_s(self) -> int:
        """How long a received message is hidden."""
        return self.number("VisibilityTimeout")

    @cached_property
    def delay_s(self) -> int:
        """How long a sent message is hidden."""
        return self.number("DelaySeconds")

    @cached_property
    def wait_s(self) -> int:
        """How long a receive waits that does not say."""
        return self.number("ReceiveMessageWaitTimeSeconds")

    @cached_property
    def retention_s(self) -> int:
        """How old a message may become."""
        return self.number("MessageRetentionPeriod")

    @cached_property
    def max_bytes(self) -> int:
        """The largest message it takes."""
        return self.number("MaximumMessageSize")

    @cached_property
    def policy(self) -> str | None:
        """Its policy document."""
        return self.attributes.get("Policy")

    @cached_property
    def dead_letters(self) -> DeadLetters | None:
        """Its redrive policy."""
        given = self.attributes.get("RedrivePolicy")
        if given is None:
            return None
        parsed: dict[str, Any] = json.loads(given)
        return DeadLetters(parsed["deadLetterTargetArn"], int(parsed["maxReceiveCount"]))

    @cached_property
    def dedups_by_content(self) -> bool:
        """A message's body is its deduplication id, where it has none of its own."""
        return self.attributes.get("ContentBasedDeduplication") == "true"

    @cached_property
    def dedups_by_group(self) -> bool:
        """Deduplication ids are compared within a group only."""
        return self.attributes.get("DeduplicationScope") == "messageGroup"

    @cached_property
    def limits_by_group(self) -> bool:
        """Its throughput quota is each group's own, not the queue's."""
        return self.attributes.get("FifoThroughputLimit") == "perMessageGroupId"


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be put into a queue. `attributes` is their JSON (see `digests.py`), None without any.

    `message_id` is what it will be known by; `delay_s` None: the queue's.
    """

    message_id: str
    body: str
    body_md5: str
    sender: str
    attributes: str | None = None
    attributes_md5: str | None = None
    trace_header: str | None = None
    delay_s: float | None = None
    group: str | None = None
    deduplication_id: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that is in its queue, or was when its twin was sent. `number` is None in a standard queue."""

    message_id: str
    number: int | None = None


class StoredMessage(NamedTuple):
    """A message as it lies in its queue (a tuple, because thousands are made at once). `claim` is 0
    while it was not received from this queue; `received_elsewhere` is the part of `receive_count` from before it came
    here.
    """

    id: int
    queue_id: int
    visible_at: float
    sent_at: float
    claim: int
    claimed_at: float | None
    receive_count: int
    first_received_at: float | None
    lane: str | None
    message_id: str
    sender: str
    trace_header: str | None
    deduplication_id: str | None
    source_arn: str | None
    received_elsewhere: int
    body_md5: str
    attributes_md5: str | None
    attributes: str | None
    body: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a receive got. Where that is nothing, `next_at` is when the next message will be visible, if any is there.

    `is_full`: nothing is given because too many messages are in flight. `is_cut_short`: there may be more, behind so
    many that were removed or moved that another transaction goes on.
    """

    messages: tuple[StoredMessage, ...] = ()
    next_at: float | None = None
    is_full: bool = False
    is_cut_short: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """How many messages of a queue are waiting, in flight, and not to be seen yet."""

    visible: int
    in_flight: int
    delayed: int


@dataclass(frozen=True, slots=True)
class MoveTask:
    """A redrive. `destination_arn` None: each message goes back to where it came from. `rate`: messages a second."""

    id: int
    handle: str
    account: str
    source_arn: str
    destination_arn: str | None
    rate: int | None
    status: str
    started_at: float
    last_number: int
    moved: int
    to_move: int
    failure: str | None


SEQUENCE_BASE = 18 * 10**18


def sequence_number(number: int) -> str:
    """A message's number as FIFO queues tell it: twenty digits, growing."""
    return str(SEQUENCE_BASE + number)
