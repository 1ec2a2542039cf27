"""Values for any shape of a botocore model, from a seeded generator: the same on every run."""

import random
from datetime import UTC, datetime
from typing import Any

_TEXT = ["a", "plain text", 'quo"te, and <tag> & more', "Zürich – 東京", "50%+1=?", " lead and trail ", "x/y:z#1"]
_HEADER_TEXT = ["a", "plain text", "50%+1=?", "x/y:z#1", "W/etag"]
_LABEL = ["a", "with space", "arn:aws:x:y:1:z", "ü-東", "50%+1=?&b"]
_MAX_DEPTH = 7


class Values:
    """`xml`: the wire cannot tell an empty list or structure from an absent one, so none is made."""

    def __init__(self, seed: object, xml: bool) -> None:
        self._random = random.Random(repr(seed))
        self._xml = xml

    def structure(self, shape: Any, depth: int = 0) -> dict[str, Any]:
        members = {name: m for name, m in shape.members.items() if not m.serialization.get("eventstream")}
        payload = shape.serialization.get("payload")
        always = {*shape.required_members, payload}
        chosen = [name for name in members if name in always or self._wanted(depth)]
        if getattr(shape, "is_tagged_union", False) and members:
            chosen = [self._random.choice(list(members))]
        if not chosen and members and self._xml:
            chosen = [min(members, key=lambda name: members[name].type_name in ("structure", "list", "map"))]
        values = {}
        for name in chosen:
            value = self._streamed() if name == payload and members[name].type_name == "blob" else None
            value = self.of(members[name], depth + 1) if value is None else value
            if value not in ({}, []) or not self._xml:
                values[name] = value
        return values

    def _wanted(self, depth: int) -> bool:
        return depth < _MAX_DEPTH and self._random.random() < (0.7 if depth < 3 else 0.3)

    def _streamed(self) -> bytes:
        return self._random.choice([b'{"a": 1}', b"raw bytes"])

    def of(self, shape: Any, depth: int) -> Any:
        kind = shape.type_name
        located = 1 if shape.serialization.get("location") else 0  # An empty list in a header or a query is no list.
        if kind == "structure":
            return {"any": [1, "thing"]} if shape.is_document_type else self.structure(shape, depth)
        if kind == "list":
            return [self.of(shape.member, depth + 1) for _ in range(self._count(depth) or located)]
        if kind == "map":
            return self._map(shape, depth, located)
        return getattr(self, f"_{kind}")(shape)

    def _map(self, shape: Any, depth: int, located: int) -> dict[str, Any]:
        if shape.serialization.get("location") == "headers":
            return {"key-1": self._random.choice(_HEADER_TEXT), "key-2": "b"}
        keys = getattr(shape.key, "enum", None) or ["key-0", "key-1"]
        count = min(self._count(depth) or located, len(keys))
        return {key: self.of(shape.value, depth + 1) for key in self._random.sample(keys, count)}

    def _count(self, depth: int) -> int:
        if depth > _MAX_DEPTH:
            return 1 if self._xml else 0
        return self._random.choice([1, 2] if self._xml else [0, 1, 2])

    def _string(self, shape: Any) -> str:
        if getattr(shape, "enum", None):
            return self._random.choice(shape.enum)
        if shape.serialization.get("hostLabel"):
            return "label"
        location = shape.serialization.get("location")
        texts = {"uri": _LABEL, "header": _HEADER_TEXT, "headers": _HEADER_TEXT}.get(location, _TEXT)
        return self._random.choice(texts)

    _character = _string

    def _integer(self, shape: Any) -> int:
        return 202 if shape.serialization.get("location") == "statusCode" else self._random.randint(-5, 2**31 - 1)

    def _long(self, shape: Any) -> int:
        return self._random.choice([0, 7, 2**53 + 1, -(2**40)])

    def _float(self, shape: Any) -> float:
        return self._random.choice([0.25, -17.5, 1024.0, 3.0])

    _double = _float

    def _boolean(self, shape: Any) -> bool:
        return self._random.random() < 0.5

    def _blob(self, shape: Any) -> bytes:
        return self._random.choice([b"\x00\xff binary", b"text", b"{}"])

    def _timestamp(self, shape: Any) -> datetime:
        whole = shape.serialization.get("location") or shape.serialization.get("timestampFormat") == "rfc822"
        micros = 0 if whole else self._random.choice([0, 123000])
        return datetime.fromtimestamp(self._random.randint(1, 2_000_000_000), UTC).replace(microsecond=micros)
