"""What SNS keeps and what passes through it. Values only."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

State = Literal["pending", "confirmed", "deleted"]

# As long as a token can confirm a subscription, or bring one back.
TOKEN_S = 2 * 86_400.0
# How long a FIFO topic knows a message again.
DEDUPLICATION_S = 300.0
MESSAGE_BYTES = 262_144
LARGEST_MESSAGE_BYTES = 1_048_576


class TopicKey(NamedTuple):
    """Which topic."""

    account: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"arn:aws:sns:{self.region}:{self.account}:{self.name}"


# How this machine reaches the server, as soon as that is known.
OwnUrl = Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic. `attributes` are those that were set; `policy` is None for the one every topic begins with."""

    key: TopicKey
    attributes: Mapping[str, str]
    policy: str | None
    tags: Mapping[str, str]
    created_at: float

    @property
    def arn(self) -> str:
        """Its ARN."""
        return self.key.arn

    @property
    def is_fifo(self) -> bool:
        """Are its messages kept in order, and each delivered once?"""
        return self.attributes.get("FifoTopic") == "true"

    @property
    def signature_version(self) -> str:
        """`1` signs with SHA-1, `2` with SHA-256."""
        return self.attributes.get("SignatureVersion", "1")

    @property
    def message_bytes(self) -> int:
        """How long a message may be, with its attributes."""
        return int(self.attributes.get("MaximumMessageSize", MESSAGE_BYTES))


@dataclass(frozen=True, slots=True)
class Subscription:
    """One endpoint's interest in one topic.

    `is_locked`: only who signs as its owner or the topic's may end it. `base_url` is how this server is reached from
    where it was subscribed, empty where that is this machine.
    """

    arn: str
    topic_arn: str
    owner: str
    region: str
    protocol: str
    endpoint: str
    attributes: Mapping[str, str]
    state: State
    token: str
    principal: str
    was_authenticated: bool
    is_locked: bool
    base_url: str
    changed_at: float

    @property
    def is_raw(self) -> bool:
        """Does the endpoint get the bare message?"""
        return self.attributes.get("RawMessageDelivery") == "true"


Matches = Callable[["Message"], bool]


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A confirmed subscription, ready to be asked for each message. `takes` is its filter policy."""

    subscription: Subscription
    takes: Matches


@dataclass(frozen=True, slots=True)
class Audience:
    """A topic with its confirmed subscriptions, as of one moment."""

    topic: Topic
    subscribers: tuple[Subscriber, ...]


# A message attribute as the API has it: DataType, and StringValue or BinaryValue (base64 text).
Attribute = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Message:
    """Something that was published. `texts` has further texts by protocol where the message has several.

    `is_structured`: it was published as JSON of several texts. `is_replay`: it is sent again, out of the archive of its
    topic.
    """

    message_id: str
    text: str
    published_at: float
    subject: str | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    group_id: str | None = None
    deduplication_id: str | None = None
    trace_header: str | None = None
    sequence_number: str | None = None
    is_replay: bool = False
    is_structured: bool = False

    @property
    def sent_attributes(self) -> Mapping[str, Attribute]:
        """What subscribers get of the attributes: none where there is a structure. Filters see them all the same."""
        return {} if self.is_structured else self.attributes

    def text_for(self, protocol: str) -> str:
        """What subscribers of a protocol get."""
        return self.texts.get(protocol, self.text)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One entry for the outbox."""

    destination_arn: str
    payload: bytes
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Published:
    """What a publisher is told."""

    message_id: str
    sequence_number: str | None = None
