"""The query protocol: parameters as a form, answers as XML.

A parameter's name is a path: `Attributes.entry.1.key`, `Tags.member.2.Key`; flattened lists leave out the `member`, and
may leave out the number of a single element (`AttributeName`, `Tag.Key`), as older clients of SQS do.
"""

from typing import Any

from bulb.wire.catalog import Operation
from bulb.wire.malformed import Malformed
from bulb.wire.querystring import parse_items
from bulb.wire.scalars import text_decoder
from bulb.wire.shapes import Shape
from bulb.wire.xml import TIMESTAMP, XmlEncoder, text

# A parsed form: leaves are values, branches are what follows the next dot.
_Tree = dict[str, Any]
_LEAF = ""
_MAX_PARTS = 60
_MAX_DIGITS = 9
_ENVELOPE = frozenset({"Action", "Version"})
_ENCODER = XmlEncoder(always_millis=False)


def decode(operation: Operation, query_string: str, body: bytes) -> dict[str, Any]:
    """The operation's parameters. Raises Malformed."""
    try:
        form = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("The form is not UTF-8.") from error
    shape = operation.in_query.input
    if shape is None:
        return {}
    tree = _tree([*parse_items(query_string), *parse_items(form)])
    return _structure(shape, tree)


def encode(operation: Operation, answer: dict[str, Any], request_id: str) -> bytes:
    """The answer's document."""
    result = ""
    output = operation.in_query.output
    if output is not None:
        wrapper = operation.result_wrapper
        result = f"<{wrapper}>{_ENCODER.members(output.members, answer)}</{wrapper}>"
    elif answer:
        raise KeyError(next(iter(answer)))
    namespace = operation.service.metadata.get("xmlNamespace") or f"http://{operation.service.name}.amazonaws.com/doc/"
    name = f"{operation.name}Response"
    metadata = f"<ResponseMetadata><RequestId>{text(request_id)}</RequestId></ResponseMetadata>"
    return f'<{name} xmlns="{namespace}">{result}{metadata}</{name}>'.encode()


def _tree(items: list[tuple[str, str]]) -> _Tree:
    tree: _Tree = {}
    for name, value in items:
        if name in _ENVELOPE:
            continue
        parts = name.split(".", _MAX_PARTS)
        if len(parts) > _MAX_PARTS:
            raise Malformed("A parameter's name is nested too deeply.")
        branch = tree
        for part in parts:
            branch = branch.setdefault(part, {})
        branch[_LEAF] = value
    return tree


def _value(shape: Shape, node: _Tree) -> Any:
    match shape.type:
        case "structure":
            return _structure(shape, node)
        case "list":
            return [_value(shape.member, item) for item in _elements(shape, _items(shape, node))]
        case "map":
            return _map(shape, node)
    if _LEAF not in node:
        raise Malformed("A parameter that is a single value has parts.")
    return text_decoder(shape, TIMESTAMP)(node[_LEAF])


def _structure(shape: Shape, node: _Tree) -> dict[str, Any]:
    decoded = {}
    for name, member in shape.members.items():
        child = node.get(member.location_name or name)
        if child is None and member.flattened and member.type in ("list", "map"):
            child = _flattened_under_another_name(member, node, name)
        if child is not None:
            decoded[name] = _value(member, child)
    return decoded


def _flattened_under_another_name(member: Shape, node: _Tree, name: str) -> _Tree | None:
    """A flattened list goes by its element's name where that has one; SQS' members by their singular."""
    if member.type == "list" and member.member.location_name:
        found: _Tree | None = node.get(member.member.location_name)
        return found
    return node.get(name)


def _items(shape: Shape, node: _Tree) -> _Tree:
    if shape.flattened:
        return node
    inner: _Tree | None = node.get(shape.member.location_name or "member")
    return node if inner is None else inner


def _map(shape: Shape, node: _Tree) -> dict[str, Any]:
    entries = node if shape.flattened else node.get("entry", node)
    decoded = {}
    for entry in _elements(shape, entries):
        key = entry.get(shape.key.location_name or "key")
        if key is None:
            raise Malformed("A map's entry must have a key.")
        value = entry.get(shape.value.location_name or "value", {_LEAF: ""})
        decoded[_value(shape.key, key)] = _value(shape.value, value)
    return decoded


def _elements(shape: Shape, node: _Tree) -> list[_Tree]:
    """The elements of a list or entries of a map; of a flattened one perhaps a single one, without a number."""
    names = [name for name in node if name != _LEAF]
    if shape.flattened and (names or node.get(_LEAF)) and not any(map(str.isdigit, names)):
        return [node]
    return _numbered(node)


def _numbered(node: _Tree) -> list[_Tree]:
    """The branches `1`, `2`, ... in order; the empty list is written as an empty value."""
    names = [name for name in node if name != _LEAF]
    if not all(name.isascii() and name.isdigit() and len(name) <= _MAX_DIGITS for name in names):
        raise Malformed("A list's parameters must be numbered.")
    return [node[name] for name in sorted(names, key=int)]
