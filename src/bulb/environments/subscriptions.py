"""What an extension asks of the Telemetry API (2022-07-01) or the Logs API (2020-08-15). Pure: bytes in, value out."""

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import orjson

Api = Literal["telemetry", "logs"]
TYPES = ("platform", "function", "extension")
SCHEMAS = ("2022-07-01", "2022-12-13", "2025-01-29")
HOSTS = ("sandbox.localdomain", "sandbox")
_RESERVED_PORT = 9001
_LAST_PORT = 65_535
# Least, most and default of each bound.
_BOUNDS = {
    "maxItems": (1_000, 10_000, 10_000),
    "maxBytes": (262_144, 1_048_576, 262_144),
    "timeoutMs": (25, 30_000, 1_000),
}


@dataclass(frozen=True, slots=True)
class Subscription:
    """A valid subscription. `schema` is None for the Logs API. `path` and `method` are of HTTP destinations."""

    api: Api
    schema: str | None
    types: tuple[str, ...]
    max_items: int
    max_bytes: int
    timeout_ms: int
    protocol: Literal["HTTP", "TCP"]
    port: int
    host: str = HOSTS[0]
    path: str = "/"
    method: str = "POST"

    @property
    def has_parsed_records(self) -> bool:
        """A function's line that is a JSON object is given as an object."""
        return self.schema is not None and self.schema > SCHEMAS[0]


class InvalidSubscriptionError(Exception):
    """What is wrong with it, all of it, in the words the subscriber is answered."""


def parse(api: Api, body: bytes) -> Subscription:
    """The subscription `body` asks for. Raises InvalidSubscriptionError."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidSubscriptionError(f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise InvalidSubscriptionError("the body is not an object")
    wrong: list[str] = []
    destination = _destination(document.get("destination"), wrong)
    types = _types(document.get("types"), wrong)
    schema = _schema(document.get("schemaVersion"), wrong) if api == "telemetry" else None
    bounds = _buffering(document.get("buffering"), wrong)
    if wrong:
        raise InvalidSubscriptionError("; ".join(wrong))
    items, size, timeout = bounds
    return Subscription(api, schema, types, items, size, timeout, **destination)


def _types(value: Any, wrong: list[str]) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        wrong.append("types should not be empty")
        return ()
    wrong += [f"types: {kind} is not one of {', '.join(TYPES)}" for kind in value if kind not in TYPES]
    return tuple(dict.fromkeys(kind for kind in value if kind in TYPES))


def _schema(value: Any, wrong: list[str]) -> str | None:
    if value not in SCHEMAS:
        wrong.append(f"schemaVersion should be one of {', '.join(SCHEMAS)}")
        return None
    return str(value)


def _buffering(value: Any, wrong: list[str]) -> list[int]:
    if value is None:
        value = {}
    if not isinstance(value, dict):
        wrong.append("buffering should be an object")
        value = {}
    bounds = []
    for name, (least, most, default) in _BOUNDS.items():
        bound = value.get(name)
        if bound is None:
            bound = default
        if not isinstance(bound, int) or isinstance(bound, bool) or not least <= bound <= most:
            wrong.append(f"buffering: {name} should be between {least} and {most}")
        bounds.append(bound)
    return bounds


def _destination(value: Any, wrong: list[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        wrong.append("destination is not provided")
        return {}
    protocol = value.get("protocol")
    if protocol == "TCP":
        return {"protocol": protocol, "port": _port(value.get("port"), "port", wrong)}
    if protocol == "HTTP":
        return _http_destination(value, wrong)
    wrong.append("destination: protocol should be HTTP or TCP")
    return {}


def _http_destination(value: dict[str, Any], wrong: list[str]) -> dict[str, Any]:
    uri, method = value.get("URI"), value.get("method", "POST")
    if method not in ("POST", "PUT"):
        wrong.append("destination: method should be POST or PUT")
    try:
        parts = urlsplit(uri if isinstance(uri, str) else "")
        port, host = parts.port, parts.hostname
    except ValueError:
        wrong.append("URI is not valid")
        return {}
    if parts.scheme != "http":
        wrong.append("URI scheme should be http")
    if host not in HOSTS:
        wrong.append(f"URI host should be {HOSTS[0]}")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii() or not path.isprintable() or " " in path:
        wrong.append("URI is not valid")
    return {
        "protocol": "HTTP",
        "port": _port(port, "URI port", wrong),
        "host": f"{host}:{port}",
        "path": path,
        "method": method,
    }


def _port(value: Any, what: str, wrong: list[str]) -> int:
    if value is None:
        wrong.append(f"{what} is not provided")
    elif not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _LAST_PORT:
        wrong.append(f"{what} is not valid")
    elif value == _RESERVED_PORT:
        wrong.append(f"{what} {_RESERVED_PORT} is reserved")
    else:
        return value
    return 0
