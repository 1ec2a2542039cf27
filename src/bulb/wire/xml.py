"""XML bodies: rest-xml requests and answers, and the answers of the query protocol.

Namespaces are not looked at, as AWS does not. A document type declaration is refused before anything in it is read, so
there are no entities to expand and nothing outside to fetch.
"""

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from bulb.wire.malformed import MalformedXml
from bulb.wire.scalars import text_decoder, text_encoder
from bulb.wire.shapes import Shape

XSI = "http://www.w3.org/2001/XMLSchema-instance"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
TIMESTAMP = "iso8601"

_Decode = Callable[[Element], Any]


class _NoDoctype(TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise MalformedXml


def loads(body: bytes) -> Element:
    """The root element. Raises Malformed."""
    parser = XMLParser(target=_NoDoctype())  # noqa: S314 - doctypes are refused
    try:
        parser.feed(body)
        root = parser.close()
    except (ParseError, ValueError, LookupError) as error:
        raise MalformedXml from error
    assert isinstance(root, Element)
    return root


def local_name(tag: str) -> str:
    """A tag or attribute name without its namespace."""
    return tag.rpartition("}")[2]


class XmlDecoder:
    """Compiles decoders from elements to parameters, one per shape."""

    def __init__(self) -> None:
        self._compiled: dict[Shape, _Decode] = {}

    def of(self, shape: Shape) -> _Decode:
        """The decoder of an element that holds `shape`."""
        decode = self._compiled.get(shape)
        if decode is None:
            decode = self._compiled[shape] = self._compile(shape)
        return decode

    def structure(self, members: dict[str, Shape]) -> _Decode:
        """A decoder of some of a structure's members; elements the model does not know are passed over."""

        def decode(element: Element) -> dict[str, Any]:
            children: dict[str, list[Element]] = {}
            for child in element:
                children.setdefault(local_name(child.tag), []).append(child)
            decoded = {}
            for name, member in members.items():
                if member.traits.get("xmlAttribute"):
                    value = _attribute(element, member.location_name or name)
                    if value is not None:
                        decoded[name] = value
                elif (found := _children_of(children, name, member)) is not None:
                    decoded[name] = self._member(member, found)
            return decoded

        return decode

    def _member(self, member: Shape, found: list[Element]) -> Any:
        if member.flattened and member.type == "list":
            decode = self.of(member.member)
            return [decode(element) for element in found]
        if member.flattened and member.type == "map":
            return self._entries(member, found)
        return self.of(member)(found[0])

    def _compile(self, shape: Shape) -> _Decode:
        match shape.type:
            case "structure":
                return self.structure(shape.members)
            case "list":
                return lambda element: [self.of(shape.member)(child) for child in element]
            case "map":
                return lambda element: self._entries(shape, list(element))
        decode = text_decoder(shape, TIMESTAMP)
        return lambda element: decode(element.text or "")

    def _entries(self, shape: Shape, entries: list[Element]) -> dict[str, Any]:
        decoded = {}
        for entry in entries:
            parts = {local_name(child.tag): child for child in entry}
            key = parts.get(shape.key.location_name or "key")
            value = parts.get(shape.value.location_name or "value")
            if key is None or value is None:
                raise MalformedXml
            decoded[self.of(shape.key)(key)] = self.of(shape.value)(value)
        return decoded


def _attribute(element: Element, name: str) -> str | None:
    wanted = name.rpartition(":")[2]
    return next((value for key, value in element.attrib.items() if local_name(key) == wanted), None)


def _children_of(children: dict[str, list[Element]], name: str, member: Shape) -> list[Element] | None:
    found = children.get(member.location_name or name)
    if found is None and member.flattened and member.type == "list" and member.member.location_name:
        found = children.get(member.member.location_name)
    return found


class XmlEncoder:
    """Writes answers as XML text. `always_millis`: ISO times always with milliseconds, as S3 writes them."""

    def __init__(self, always_millis: bool) -> None:
        self._always_millis = always_millis
        self._scalars: dict[Shape, Callable[[Any], str]] = {}

    def element(self, name: str, shape: Shape, value: Any) -> str:
        """`value` in an element `name`."""
        out: list[str] = []
        self._write(out, name, shape, value)
        return "".join(out)

    def members(self, members: dict[str, Shape], values: dict[str, Any]) -> str:
        """The elements of a structure's members, None left out. A member the model lacks is a KeyError."""
        out: list[str] = []
        self._write_members(out, members, values)
        return "".join(out)

    def _write_members(self, out: list[str], members: dict[str, Shape], values: dict[str, Any]) -> None:
        for name, value in values.items():
            member = members[name]
            if value is None or member.traits.get("xmlAttribute"):
                continue
            wire_name = member.location_name or name
            if member.flattened and member.type == "list":
                wire_name = member.member.location_name or wire_name
                for item in value:
                    self._write(out, wire_name, member.member, item)
            elif member.flattened and member.type == "map":
                for key, item in value.items():
                    self._write_entry(out, wire_name, member, key, item)
            else:
                self._write(out, wire_name, member, value)

    def _write(self, out: list[str], name: str, shape: Shape, value: Any) -> None:
        match shape.type:
            case "structure":
                out.append(f"<{name}{_attributes(shape, value)}>")
                self._write_members(out, shape.members, value)
                out.append(f"</{name}>")
            case "list":
                out.append(f"<{name}>")
                item_name = shape.member.location_name or "member"
                for item in value:
                    self._write(out, item_name, shape.member, item)
                out.append(f"</{name}>")
            case "map":
                out.append(f"<{name}>")
                for key, item in value.items():
                    self._write_entry(out, "entry", shape, key, item)
                out.append(f"</{name}>")
            case _:
                out.append(f"<{name}>{text(self._scalar(shape)(value))}</{name}>")

    def _write_entry(self, out: list[str], name: str, shape: Shape, key: str, value: Any) -> None:
        out.append(f"<{name}>")
        self._write(out, shape.key.location_name or "key", shape.key, key)
        self._write(out, shape.value.location_name or "value", shape.value, value)
        out.append(f"</{name}>")

    def _scalar(self, shape: Shape) -> Callable[[Any], str]:
        encode = self._scalars.get(shape)
        if encode is None:
            encode = self._scalars[shape] = text_encoder(shape, TIMESTAMP, self._always_millis)
        return encode


def _attributes(shape: Shape, value: dict[str, Any]) -> str:
    written = []
    for name, member in shape.members.items():
        if member.traits.get("xmlAttribute") and value.get(name) is not None:
            wire_name = member.location_name or name
            if wire_name.startswith("xsi:"):
                written.append(f' xmlns:xsi="{XSI}"')
            written.append(f' {wire_name}="{text(str(value[name]))}"')
    return "".join(written)


_REFERENCES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"})


def text(value: str) -> str:
    """`value` as XML text or attribute. A carriage return is a reference: a parser makes a newline of a bare one.

    Other control characters have no place in XML 1.0, not even as references; as S3 does, they are written anyway.
    """
    return value.translate(_REFERENCES)
