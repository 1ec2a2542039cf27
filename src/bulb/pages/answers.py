"""What pages share: who may read them, how they answer, and numbers in query strings."""

import math
from collections.abc import Mapping
from typing import Any

import orjson

from bulb.config import is_loopback
from bulb.core.errors import AwsError
from bulb.http.message import Request, Response

_JSON = [("content-type", "application/json")]


def refuse_strangers(request: Request, enforce_credentials: bool) -> None:
    """Raise AwsError AccessDenied for a client of another machine, where credentials are required."""
    if enforce_credentials and not is_loopback(request.client[0]):
        text = "Ask on the machine that runs this server: bulb status, bulb events, bulb dlq, bulb bill."
        raise AwsError("AccessDenied", text, status=403)


def page(request: Request, document: dict[str, Any]) -> Response:
    """A document for whoever reads; these pages take nothing."""
    if request.method not in {"GET", "HEAD"}:
        return Response(405, [("allow", "GET, HEAD")])
    return Response(200, list(_JSON), orjson.dumps(document))


def refusal(status: int, message: str) -> Response:
    """A sentence instead of a page."""
    return Response(status, list(_JSON), orjson.dumps({"message": message}))


def check_names(given: Mapping[str, list[str]], known: set[str]) -> None:
    """Raise ValueError naming what cannot be asked for."""
    if unknown := given.keys() - known:
        message = f"{min(unknown)} is nothing that can be asked for"
        raise ValueError(message)


def number(given: Mapping[str, list[str]], name: str, default: float, least: float, most: float) -> float:
    """A number of a query string. Raises ValueError saying what it takes."""
    text = given.get(name, [""])[-1]
    if not text:
        return default
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not least <= found <= most:
        message = f"{name} is a number from {least:.0f} to {most:.0f}, not {text!r}"
        raise ValueError(message)
    return found
