"""Telling the rest of the house about a commit, from inside the write that is about to be committed.

A write names channels with `notify`; `Database.on_commit` listens. A write that is rolled back tells nobody.
"""

from sqlalchemy import Connection

_KEY = "bulb_signals"


def notify(connection: Connection, channel: str) -> None:
    """Call `channel`'s listeners once this write is durable. Only inside a function given to `Database.write`."""
    connection.info.setdefault(_KEY, set()).add(channel)


def named(connection: Connection) -> frozenset[str]:
    """The channels named so far in this transaction."""
    return frozenset(connection.info.get(_KEY, ()))


def reset(connection: Connection, channels: frozenset[str] = frozenset()) -> None:
    """Forget what was named, back to `channels`."""
    connection.info[_KEY] = set(channels)
