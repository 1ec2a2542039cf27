"""The packages a Python function finds at /var/runtime: awslambdaric and the AWS SDK, those Bulb is installed with.

All work as pure Python, so they serve every version. Files are hard links where the file system allows. Byte code comes
along for the interpreter that Bulb itself runs on: compiling half of the SDK takes most of a second.
"""

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from bulb.core.errors import BulbError

# Importable package -> its distribution.
BUNDLED = {
    "awslambdaric": "awslambdaric",
    "simplejson": "simplejson",
    "snapshot_restore_py": "snapshot-restore-py",
    "boto3": "boto3",
    "botocore": "botocore",
    "s3transfer": "s3transfer",
    "urllib3": "urllib3",
    "jmespath": "jmespath",
    "dateutil": "python-dateutil",
    "six": "six",
}
_LEFT_OUT = frozenset({"__pycache__", "tests"})


def take_packages(directory: Path, executable: Path) -> bool:
    """Put the packages into `directory`, for the interpreter at `executable`.

    Whether every module has its byte code: never for another interpreter than Bulb's own, nor where the packages were
    installed without. Raises BulbError when one is missing.
    """
    taking = _Taking(with_byte_code=executable.resolve() == Path(sys.executable).resolve())
    for source in _sources():
        taking.take(source, directory / source.name)
    return taking.is_complete


class _Taking:
    def __init__(self, *, with_byte_code: bool) -> None:
        self.is_complete = self._with_byte_code = with_byte_code

    def take(self, source: Path, target: Path) -> None:
        if not source.is_dir():
            self._take_file(str(source), str(target))
            return
        target.mkdir()
        with os.scandir(source) as entries:
            for entry in entries:
                if entry.name in _LEFT_OUT:
                    continue
                if entry.is_dir():
                    self.take(Path(entry.path), target / entry.name)
                else:
                    self._take_file(entry.path, f"{target}/{entry.name}")

    def _take_file(self, source: str, target: str) -> None:
        _link_or_copy(source, target)
        if not self._with_byte_code or not source.endswith(".py"):
            return
        cached = Path(importlib.util.cache_from_source(source))
        if not cached.is_file():
            self.is_complete = False
            return
        folder = Path(target).parent / cached.parent.name
        folder.mkdir(exist_ok=True)
        _link_or_copy(str(cached), str(folder / cached.name))


def _sources() -> Iterator[Path]:
    """The packages' directories and files, with their dist-info (importlib.metadata works in functions too)."""
    for package, distribution in BUNDLED.items():
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None:
            raise BulbError(f"The Python package {package} is missing from this installation of Bulb; reinstall it.")
        origin = Path(found.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        yield source
        name = distribution.replace("-", "_")
        yield from source.parent.glob(f"{name}-{version(distribution)}.dist-info")


def _link_or_copy(source: str, target: str) -> None:
    """A hard link where possible (same file system, our own files), else a copy."""
    try:
        if not Path(source).stat().st_mode & 0o004:
            raise PermissionError  # a link would share the unreadable mode
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
