"""The pure parts: checksums of parts, filters, event documents, listing, forms."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulb.core.errors import AwsError
from bulb.services.s3 import checksums, events, filters, listing
from bulb.services.s3.form import read_form
from bulb.services.s3.model import Bucket, Description, Notification, ObjectVersion, Origin, Part
from bulb.wire import checksums as wire_checksums
from tests.wire.clients import CATALOG


def checksum(algorithm: str, data: bytes) -> str:
    running = wire_checksums.ALGORITHMS[algorithm]()
    running.update(data)
    return wire_checksums.text(running)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
@given(bodies=st.lists(st.binary(max_size=300), min_size=1, max_size=5))
@settings(max_examples=25, deadline=None)
def test_the_crc_of_the_whole_follows_from_those_of_the_parts(algorithm: str, bodies: list[bytes]) -> None:
    parts = [Part(n, "", len(body), "", 0.0, checksum(algorithm, body)) for n, body in enumerate(bodies, 1)]
    whole = checksums.of_parts(algorithm, "FULL_OBJECT", parts)
    assert whole is not None
    assert whole.value == checksum(algorithm, b"".join(bodies))


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256"])
def test_a_composite_checksum_is_that_of_the_checksums(algorithm: str) -> None:
    values = [checksum(algorithm, body) for body in (b"one", b"two")]
    parts = [Part(n, "", 3, "", 0.0, value) for n, value in enumerate(values, 1)]
    composite = checksums.of_parts(algorithm, "COMPOSITE", parts)
    assert composite is not None
    assert composite.value == checksum(algorithm, b"".join(base64.b64decode(value) for value in values)) + "-2"


def notification(events_: list[str], prefix: str = "", suffix: str = "") -> Notification:
    return Notification("id", "arn", tuple(events_), prefix, suffix)


@pytest.mark.parametrize(
    ("events_", "event", "expected"),
    [
        (["s3:ObjectCreated:*"], "ObjectCreated:Put", True),
        (["s3:ObjectCreated:Put"], "ObjectCreated:Put", True),
        (["s3:ObjectCreated:Post"], "ObjectCreated:Put", False),
        (["s3:ObjectRemoved:*"], "ObjectCreated:Put", False),
        (["s3:ObjectRemoved:*"], "ObjectRemoved:DeleteMarkerCreated", True),
    ],
)
def test_which_events_concern_a_notification(events_: list[str], event: str, expected: bool) -> None:
    assert filters.concerns(notification(events_), event, "k") is expected


def test_prefix_and_suffix() -> None:
    thumbnails = notification(["s3:ObjectCreated:*"], "in/", ".jpg")
    keys = ["in/a.jpg", "in/a.png", "out/a.jpg", "in/.jpg"]
    assert [key for key in keys if filters.concerns(thumbnails, "ObjectCreated:Put", key)] == ["in/a.jpg", "in/.jpg"]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (("*", "", ""), ("Put", "", ""), True),
        (("Put", "", ""), ("Post", "", ""), False),
        (("*", "a", ""), ("*", "b", ""), False),
        (("*", "a", ""), ("*", "ab", ""), True),
        (("*", "", ".jpg"), ("*", "", ".png"), False),
        (("*", "", "g"), ("*", "", ".png"), True),
        (("*", "a/", ".jpg"), ("*", "a/", ".png"), False),
        (("*", "a/", ""), ("*", "", ".png"), True),
    ],
)
def test_which_notifications_overlap(one: tuple[str, str, str], other: tuple[str, str, str], expected: bool) -> None:
    pair = [notification([f"s3:ObjectCreated:{event}"], prefix, suffix) for event, prefix, suffix in (one, other)]
    assert (filters.overlap(pair) is not None) is expected
    assert (filters.overlap(pair[::-1]) is not None) is expected


def test_every_event_of_the_model_is_told_or_refused_by_name() -> None:
    put = CATALOG.service("s3").operation("PutBucketNotificationConfiguration").input
    queues = put.members["NotificationConfiguration"].members["QueueConfigurations"]
    named = queues.member.members["Events"].member.traits["enum"]
    assert set(named) == filters.EMITTED | filters.NEVER_EMITTED


def test_the_event_document() -> None:
    bucket = Bucket("b", "000000000000", "eu-west-1", 0.0)
    version = ObjectVersion(1, "b", "a b/ü.txt", 5, "null", True, False, 0.0, 11, "e7a9", Description())
    origin = Origin("RID", "HID", "AIDA", "1.2.3.4", 1735689600.0)
    record = json.loads(events.document(events.Happening("ObjectCreated:Put", 5, "cfg"), bucket, version, origin))
    (record,) = record["Records"]
    owner = record["s3"]["bucket"].pop("ownerIdentity")["principalId"]
    assert owner.startswith("A3")
    assert record == {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-west-1",
        "eventTime": "2025-01-01T00:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:AIDA"},
        "requestParameters": {"sourceIPAddress": "1.2.3.4"},
        "responseElements": {"x-amz-request-id": "RID", "x-amz-id-2": "HID"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "cfg",
            "bucket": {"name": "b", "arn": "arn:aws:s3:::b"},
            "object": {"key": "a+b/%C3%BC.txt", "size": 11, "eTag": "e7a9", "sequencer": "000000000000000005"},
        },
    }


keys = st.lists(st.text("ab/é\U0010ffff", min_size=1, max_size=5), unique=True, max_size=30)


@given(
    names=keys,
    prefix=st.text("ab/", max_size=2),
    delimiter=st.sampled_from(["", "/", "a", "b/"]),
    limit=st.integers(1, 7),
)
@settings(max_examples=200, deadline=None)
def test_pages_put_together_are_the_whole(names: list[str], prefix: str, delimiter: str, limit: int) -> None:
    """A listing followed to its end gives each key under the prefix once, or the prefix it is rolled up into."""
    names = sorted(names)
    rows = [ObjectVersion(0, "b", name, 0, "null", True, False, 0.0, 0, "", Description()) for name in names]

    def fetch(position: listing.Position, count: int) -> list[ObjectVersion]:
        def is_next(key: str) -> bool:
            return key >= position.key if position.inclusive else key > position.key

        return [row for row in rows if is_next(row.key) and row.key.startswith(prefix)][:count]

    expected = list(
        dict.fromkeys(listing.rolled_up(name, prefix, delimiter) or name for name in names if name.startswith(prefix))
    )
    seen: list[str] = []
    start: listing.Position | None = listing.Position()
    for _ in range(100):
        page = listing.page(
            fetch,
            lambda row: listing.Position(row.key, inclusive=False),
            start,
            listing.Question("b", prefix, delimiter, limit),
        )
        entries = sorted([row.key for row in page.rows] + list(page.prefixes))
        assert len(entries) <= limit
        seen += entries
        if not page.is_truncated:
            break
        assert page.last is not None
        last = page.last if isinstance(page.last, str) else page.last.key
        start = listing.after_key(listing.entry_of(listing.token(last)), prefix, delimiter)
    assert seen == expected


BOUNDARY = "xyz"


def form(*parts: tuple[str, bytes], tail: bytes = b"--\r\n") -> bytes:
    blocks = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        + (b'; filename="a.jpg"\r\nContent-Type: image/jpeg' if name == "file" else b"")
        + b"\r\n\r\n"
        + value
        + b"\r\n"
        for name, value in parts
    ]
    return b"".join(blocks) + f"--{BOUNDARY}".encode() + tail


async def read(body: bytes, step: int) -> tuple[dict[str, str], str, bytes]:
    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, len(body), step):
            yield body[start : start + step]

    result = await read_form(f"multipart/form-data; boundary={BOUNDARY}", stream())
    return dict(result.fields), result.file_name, b"".join([chunk async for chunk in result.content])


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 10_000])
def test_a_form_in_pieces_of_any_size(step: int) -> None:
    content = b"--xyz is not it\r\n--xy neither\r\n-" * 3
    body = form(("Key", b"k"), ("x-amz-meta-a", "ü".encode()), ("file", content), ("late", b"ignored"))
    assert asyncio.run(read(body, step)) == ({"key": "k", "x-amz-meta-a": "ü"}, "a.jpg", content)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MalformedPOSTRequest"),
        (b"nonsense", "MalformedPOSTRequest"),
        (form(("key", b"k")), "InvalidArgument"),
        (form(("key", b"k"), ("file", b"data"))[:-12], "MalformedPOSTRequest"),
        (form(("key", b"k" * 30_000), ("file", b"")), "MaxPostPreDataLengthExceededError"),
        (form(*[(f"f{n}", b"v" * 1000) for n in range(30)], ("file", b"")), "MaxPostPreDataLengthExceededError"),
    ],
)
def test_what_is_not_a_form(body: bytes, code: str) -> None:
    with pytest.raises(AwsError, match=code):
        asyncio.run(read(body, 1000))
