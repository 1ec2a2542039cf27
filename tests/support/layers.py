"""Layers for tests: extensions that run beside a function."""

import io
import textwrap
import zipfile
from typing import Any


def layer_of(**extensions: str) -> bytes:
    """A layer with executables in /opt/extensions; a name's `_` stands for `-`."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        for name, source in extensions.items():
            entry = zipfile.ZipInfo("extensions/" + name.replace("_", "-"))
            entry.external_attr = 0o100755 << 16
            package.writestr(entry, textwrap.dedent(source).lstrip())
    return archive.getvalue()


def publish(aws: Any, name: str, content: bytes) -> str:
    """The ARN of a layer version."""
    arn: str = aws.publish_layer_version(LayerName=name, Content={"ZipFile": content})["LayerVersionArn"]
    return arn
