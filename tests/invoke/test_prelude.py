"""The head of streamed HTTP responses."""

import pytest

from bulb.invoke.prelude import MAX_BYTES, Prelude, PreludeError, PreludeReader, parse

END = bytes(8)
WHOLE = b'{"statusCode":201,"headers":{"a":"b","n":5,"l":["x","y"]},"cookies":["c=d"]}' + END + b"body\0\0"


@pytest.mark.parametrize("step", [1, 3, 7, 8, 9, 1000])
def test_it_may_come_in_any_pieces(step: int) -> None:
    reader = PreludeReader()
    rest = WHOLE
    found = None
    while found is None:
        piece, rest = rest[:step], rest[step:]
        found = reader.feed(piece)
    assert found == Prelude(201, (("a", "b"), ("n", "5"), ("l", "x"), ("l", "y")), ("c=d",))
    assert reader.rest + rest == b"body\0\0"


def test_everything_in_it_may_be_missing() -> None:
    assert parse(b"{}") == Prelude(200, (), ())
    assert parse(b'{"statusCode":"404","headers":null,"cookies":null}') == Prelude(404)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"hello",
        b"[]",
        b'{"statusCode":true}',
        b'{"statusCode":99}',
        b'{"statusCode":600}',
        b'{"statusCode":20.5}',
        b'{"headers":[]}',
        b'{"cookies":"c=d"}',
    ],
)
def test_what_is_none_is_refused(document: bytes) -> None:
    with pytest.raises(PreludeError):
        PreludeReader().feed(document + END)


def test_it_is_not_looked_for_forever() -> None:
    reader = PreludeReader()
    assert reader.feed(b" " * MAX_BYTES) is None
    with pytest.raises(PreludeError):
        reader.feed(b" " * 9)
    with pytest.raises(PreludeError):
        PreludeReader().feed(b" " * (MAX_BYTES + 1) + END)
