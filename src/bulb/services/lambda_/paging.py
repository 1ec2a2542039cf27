"""Markers of lists: where the next page begins, opaque to the caller."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from bulb.services.lambda_ import errors

MAX_PAGE = 50


def limit(params: Mapping[str, Any]) -> int:
    """How many items a page has: as many as were asked for, at most 50."""
    asked: int = params.get("MaxItems", MAX_PAGE)
    return min(asked, MAX_PAGE)


def number(version: str) -> int:
    """The version of a marker as a number. Raises InvalidParameterValueException."""
    if not version.isdecimal():
        raise errors.invalid_token()
    return int(version)


def marker(name: str, version: str) -> str:
    """The marker behind an item."""
    return base64.urlsafe_b64encode(f"{name}:{version}".encode()).decode()


def position(text: str | None) -> tuple[str, str] | None:
    """The item a marker stands behind. Raises InvalidParameterValueException."""
    if text is None:
        return None
    try:
        name, _, version = base64.b64decode(text, altchars=b"-_", validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise errors.invalid_token() from None
    return name, version
