"""What a target gets in place of the event: a constant, a part of the event, or a template that was filled in. Pure.

A template is either JSON, in which a placeholder stands for a value or within a string, or text: lines that are each a
quoted string. In a JSON template a value goes in as JSON (so a string gets its quotes). Within quotes a string goes in
as it is, anything else as JSON without quotes. What a path does not find is the empty string in both. Sources:
EventBridge's page of input transformation, and what was recorded of the service where the page is silent.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from bulb.core.errors import AwsError
from bulb.services.events import errors
from bulb.services.events.envelope import dumps
from bulb.services.events.paths import MISSING, Path, parse_path

_PLACEHOLDER = re.compile(r"<([A-Za-z0-9_.\-]+)>")
_RULE_ARN, _RULE_NAME = "aws.events.rule-arn", "aws.events.rule-name"
_INGESTION = "aws.events.event.ingestion-time"
_HEAD, _WHOLE = "aws.events.event", "aws.events.event.json"
PREDEFINED = frozenset({_RULE_ARN, _RULE_NAME, _INGESTION, _HEAD, _WHOLE})
# Marks of placeholders in a template that is being read: as a value of their own, and within a string.
_VALUE, _WITHIN, _END = "\ue000", "\ue001", "\ue002"
_MARKED = re.compile(f"[{_VALUE}{_WITHIN}]([^{_END}]*){_END}")
# Members of a target of which at most one may be there.
MEMBERS = ("Input", "InputPath", "InputTransformer")
_RESERVED = "aws."
# What a template for a log group must look like.
_LOG_RECORD: Mapping[str, str] = {"timestamp": "<timestamp>", "message": "<message>"}


@dataclass(frozen=True, slots=True)
class Happening:
    """An event on its way to a target: parsed and as the bytes it came as, with the rule that matched it."""

    event: Mapping[str, Any]
    payload: bytes
    rule_arn: str
    rule_name: str
    ingested: str


class _Number(str):
    """A number of a template, as it was written."""

    __slots__ = ()


Render = Callable[[Happening], bytes]
# The members of `aws.events.event` in the order in which the service writes them; one has a name of its own there.
_HEAD_ORDER = ("id", "account", "detail-type", "time", "source", "region", "resources", "version")
_HEAD_NAMES = {"detail-type": "detailType"}


def check_input(target: Mapping[str, Any]) -> None:
    """Raise AwsError ValidationException unless the target's input can be made."""
    name = target["Id"]
    if sum(member in target for member in MEMBERS) > 1:
        raise errors.validation(
            f"Only one of Input, InputPath, or InputTransformer must be provided for target {name}."
        )
    if (constant := target.get("Input")) is not None and not is_json(constant):
        raise errors.validation(f"JSON syntax error in input for target {name}.")
    if (path := target.get("InputPath")) is not None:
        _check_path(path, name)
    if (transformer := target.get("InputTransformer")) is not None:
        _check_transformer(transformer, name)


def check_log_input(target: Mapping[str, Any]) -> None:
    """Raise AwsError ValidationException where a log group could not take the input, which is otherwise right.

    It takes the event, or a template's time and text of a log event; both are strings.
    """
    for member in ("Input", "InputPath"):
        if member in target:
            raise errors.validation(f"{member} is not supported for target {target['Arn']}.")
    transformer = target.get("InputTransformer")
    if transformer is not None and not _is_log_record(transformer["InputTemplate"]):
        wanted = json.dumps(_LOG_RECORD)
        raise errors.validation(f"InputTemplate for target {target['Id']} must have the format {wanted}.")


def payload_for(settings: Mapping[str, Any], happening: Happening) -> bytes | None:
    """What a target with those settings gets; None where it cannot be made of this event."""
    if "Input" in settings:
        constant: str = settings["Input"]
        return constant.encode()
    if "InputPath" in settings:
        found = parse_path(settings["InputPath"]).find(happening.event)
        return None if found is MISSING else dumps(found)
    if "InputTransformer" in settings:
        transformer = settings["InputTransformer"]
        paths = transformer.get("InputPathsMap") or {}
        return _compiled(transformer["InputTemplate"], tuple(sorted(paths.items())))(happening)
    return happening.payload


def is_json(text: str | bytes) -> bool:
    """The text is a JSON document."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _check_path(path: str, target: str) -> None:
    """A name in brackets and quotes is JSONPath but none of EventBridge's; targets of earlier releases may have it."""
    try:
        parse_path(path)
        is_good = "['" not in path
    except ValueError:
        is_good = False
    if not is_good:
        raise errors.validation(f"InputPath for target {target} is invalid.")


def _check_transformer(transformer: Mapping[str, Any], target: str) -> None:
    paths = transformer.get("InputPathsMap") or {}
    for name, path in paths.items():
        if name.lower().startswith(_RESERVED):
            raise errors.validation(f"InputPathsMap for target {target} contains reserved name {name}.")
        _check_path(path, target)
    template = transformer["InputTemplate"]
    for name in _PLACEHOLDER.findall(template):
        if name not in paths and name not in PREDEFINED:
            raise errors.validation(f"InputTemplate for target {target} contains invalid placeholder {name}.")
    try:
        _compiled(template, tuple(sorted(paths.items())))
    except (ValueError, RecursionError) as error:
        raise _bad_template(template, target, error) from None
    if _WHOLE in _PLACEHOLDER.findall(template) and not _is_object(template):
        raise errors.validation(
            f"InputTemplate for target {target} contains placeholder {_WHOLE} valid only for JSON template."
        )


def _is_object(template: str) -> bool:
    try:
        return isinstance(_read(template), dict)
    except ValueError:  # lines of text
        return False


def _is_log_record(template: str) -> bool:
    try:
        document = _read(template)
    except ValueError:  # lines of text
        return False
    return (
        isinstance(document, dict)
        and document.keys() == _LOG_RECORD.keys()
        and all(type(value) is str for value in document.values())
    )


def _bad_template(template: str, target: str, error: Exception) -> AwsError:
    line, column = (error.lineno, error.colno) if isinstance(error, json.JSONDecodeError) else (1, 1)
    return errors.validation(
        f'Invalid InputTemplate for target {target} : [Source: (String)"{template}"; line: {line}, column: {column}].'
    )


@lru_cache(maxsize=4096)
def _compiled(template: str, paths: tuple[tuple[str, str], ...]) -> Render:
    """A template as a function. Raises ValueError for one that is neither JSON nor lines of quoted text."""
    values = {name: parse_path(path) for name, path in paths}
    lines = template.splitlines()
    try:
        document = _read(template)
    except ValueError:
        if len(lines) < 2 or not all(line.strip().startswith('"') for line in lines if line.strip()):  # noqa: PLR2004
            raise
        texts = [_read(line) for line in lines if line.strip()]
        if not all(isinstance(text, str) for text in texts):
            raise
        return lambda happening: "\n".join(_written(text, happening, values) for text in texts).encode()
    return lambda happening: _written(document, happening, values).encode()


def _read(template: str) -> Any:
    """The template as a document whose placeholders are marked: those in strings and those in place of a value."""
    document = json.loads(_with_marks(template), parse_int=_Number, parse_float=_Number, parse_constant=_refuse)
    json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair could not be sent
    return document


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _with_marks(template: str) -> str:
    parts: list[str] = []
    position, quoted = 0, False
    while position < len(template):
        letter = template[position]
        match = _PLACEHOLDER.match(template, position) if letter == "<" else None
        if match is not None:
            parts.append(f"{_WITHIN}{match[1]}{_END}" if quoted else f'"{_VALUE}{match[1]}{_END}"')
            position = match.end()
            continue
        if letter == "\\" and quoted:
            parts.append(template[position : position + 2])
            position += 2
            continue
        quoted ^= letter == '"'
        parts.append(letter)
        position += 1
    return "".join(parts)


def _written(document: Any, happening: Happening, values: Mapping[str, Path]) -> str:
    """A part of a template as JSON."""
    if isinstance(document, _Number):
        return str(document)
    if isinstance(document, str):
        return _text(document, happening, values)
    if isinstance(document, dict):
        members = ((_text(key, happening, values), _written(one, happening, values)) for key, one in document.items())
        return "{" + ",".join(f"{key}:{value}" for key, value in members) + "}"
    if isinstance(document, list):
        return "[" + ",".join(_written(one, happening, values) for one in document) + "]"
    return json.dumps(document)


def _text(text: str, happening: Happening, values: Mapping[str, Path]) -> str:
    if text.startswith(_VALUE):
        return _as_value(text[1:-1], happening, values)
    filled = _MARKED.sub(lambda match: _as_text(match[1], happening, values), text)
    return json.dumps(filled, ensure_ascii=False)


def _as_value(name: str, happening: Happening, values: Mapping[str, Path]) -> str:
    if name == _WHOLE:
        return happening.payload.decode()
    found = _found(name, happening, values)
    return '""' if found is MISSING else dumps(found).decode()


def _as_text(name: str, happening: Happening, values: Mapping[str, Path]) -> str:
    found = happening.event if name == _WHOLE else _found(name, happening, values)
    if found is MISSING:
        return ""
    return found if isinstance(found, str) else dumps(found).decode().replace('"', "")


def _found(name: str, happening: Happening, values: Mapping[str, Path]) -> Any:
    if name in values:
        return values[name].find(happening.event)
    if name == _HEAD:
        return _head(happening.event)
    known = {_RULE_ARN: happening.rule_arn, _RULE_NAME: happening.rule_name, _INGESTION: happening.ingested}
    return known.get(name, MISSING)  # a template may have our marks in it


def _head(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event without its detail, as a template has it."""
    further = [name for name in event if name not in (*_HEAD_ORDER, "detail")]
    return {_HEAD_NAMES.get(name, name): event[name] for name in (*_HEAD_ORDER, *further)}
