"""The MD5 sums that clients compare with their own, and attributes as they are kept. Pure.

Of attributes, whatever their order: sorted by name, each as its name, its type, one byte for the kind of its value (1
text, 2 bytes) and its value; every piece but that byte after its length in four bytes.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

_TEXT, _BYTES = b"\x01", b"\x02"
Attributes = Mapping[str, Mapping[str, Any]]


def md5_of_text(text: str) -> str:
    """MD5 in hex: of a body."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def md5_of_attributes(attributes: Attributes) -> str:
    """MD5 in hex, of attributes as clients send them (binary values are bytes)."""
    digest = hashlib.md5(usedforsecurity=False)
    for name in sorted(attributes):
        value = attributes[name]
        digest.update(_measured(name.encode()))
        digest.update(_measured(value["DataType"].encode()))
        if value["DataType"].partition(".")[0] == "Binary":
            digest.update(_BYTES + _measured(value["BinaryValue"]))
        else:
            digest.update(_TEXT + _measured(value["StringValue"].encode()))
    return digest.hexdigest()


def kept(attributes: Attributes) -> str:
    """Attributes as they are stored: JSON, binary values in base64."""
    return json.dumps({name: _kept(value) for name, value in attributes.items()}, ensure_ascii=False)


def read(stored: str | None) -> dict[str, dict[str, str]]:
    """Stored attributes, binary values still in base64."""
    return {} if stored is None else json.loads(stored)


def shown(stored: Mapping[str, str]) -> dict[str, Any]:
    """One stored attribute as it is answered: a binary value is bytes again."""
    if "BinaryValue" not in stored:
        return dict(stored)
    return {**stored, "BinaryValue": base64.b64decode(stored["BinaryValue"])}


def _kept(value: Mapping[str, Any]) -> dict[str, str]:
    if value["DataType"].partition(".")[0] == "Binary":
        return {"DataType": value["DataType"], "BinaryValue": base64.b64encode(value["BinaryValue"]).decode()}
    return {"DataType": value["DataType"], "StringValue": value["StringValue"]}


def _measured(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def sha256_of_text(text: str) -> str:
    """SHA-256 in hex: a body as its own deduplication id."""
    return hashlib.sha256(text.encode()).hexdigest()
