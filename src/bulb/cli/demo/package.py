"""The demo function's deployment package: its source and Pillow, as anybody would zip them."""

import importlib.metadata
import io
import sys
import zipfile
from pathlib import Path

from bulb.core.errors import BulbError

RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
HANDLER = "thumbnails.handler"


def build() -> bytes:
    """A zip with the handler and the Pillow that is installed beside Bulb.

    Raises BulbError when Pillow is not installed.
    """
    try:
        pillow = importlib.metadata.distribution("pillow")
    except importlib.metadata.PackageNotFoundError:
        raise BulbError("the demo packs Pillow with its function: install it with `pip install pillow`") from None
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
        package.write(Path(__file__).with_name("thumbnails.py"), "thumbnails.py")
        for file in pillow.files or ():
            if file.parts[0] in {"PIL", "pillow.libs"} and "__pycache__" not in file.parts:
                package.write(Path(str(file.locate())), str(file))
    return archive.getvalue()
