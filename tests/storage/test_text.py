"""Text is any text, compared by its bytes, on both engines."""

from pathlib import Path

import pytest
from sqlalchemy import insert, select

from bulb.storage.engines import Engines, postgresql_engines, sqlite_engines
from bulb.storage.migrations import bring_up_to_date
from bulb.storage.postgresql_text import escaped, unescaped
from bulb.storage.schema.lambda_layers import layers

TEXTS = [
    "",
    "\0",
    "\0\0",
    "\0\x01",
    "\x01",
    "\x01\0",
    "\x01\x01",
    "\x01\x02",
    "\x02",
    "a",
    "a\0",
    "a\x01",
    "ab",
    "\uffff",
    "\U0010ffff",
]


def opened(location: str | Path) -> Engines:
    return sqlite_engines(location) if isinstance(location, Path) else postgresql_engines(location)


def test_every_character_comes_back_in_its_order(location: str | Path) -> None:
    engines = opened(location)
    with engines.writer.begin() as connection:
        bring_up_to_date(connection)
        for name in reversed(TEXTS):
            connection.execute(insert(layers).values(account="a", region="r", name=name, next_version=1))
    with engines.reader.begin() as connection:
        query = select(layers.c.name).order_by(layers.c.name)
        assert list(connection.execute(query).scalars()) == TEXTS
        after = query.where(layers.c.name > "\0\x01", layers.c.name < "\x01\x02")
        assert list(connection.execute(after).scalars()) == ["\x01", "\x01\0", "\x01\x01"]
        assert list(connection.execute(query.where(layers.c.name == "a\0")).scalars()) == ["a\0"]
    engines.dispose()


@pytest.mark.parametrize("text", TEXTS)
def test_escaping_keeps_order_and_prefixes(text: str) -> None:
    assert "\0" not in escaped(text)
    assert unescaped(escaped(text)) == text
    for other in TEXTS:
        assert (escaped(text) < escaped(other)) == (text < other)
        assert escaped(text).startswith(escaped(other)) == text.startswith(other)
