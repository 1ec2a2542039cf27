"""What rest-json and rest-xml share: members that travel in the path, the query string, headers and the status.

A plan is compiled once per operation. Parsing walks the plan, never the model: the path of an invoke is short.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bulb.wire.catalog import Operation
from bulb.wire.malformed import Malformed
from bulb.wire.querystring import parse_query
from bulb.wire.routes import Template, split_path, template
from bulb.wire.scalars import TextDecoder, TextEncoder, text_decoder, text_encoder
from bulb.wire.shapes import Shape

# Query items that belong to the signature, never to the operation.
_SIGNATURE_ITEMS = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
)

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """Where an operation's input members are found."""

    template: Template
    labels: tuple[tuple[str, str, TextDecoder], ...]
    query: tuple[tuple[str, str, Shape, TextDecoder], ...]
    query_map: tuple[str, Shape] | None
    headers: tuple[tuple[str, str, Callable[[str], Any]], ...]
    header_maps: tuple[tuple[str, str], ...]
    payload: tuple[str, Shape] | None
    body: dict[str, Shape]

    def parse(self, path: str, query: str, headers: Mapping[str, str]) -> dict[str, Any]:
        """The members outside the body. Raises Malformed."""
        params: dict[str, Any] = {}
        if self.labels:
            self._parse_labels(path, params)
        if query and (self.query or self.query_map):
            self._parse_query(parse_query(query), params)
        for wire_name, name, decode in self.headers:
            value = headers.get(wire_name)
            if value is not None:
                params[name] = decode(value)
        for prefix, name in self.header_maps:
            found = {key[len(prefix) :]: value for key, value in headers.items() if key.startswith(prefix)}
            if found:
                params[name] = found
        return params

    def _parse_labels(self, path: str, params: dict[str, Any]) -> None:
        values = self.template.match(split_path(path))
        if values is None:
            raise Malformed(f"The path does not fit {self.template.segments}")
        for wire_name, name, decode in self.labels:
            params[name] = decode(values[wire_name])

    def _parse_query(self, items: dict[str, list[str]], params: dict[str, Any]) -> None:
        for wire_name, name, shape, decode in self.query:
            values = items.get(wire_name)
            if values is not None:
                params[name] = [decode(value) for value in values] if shape.type == "list" else decode(values[0])
        if self.query_map is not None:
            name, shape = self.query_map
            taken = {wire_name for wire_name, *_ in self.query}.union(key for key, _ in self.template.query)
            taken.update(_SIGNATURE_ITEMS)
            several = shape.value.type == "list"
            rest = {key: values if several else values[0] for key, values in items.items() if key not in taken}
            if rest:
                params[name] = rest


def hoisted_headers(query: str) -> dict[str, str]:
    """Headers a presigned S3 URL states in its query string instead (`x-amz-acl`, `x-amz-meta-...`).

    Not those about the body: they were computed before there was one.
    """
    return {
        name: values[0]
        for name, values in parse_query(query).items()
        if name.startswith("x-amz-") and not name.startswith(("x-amz-checksum-", "x-amz-sdk-", "x-amz-content-"))
    }


def request_plan(operation: Operation) -> RequestPlan:
    """Compile where `operation`'s input members are found."""
    members = operation.input.members if operation.input is not None else {}
    query_maps = [(name, m) for name, m in members.items() if m.location == "querystring" and m.type == "map"]
    payload = operation.input.payload if operation.input is not None else None
    return RequestPlan(
        template=template(operation.path),
        labels=tuple((_wire(n, m), n, text_decoder(m, "iso8601")) for n, m in members.items() if m.location == "uri"),
        query=tuple(
            (_wire(name, member), name, member, text_decoder(_element(member), "iso8601"))
            for name, member in members.items()
            if member.location == "querystring" and member.type != "map"
        ),
        query_map=query_maps[0] if query_maps else None,
        headers=tuple(
            (_wire(n, m).lower(), n, _header_decoder(m)) for n, m in members.items() if m.location == "header"
        ),
        header_maps=tuple((_wire(n, m).lower(), n) for n, m in members.items() if m.location == "headers"),
        payload=(payload, members[payload]) if payload is not None else None,
        body={name: member for name, member in members.items() if member.location is None and name != payload},
    )


@dataclass(frozen=True, slots=True)
class AnswerPlan:
    """Where an operation's output members go."""

    status: str | None
    headers: dict[str, tuple[str, TextEncoder]]
    header_maps: dict[str, str]
    payload: tuple[str, Shape] | None
    body: dict[str, Shape]

    def split(self, answer: Mapping[str, Any], default_status: int) -> tuple[int, Headers, dict[str, Any]]:
        """The status, the headers, and the members left for the body."""
        status = default_status
        headers: Headers = []
        rest: dict[str, Any] = {}
        for name, value in answer.items():
            if value is None:
                continue
            if (header := self.headers.get(name)) is not None:
                headers.append((header[0], header[1](value)))
            elif name == self.status:
                status = value
            elif name in self.header_maps:
                prefix = self.header_maps[name]
                headers.extend((prefix + key.lower(), item) for key, item in value.items())
            else:
                rest[name] = value
        return status, headers, rest


def answer_plan(operation: Operation) -> AnswerPlan:
    """Compile where `operation`'s output members go."""
    return shape_answer_plan(operation.output)


def shape_answer_plan(shape: Shape | None) -> AnswerPlan:
    """Compile where the members of `shape`, an output or an error, go."""
    members = shape.members if shape is not None else {}
    payload = shape.payload if shape is not None else None
    statuses = [name for name, member in members.items() if member.location == "statusCode"]
    return AnswerPlan(
        status=statuses[0] if statuses else None,
        headers={
            name: (_wire(name, member).lower(), _header_encoder(member))
            for name, member in members.items()
            if member.location == "header"
        },
        header_maps={name: _wire(name, m).lower() for name, m in members.items() if m.location == "headers"},
        payload=(payload, members[payload]) if payload is not None else None,
        body={name: member for name, member in members.items() if member.location is None and name != payload},
    )


def _wire(name: str, member: Shape) -> str:
    return name if member.location_name is None else member.location_name


def _element(member: Shape) -> Shape:
    return member.member if member.type == "list" else member


def _header_decoder(member: Shape) -> Callable[[str], Any]:
    decode = text_decoder(_element(member), "rfc822")
    if member.type != "list":
        return decode
    return lambda text: [decode(item) for item in split_header_list(text)]


def _header_encoder(member: Shape) -> TextEncoder:
    encode = text_encoder(_element(member), "rfc822")
    if member.type != "list":
        return encode
    return lambda values: ",".join(_quoted(encode(value)) for value in values)


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '\\"') + '"' if '"' in value or "," in value else value


def split_header_list(text: str) -> list[str]:
    """A comma-separated header's items; an item with a comma or a quote is quoted, quotes in it escaped."""
    items: list[str] = []
    current: list[str] = []
    quoted = escaped = False
    for char in text:
        if quoted:
            if escaped or char not in '\\"':
                current.append(char)
                escaped = False
            elif char == "\\":
                escaped = True
            else:
                quoted = False
        elif char == '"':
            quoted = True
        elif char == ",":
            items.append("".join(current).strip())
            current = []
        else:
            current.append(char)
    return [*items, "".join(current).strip()]
