"""Listing keys a page at a time, rolling those up that share a prefix up to the delimiter. Pure but for `fetch`.

A prefix with a million keys costs one more query, not a million rows: once a batch ends inside it, the next batch
starts behind it.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from bulb.core.errors import AwsError
from bulb.services.s3 import errors

# Where prefixes are rolled up most rows of a batch may be thrown away: small behind a skipped prefix, then growing.
_SMALL_BATCH = 16
_GROWTH = 4
_LAST_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a listing continues: behind `key` (and, for versions and uploads, behind `within` of that key).

    With `inclusive`, at `key` itself.
    """

    key: str = ""
    inclusive: bool = True
    within: str | int | None = None


class Row(Protocol):
    """What is listed."""

    @property
    def key(self) -> str:
        """The object's key."""


RowT = TypeVar("RowT", bound=Row)


@dataclass(frozen=True, slots=True)
class Page(Generic[RowT]):
    """Rows and rolled-up prefixes, in order. `last` is the page's last entry: where the next page continues."""

    rows: Sequence[RowT] = ()
    prefixes: Sequence[str] = ()
    is_truncated: bool = False
    last: RowT | str | None = None


def rolled_up(key: str, prefix: str, delimiter: str) -> str | None:
    """The common prefix `key` disappears into, or None."""
    if not delimiter:
        return None
    cut = key.find(delimiter, len(prefix))
    return key[: cut + len(delimiter)] if cut >= 0 else None


def behind(prefix: str) -> str | None:
    """The smallest text after everything that starts with `prefix`; None when there is no end."""
    for index in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[index])
        if code < _LAST_CODE_POINT:
            following = code + 1
            return prefix[:index] + chr(_SURROGATES.stop if following in _SURROGATES else following)
    return None


def skipping(prefix: str) -> Position | None:
    """Continue behind everything that starts with `prefix`."""
    end = behind(prefix)
    return Position(end) if end is not None else None


def after_key(marker: str, prefix: str, delimiter: str) -> Position | None:
    """Continue behind `marker`; when that is itself a rolled-up prefix, behind everything in it."""
    if delimiter and marker.startswith(prefix) and rolled_up(marker, prefix, delimiter) == marker:
        return skipping(marker)
    return Position(marker, inclusive=False)


@dataclass(frozen=True, slots=True)
class Question:
    """What a listing is asked: keys of `bucket` under `prefix`, rolled up at `delimiter`, `limit` entries a page."""

    bucket: str
    prefix: str
    delimiter: str
    limit: int


def page(
    fetch: Callable[[Position, int], Sequence[RowT]],
    position_of: Callable[[RowT], Position],
    start: Position | None,
    question: Question,
) -> Page[RowT]:
    """The page that begins at `start` (None: behind the end). `fetch` gives rows in order, at most as many as asked."""
    prefix, delimiter, limit = question.prefix, question.delimiter, question.limit
    rows: list[RowT] = []
    prefixes: list[str] = []
    last: RowT | str | None = None
    group: str | None = None
    position = start
    size = min(_SMALL_BATCH, limit + 1) if delimiter else limit + 1
    while position is not None and limit > 0:
        batch = fetch(position, size)
        for row in batch:
            rolled = rolled_up(row.key, prefix, delimiter)
            if rolled is not None and rolled == group:
                continue
            if len(rows) + len(prefixes) == limit:
                return Page(rows, prefixes, True, last)
            group, last = rolled, rolled if rolled is not None else row
            if rolled is None:
                rows.append(row)
            else:
                prefixes.append(rolled)
        if len(batch) < size:
            break
        if group is not None:
            position, size = skipping(group), min(_SMALL_BATCH, limit + 1)
        else:
            position, size = position_of(batch[-1]), min(size * _GROWTH, limit + 1)
    return Page(rows, prefixes, False, last)


def token(entry: str) -> str:
    """An opaque continuation token that stands for the last entry of a page."""
    return base64.urlsafe_b64encode(b"\x01" + entry.encode()).decode()


def entry_of(text: str) -> str:
    """The entry a continuation token stands for. Raises InvalidArgument."""
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
        if raw[:1] == b"\x01":
            return raw[1:].decode()
    except (binascii.Error, ValueError):
        pass
    raise _wrong_token()


def _wrong_token() -> AwsError:
    return errors.invalid_argument("The continuation token provided is incorrect", "continuation-token")
