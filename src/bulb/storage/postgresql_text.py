"""Every character of Python's in PostgreSQL's text, which has no U+0000.

SQLite keeps that character like any other, and callers may send it: in a description, in the prefix of a listing. So
two characters are written as pairs, U+0000 as U+0001 U+0001 and U+0001 as U+0001 U+0002, in everything that goes in,
and read back in everything that comes out. Order and prefixes stay what they were, so comparisons and ranges in SQL
mean the same. This module imports psycopg, which a server on SQLite need not have.
"""

from typing import Any

from psycopg import Connection
from psycopg.types.string import StrDumperUnknown, TextLoader


def escaped(text: str) -> str:
    """The text as PostgreSQL keeps it."""
    if "\0" not in text and "\x01" not in text:
        return text
    return text.replace("\x01", "\x01\x02").replace("\0", "\x01\x01")


def unescaped(text: str) -> str:
    """The text that was escaped."""
    return text if "\x01" not in text else text.replace("\x01\x01", "\0").replace("\x01\x02", "\x01")


class _Dumper(StrDumperUnknown):
    def dump(self, obj: str) -> Any:
        return super().dump(escaped(obj))


class _Loader(TextLoader):
    def load(self, data: Any) -> Any:
        return unescaped(str(data, "utf-8"))


def use_every_character(connection: Connection[Any]) -> None:
    """Escape what goes into this connection's text and unescape what comes out."""
    connection.adapters.register_dumper(str, _Dumper)
    for kind in ("text", "varchar"):
        connection.adapters.register_loader(kind, _Loader)
