"""The names that SQS's query protocol has and its model has lost.

SQS speaks JSON today, and its model only says what JSON needs. Clients from before still send `Attribute.1.Name` and
read `<Attribute><Name>`: elements of lists, entries of maps, their keys and values go by names of their own.
"""

from copy import deepcopy
from typing import Any

NAMESPACE = "http://queue.amazonaws.com/doc/2012-11-05/"

# List -> the name of an element. Others go by the list's own name, which is that of the element and `List`.
_ELEMENTS = {
    "MessageSystemAttributeList": "MessageSystemAttributeName",
    "StringList": "StringListValue",
    "BinaryList": "BinaryListValue",
}
# Map -> the names of an entry, its key and its value.
_ENTRIES = {
    "QueueAttributeMap": ("Attribute", "Name", "Value"),
    "MessageSystemAttributeMap": ("Attribute", "Name", "Value"),
    "MessageBodyAttributeMap": ("MessageAttribute", "Name", "Value"),
    "MessageBodySystemAttributeMap": ("MessageSystemAttribute", "Name", "Value"),
    "TagMap": ("Tag", "Key", "Value"),
}

Shapes = dict[str, dict[str, Any]]


def named(shapes: Shapes) -> Shapes:
    """The model's shapes with those names."""
    renamed = deepcopy(shapes)
    for name, shape in renamed.items():
        if shape["type"] == "list":
            shape["member"]["locationName"] = _ELEMENTS.get(name, name.removesuffix("List"))
        elif shape["type"] == "map":
            _, shape["key"]["locationName"], shape["value"]["locationName"] = _ENTRIES[name]
        for member in shape.get("members", {}).values():
            if member["shape"] in _ENTRIES:
                member["locationName"] = _ENTRIES[member["shape"]][0]
    return renamed
