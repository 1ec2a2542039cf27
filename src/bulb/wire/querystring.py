"""Query strings and forms, decoded as AWS decodes them: `&` separates, a name without `=` has the empty value."""

from urllib.parse import unquote_plus

from bulb.wire.malformed import Malformed

# More items than any AWS operation takes; a request past it is an attack on the parser.
_MAX_ITEMS = 20_000


def parse_items(text: str) -> list[tuple[str, str]]:
    """The decoded items in order. Raises Malformed when there are absurdly many, or when one is not UTF-8."""
    if not text:
        return []
    parts = text.split("&", _MAX_ITEMS)
    if len(parts) > _MAX_ITEMS:
        raise Malformed(f"The request has more than {_MAX_ITEMS} parameters.")
    pairs = (part.partition("=") for part in parts if part)
    try:
        return [(unquote_plus(name, errors="strict"), unquote_plus(value, errors="strict")) for name, _, value in pairs]
    except UnicodeDecodeError as error:
        raise Malformed("The request's parameters are not UTF-8.") from error


def parse_query(text: str) -> dict[str, list[str]]:
    """The decoded values of every name, in order."""
    if not text:
        return {}
    query: dict[str, list[str]] = {}
    for name, value in parse_items(text):
        query.setdefault(name, []).append(value)
    return query
