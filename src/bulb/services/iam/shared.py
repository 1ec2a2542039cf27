"""What the operations of IAM share: errors, lists in pages, tags, documents."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

from bulb.core.calls import Call
from bulb.core.errors import AwsError

T = TypeVar("T")
MOST_TAGS = 50
_PAGE = 100


def no_such(what: str) -> AwsError:
    """NoSuchEntity, 404."""
    return AwsError("NoSuchEntity", what, status=404)


def exists(what: str) -> AwsError:
    """EntityAlreadyExists, 409."""
    return AwsError("EntityAlreadyExists", what, status=409)


def conflict(what: str) -> AwsError:
    """DeleteConflict, 409."""
    return AwsError("DeleteConflict", what, status=409)


def limit_exceeded(what: str) -> AwsError:
    """LimitExceeded, 409."""
    return AwsError("LimitExceeded", what, status=409)


def page(
    call: Call, items: Sequence[T], name: str, key: Callable[[T], str], show: Callable[[T], Any]
) -> dict[str, Any]:
    """One page of a list: those behind `Marker`, in the order of their keys, at most `MaxItems`."""
    most, marker = call.params.get("MaxItems", _PAGE), call.params.get("Marker", "")
    rest = [item for item in sorted(items, key=key) if key(item) > marker]
    shown = rest[:most]
    answer: dict[str, Any] = {name: [show(item) for item in shown], "IsTruncated": len(rest) > most}
    if len(rest) > most:
        answer["Marker"] = key(shown[-1])
    return answer


def time(unix_seconds: float) -> datetime:
    """A moment, in whole seconds as IAM tells them."""
    return datetime.fromtimestamp(int(unix_seconds), UTC)


def encoded(document: str) -> str:
    """A policy document as IAM returns it: URL-encoded, as RFC 3986 has it."""
    return quote(document, safe="")


def tags_of(given: Sequence[dict[str, str]]) -> dict[str, str]:
    """Tags as a mapping. Raises AwsError InvalidInput for a key that is given twice or that is AWS's own."""
    tags = {tag["Key"]: tag["Value"] for tag in given}
    if len(tags) != len(given):
        raise AwsError("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(key.lower().startswith("aws:") for key in tags):
        raise AwsError("InvalidInput", "Tag keys beginning with aws: are reserved.")
    return tags


def merged(tags: dict[str, str], added: dict[str, str]) -> dict[str, str]:
    """Old and new tags. Raises AwsError LimitExceeded."""
    together = tags | added
    if len(together) > MOST_TAGS:
        raise limit_exceeded(f"The number of tags has reached the maximum limit ({MOST_TAGS}).")
    return together


def shown_tags(tags: dict[str, str]) -> list[dict[str, str]]:
    """Tags as the API has them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
