"""Definitions as JSON documents, as the database keeps them.

Members a newer Bulb adds have defaults in the dataclasses, so an older row still reads.
"""

import json
from dataclasses import asdict
from typing import Any

from bulb.services.lambda_.model import Code, Definition, Layer, Logging, Source
from bulb.services.lambda_.outside import FileSystem, Vpc


def dump(definition: Definition) -> str:
    """The document of a definition."""
    return json.dumps(asdict(definition), separators=(",", ":"), ensure_ascii=False)


def load(document: str) -> Definition:
    """The definition of a document."""
    members: dict[str, Any] = json.loads(document)
    members["code"] = _code(members["code"])
    members["logging"] = Logging(**members["logging"])
    members["layers"] = tuple(Layer(layer["arn"], _code(layer["code"])) for layer in members.get("layers", ()))
    if vpc := members.get("vpc"):
        members["vpc"] = Vpc(tuple(vpc["subnets"]), tuple(vpc["security_groups"]), vpc["ipv6"])
    members["file_systems"] = tuple(FileSystem(**mount) for mount in members.get("file_systems", ()))
    return Definition(**members)


def _code(members: dict[str, Any]) -> Code:
    source = members.get("source")
    return Code(members["digest"], members["size"], None if source is None else Source(**source))
