"""Taking the log pipe apart: plain lines, frames, and whatever else a function may write."""

from hypothesis import given
from hypothesis import strategies as st

from bulb.telemetry.frames import Message, Splitter

MAGIC = b"\xa5\x5a\x00\x03"


def frame(text: bytes, microseconds: int = 1_770_000_000_123_456) -> bytes:
    return MAGIC + len(text).to_bytes(4, "big") + microseconds.to_bytes(8, "big") + text


def whole(data: bytes, limit: int = 64) -> list[Message]:
    splitter = Splitter(limit)
    return splitter.feed(data) + splitter.flush()


def test_lines_and_a_partial_one() -> None:
    splitter = Splitter()
    assert splitter.feed(b"one\ntw") == [Message(None, "one\n")]
    assert splitter.feed(b"o\n\n") == [Message(None, "two\n"), Message(None, "\n")]
    assert splitter.feed(b"rest") == []
    assert splitter.flush() == [Message(None, "rest\n")]
    assert splitter.flush() == []


def test_a_frame_is_one_message_with_its_own_time() -> None:
    data = b"before\npart" + frame(b"a\rb\nc") + b"after\n"
    assert whole(data) == [
        Message(None, "before\n"),
        Message(None, "part\n"),
        Message(1_770_000_000_123, "a\nb\nc\n"),
        Message(None, "after\n"),
    ]


def test_invalid_utf8_is_replaced() -> None:
    assert whole(b"\xff\xfe\n") == [Message(None, "��\n")]


def test_long_lines_are_cut_between_characters() -> None:
    texts = [message.text for message in whole("é".encode() * 100 + b"\n", limit=33)]
    assert all(len(text.encode()) <= 34 for text in texts)
    assert "".join(text[:-1] for text in texts) == "é" * 100


def test_a_frame_that_claims_gigabytes_holds_little_and_ends_with_its_writer() -> None:
    splitter = Splitter(1000)
    data = MAGIC + b"\xff\xff\xff\xff" + bytes(8) + b"x" * 10_500
    messages = splitter.feed(data) + splitter.flush()
    assert sum(len(message.text) - 1 for message in messages) == 10_500
    assert splitter.feed(b"fine\n") == [Message(None, "fine\n")]


pieces = st.one_of(
    st.binary(max_size=80),
    st.binary(max_size=120).map(frame),
    st.just(b"\n"),
    st.just(MAGIC),
    st.just(b"\xa5\x5a"),
    st.text(max_size=60).map(lambda text: text.encode() + b"\n"),
)


@given(st.lists(pieces, max_size=8).map(b"".join), st.data())
def test_arbitrary_bytes_however_they_are_cut(data: bytes, choose: st.DataObject) -> None:
    splitter = Splitter(64)
    cut: list[Message] = []
    position = 0
    while position < len(data):
        size = choose.draw(st.integers(1, max(1, len(data) // 3)))
        cut += splitter.feed(data[position : position + size])
        position += size
        assert len(splitter._waiting) <= 64 + 16
    assert cut + splitter.flush() == whole(data)
