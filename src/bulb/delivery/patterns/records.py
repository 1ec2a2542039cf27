"""Which records of a source the filters of a mapping let through.

The data of a record (`body` of a queue's message, `data` of a stream's record) is a text. A pattern that has an object
under that key asks for JSON there, one that has a list for a plain text; the other kind of data never matches. JSON is
what is an object or a list: a text such as `42` is a plain text. A pattern without the key takes any data.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bulb.delivery.patterns.compiling import Pattern, compile_pattern
from bulb.delivery.patterns.dialects import FILTERS
from bulb.delivery.patterns.jsontext import parse_event


class RecordFilter:
    """The patterns of a FilterCriteria, of which one must match; without any everything passes."""

    def __init__(self, patterns: Sequence[Pattern], data_key: str | None) -> None:
        self._patterns = tuple(patterns)
        self._data_key = data_key if any(data_key in pattern.names for pattern in patterns) else None

    def accepts(self, record: Mapping[str, Any]) -> bool:
        """Whether a record, its data still a text, is let through."""
        if not self._patterns:
            return True
        if self._data_key is not None:
            data = record.get(self._data_key)
            if isinstance(data, str) and data.lstrip(" \t\r\n")[:1] in ("{", "["):
                record = {**record, self._data_key: _json_or_text(data)}
        return any(pattern.matches(record) for pattern in self._patterns)


def compile_filters(texts: Sequence[str], data_key: str | None = None) -> RecordFilter:
    """The filters whose patterns are `texts`. Raises PatternError."""
    return RecordFilter([compile_pattern(text, FILTERS, data_key) for text in texts], data_key)


def _json_or_text(data: str) -> Any:
    try:
        return parse_event(data)
    except ValueError:
        return data
