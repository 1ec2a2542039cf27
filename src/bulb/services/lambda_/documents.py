"""Definitions as JSON documents, as the database keeps them.

Members a newer Bulb adds have defaults in the dataclasses, so an older row still reads.
"""

import json
from dataclasses import asdict
from typing import Any

from bulb.services.lambda_.model import Code, Definition, Layer, Logging


def dump(definition: Definition) -> str:
    """The document of a definition."""
    return json.dumps(asdict(definition), separators=(",", ":"), ensure_ascii=False)


def load(document: str) -> Definition:
    """The definition of a document."""
    members: dict[str, Any] = json.loads(document)
    layers = tuple(Layer(layer["arn"], Code(**layer["code"])) for layer in members.get("layers", ()))
    return Definition(
        **{**members, "code": Code(**members["code"]), "logging": Logging(**members["logging"]), "layers": layers},
    )
