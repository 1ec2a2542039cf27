"""Which operation of a REST service a request means: a table compiled once per service.

A route is the method, the path template, and the query items written in the template (`?uploads`, `?list-type=2`).
Routes that agree in all of these are told apart by the query items and headers they require (CopyObject is PutObject
with `x-amz-copy-source`). When several routes match, the more specific wins: more literal path segments, no greedy
label, more written query items, more required items, not deprecated.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Protocol
from urllib.parse import unquote

from bulb.wire.malformed import MalformedUri
from bulb.wire.shapes import Shape

_LABEL = re.compile(r"\{([^}+]+)(\+?)\}")


class Routed(Protocol):
    """What a route needs to know of an operation."""

    name: str
    method: str
    path: str
    document: dict[str, object]
    input: Shape | None


@dataclass(frozen=True, slots=True)
class Template:
    """A path template. `segments` has None for a label; a greedy label takes all segments left for it."""

    segments: tuple[str | None, ...]
    labels: tuple[str, ...]
    greedy_at: int | None
    query: tuple[tuple[str, str], ...]

    def match(self, parts: list[str]) -> dict[str, str] | None:
        """The labels' decoded values, or None. `parts` are the request path's segments, still percent-encoded.

        Raises MalformedUri for a label that is not UTF-8.
        """
        parts = self._gather(parts)
        if not self._fits(parts):
            return None
        encoded = [part for expected, part in zip(self.segments, parts, strict=True) if expected is None]
        try:
            values = [unquote(part, errors="strict") for part in encoded]
        except UnicodeDecodeError as error:
            raise MalformedUri from error
        return dict(zip(self.labels, values, strict=True))

    def fits(self, parts: list[str]) -> bool:
        """Whether `match` would find values; it decodes nothing."""
        return self._fits(self._gather(parts))

    def _fits(self, parts: list[str]) -> bool:
        if len(parts) != len(self.segments):
            return False
        for expected, part in zip(self.segments, parts, strict=True):
            if expected != part and (expected is not None or not part):
                return False
        return True

    def _gather(self, parts: list[str]) -> list[str]:
        if self.greedy_at is None:
            return parts[:-1] if parts and parts[-1] == "" and len(parts) == len(self.segments) + 1 else parts
        tail = len(self.segments) - self.greedy_at - 1
        end = len(parts) - tail
        return [*parts[: self.greedy_at], "/".join(parts[self.greedy_at : end]), *parts[end:]]


def template(uri: str) -> Template:
    """`/2015-03-31/functions/{FunctionName}/code` or `/{Bucket}/{Key+}?uploads` taken apart."""
    path, _, query = uri.partition("?")
    segments: list[str | None] = []
    labels = []
    greedy_at = None
    for number, part in enumerate(split_path(path.rstrip("/"))):
        label = _LABEL.fullmatch(part)
        segments.append(None if label else part)
        if label:
            labels.append(label[1])
            if label[2]:
                greedy_at = number
    items = tuple((name, value) for name, _, value in (item.partition("=") for item in query.split("&") if item))
    return Template(tuple(segments), tuple(labels), greedy_at, items)


def split_path(path: str) -> list[str]:
    """`/a/b` as `["a", "b"]`; a trailing slash leaves an empty last segment, and `/` alone none."""
    return path[1:].split("/") if len(path) > 1 else []


@dataclass(frozen=True, slots=True)
class _Route:
    operation: str
    template: Template
    required_query: tuple[str, ...]
    required_headers: tuple[str, ...]
    rank: tuple[int, ...]

    def accepts(self, parts: list[str], query: Mapping[str, list[str]], headers: Mapping[str, str]) -> bool:
        if not self.template.fits(parts):
            return False
        for name, value in self.template.query:
            if name not in query or (value and value not in query[name]):
                return False
        return all(name in query for name in self.required_query) and all(
            name in headers for name in self.required_headers
        )


# Method, number of segments, first and last segment (None for a label).
_Key = tuple[str, int, str | None, str | None]


class RouteTable:
    """The routes of one service."""

    def __init__(self, operations: Iterable[Routed]) -> None:
        operations = list(operations)
        alike = Counter(_signature(operation) for operation in operations)
        fixed: dict[_Key, list[_Route]] = defaultdict(list)
        greedy: dict[str, list[_Route]] = defaultdict(list)
        for operation in operations:
            route = _route(operation, told_apart=alike[_signature(operation)] > 1)
            if route.template.greedy_at is None:
                segments = route.template.segments
                first, last = (segments[0], segments[-1]) if segments else (None, None)
                fixed[operation.method, len(segments), first, last].append(route)
            else:
                greedy[operation.method].append(route)
        self._fixed = {key: sorted(routes, key=attrgetter("rank")) for key, routes in fixed.items()}
        self._greedy = {key: sorted(routes, key=attrgetter("rank")) for key, routes in greedy.items()}

    def match(self, method: str, path: str, query: Mapping[str, list[str]], headers: Mapping[str, str]) -> list[str]:
        """The operations that fit equally well (twins such as ListBuckets and ListDirectoryBuckets), or none."""
        parts = split_path(path)
        count = len(parts) - 1 if parts and parts[-1] == "" else len(parts)
        first, last = (parts[0], parts[count - 1]) if count else (None, None)
        fixed = self._fixed
        groups = (
            (fixed.get((method, count, first, last), ()), fixed.get((method, count, first, None), ())),
            (fixed.get((method, count, None, last), ()), fixed.get((method, count, None, None), ())),
            (self._greedy.get(method, ()),),
        )
        for group in groups:
            fitting = [route for routes in group for route in routes if route.accepts(parts, query, headers)]
            if fitting:
                best = min(route.rank for route in fitting)
                return [route.operation for route in fitting if route.rank == best]
        return []


def _signature(operation: Routed) -> tuple[object, ...]:
    taken = template(operation.path)
    return (operation.method, taken.segments, taken.greedy_at, frozenset(taken.query))


def _route(operation: Routed, told_apart: bool) -> _Route:
    query = []
    headers = []
    if told_apart and operation.input is not None:
        for name in operation.input.required:
            member = operation.input.members[name]
            wire_name = member.location_name or name
            if member.location == "querystring":
                query.append(wire_name)
            elif member.location == "header":
                headers.append(wire_name.lower())
    taken = template(operation.path)
    literals = sum(segment is not None for segment in taken.segments)
    deprecated = bool(operation.document.get("deprecated"))
    rank = (-literals, taken.greedy_at is not None, -len(taken.query), -len(query) - len(headers), deprecated)
    return _Route(operation.name, taken, tuple(query), tuple(headers), rank)
