"""Function packages on disk: from the bytes of a zip archive to a directory that can be mounted at /var/task.

A package is unpacked once into `<root>/<sha256 of the archive>`, complete or not at all, and is never changed
afterwards; everything here can be rebuilt from the archives. An archive is untrusted: names must stay inside, links may
not lead out, and sizes are counted while unpacking, never believed.
"""

import asyncio
import contextlib
import errno
import hashlib
import io
import lzma
import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from bulb.core.errors import AwsError
from bulb.core.limits import UNZIPPED_CODE_BYTES

_CHUNK = 1 << 20
_MAX_ENTRIES = 200_000
_DEFAULT_FILE_MODE, _DEFAULT_FOLDER_MODE = 0o644, 0o755
# RuntimeError: encrypted; NotImplementedError: a compression nobody has.
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, NotImplementedError, RuntimeError,
            ValueError)  # fmt: skip
# What no disk could hold: one name for a file and a folder, or one too long. None: bzip2's damage is an OSError too.
_OF_THE_ARCHIVE = frozenset({errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, None})
_UNIX = 3  # the archive's "made by" system whose attributes carry permission bits


class CodeStore:
    """Unpacked packages and merged layers below `root`. Safe for concurrent use of the same digest."""

    def __init__(self, root: Path, *, size_limit: int = UNZIPPED_CODE_BYTES) -> None:
        """`size_limit` bounds the unpacked bytes of one package."""
        self._root = root
        self._size_limit = size_limit
        self._mentions: dict[tuple[str, bytes], bool] = {}
        self._sizes: dict[str, int] = {}

    async def unpack(self, archive: Path | bytes, digest: str) -> Path:
        """The directory of the package whose archive's SHA-256 is `digest` (hex).

        Raises AwsError InvalidParameterValueException, in AWS's words, when the archive is damaged, unsafe or too big.
        """
        final = self._root / digest
        if not final.is_dir():
            await asyncio.to_thread(self._build, final, lambda draft: _unpack(archive, draft, self._size_limit))
        return final

    def kept(self, digest: str) -> Path | None:
        """The directory of a package that is unpacked already, or None."""
        final = self._root / digest
        return final if final.is_dir() else None

    async def mentions(self, package: Path, word: bytes) -> bool:
        """Whether any Python file of the unpacked `package` contains `word`. Looked up once, then remembered."""
        key = (package.name, word)
        if key not in self._mentions:
            self._mentions[key] = await asyncio.to_thread(_mentions, package, word)
        return self._mentions[key]

    async def size(self, package: Path) -> int:
        """The bytes of the files of the unpacked `package`. Counted once, then remembered."""
        if package.name not in self._sizes:
            self._sizes[package.name] = await asyncio.to_thread(_size, package)
        return self._sizes[package.name]

    async def merge_layers(self, layers: Sequence[Path]) -> Path | None:
        """One directory for /opt with the content of all `layers`, later ones winning; None without layers.

        A single layer is used as it is. Files are hard links where possible.
        """
        if not layers:
            return None
        if len(layers) == 1:
            return layers[0]
        names = "\n".join(layer.name for layer in layers)
        final = self._root / f"layers-{hashlib.sha256(names.encode()).hexdigest()}"
        if not final.is_dir():
            await asyncio.to_thread(self._build, final, lambda draft: _merge(layers, draft))
        return final

    async def remove(self, digest: str) -> None:
        """Forget a package nothing refers to any more."""
        await asyncio.to_thread(_remove, self._root / digest)

    async def sweep(self, keep: Collection[str]) -> int:
        """Forget every package but those with digests in `keep`, and what a crash left half unpacked; how many went.

        Only before anything runs: an environment may still be using what nothing refers to any more.
        """
        return await asyncio.to_thread(self._sweep, frozenset(keep))

    def _sweep(self, keep: frozenset[str]) -> int:
        unwanted = [tree for tree in self._root.iterdir() if tree.name not in keep] if self._root.is_dir() else []
        for tree in unwanted:
            _remove(tree)
        return len(unwanted)

    def _build(self, final: Path, fill: Callable[[Path], None]) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{final.name[:16]}.", dir=self._root))
        try:
            fill(draft)
            draft.chmod(_DEFAULT_FOLDER_MODE)
            _publish(draft, final)
        finally:
            _remove(draft)


def _mentions(package: Path, word: bytes) -> bool:
    for file in package.rglob("*.py"):
        if file.is_symlink():
            continue  # Followed out here it leads into the machine; what is in the package is read under its own name.
        with contextlib.suppress(OSError):  # a file nobody may read: it will not be imported
            if word in file.read_bytes():
                return True
    return False


def _size(package: Path) -> int:
    return sum(file.lstat().st_size for file in package.rglob("*") if file.is_file() and not file.is_symlink())


def bad_archive() -> AwsError:
    """The refusal of an archive that cannot be unpacked."""
    return _refusal("Could not unzip uploaded file. Please check your file, then try to upload again.")


def _refusal(message: str) -> AwsError:
    return AwsError("InvalidParameterValueException", message)


def _unpack(archive: Path | bytes, target: Path, size_limit: int) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(archive) if isinstance(archive, bytes) else archive) as package:
            entries = package.infolist()
            if not entries:
                raise _refusal("Uploaded file must be a non-empty zip")
            if len(entries) > _MAX_ENTRIES:
                raise bad_archive()
            _Unpacking(package, target, size_limit).run(entries)
    except _DAMAGED as error:
        raise bad_archive() from error
    except OSError as error:
        if error.errno in _OF_THE_ARCHIVE:
            raise bad_archive() from error
        raise


class _Unpacking:
    """One archive being written below `target`. Links come last, so nothing is ever written through one."""

    def __init__(self, package: zipfile.ZipFile, target: Path, size_limit: int) -> None:
        self._package = package
        self._target = target
        self._limit = size_limit
        self._left = size_limit
        self._folders: dict[Path, int] = {}

    def run(self, entries: Sequence[zipfile.ZipInfo]) -> None:
        if sum(entry.file_size for entry in entries) > self._limit:
            raise self._too_big()
        links = []
        for entry in entries:
            path = self._target / _safe_name(entry.filename)
            if entry.is_dir():
                path.mkdir(parents=True, exist_ok=True)
                self._folders[path] = _mode(entry, _DEFAULT_FOLDER_MODE)
            elif _is_link(entry):
                links.append((path, entry))
            else:
                self._write(entry, path)
        for path, entry in links:
            self._link(entry, path)
        for path, mode in self._folders.items():
            path.chmod(mode)

    def _write(self, entry: zipfile.ZipInfo, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # a name given twice: the later one stays
        with self._package.open(entry) as source, path.open("xb") as sink:
            self._copy(source, sink)
        path.chmod(_mode(entry, _DEFAULT_FILE_MODE))

    def _copy(self, source: IO[bytes], sink: IO[bytes]) -> None:
        while data := source.read(_CHUNK):
            self._left -= len(data)
            if self._left < 0:
                raise self._too_big()
            sink.write(data)

    def _link(self, entry: zipfile.ZipInfo, path: Path) -> None:
        with self._package.open(entry) as source:
            aim = os.fsdecode(source.read(os.pathconf("/", "PC_PATH_MAX")))
        if not _stays_inside(aim, path.parent.relative_to(self._target)):
            raise bad_archive()
        self._refuse_links_above(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(aim)

    def _refuse_links_above(self, path: Path) -> None:
        """Two links that each stay inside can lead out when one is followed by the other: nothing is put behind one."""
        folder = self._target
        for part in path.parent.relative_to(self._target).parts:
            folder /= part
            if folder.is_symlink():
                raise bad_archive()

    def _too_big(self) -> AwsError:
        return _refusal(f"Unzipped size must be smaller than {self._limit} bytes")


def _safe_name(name: str) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise bad_archive()
    return path


def _is_link(entry: zipfile.ZipInfo) -> bool:
    return entry.create_system == _UNIX and stat.S_ISLNK(entry.external_attr >> 16)


def _mode(entry: zipfile.ZipInfo, default: int) -> int:
    """The archive's permission bits (a 0600 file stays unreadable to the function, as on AWS); never setuid."""
    mode = (entry.external_attr >> 16) & 0o777 if entry.create_system == _UNIX else 0
    return mode or default


# Where an absolute link may point: directories the function sees anyway.
_VISIBLE = ("/var/task/", "/opt/", "/var/lang/", "/var/runtime/", "/tmp/")  # noqa: S108 - the function's own /tmp


def _stays_inside(aim: str, folder: Path) -> bool:
    """Whether a link in `folder` (relative to the package) to `aim` stays in what the function may see."""
    if not aim or "\0" in aim:
        return False
    if aim.startswith("/"):
        return ".." not in PurePosixPath(aim).parts and aim.startswith(_VISIBLE)
    depth = len(folder.parts)
    for part in PurePosixPath(aim).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return True


def _merge(layers: Sequence[Path], target: Path) -> None:
    for layer in layers:
        for folder, folders, files in os.walk(layer):
            place = target / Path(folder).relative_to(layer)
            links = [name for name in folders if Path(folder, name).is_symlink()]
            for name in folders:
                if name not in links:
                    _make_folder(place / name, Path(folder, name))
            for name in (*files, *links):
                _take(Path(folder, name), place / name)


def _make_folder(path: Path, like: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    path.mkdir(exist_ok=True)
    path.chmod(like.stat().st_mode & 0o777 | 0o700)


def _take(source: Path, path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if source.is_symlink():
        path.symlink_to(source.readlink())
        return
    try:
        path.hardlink_to(source)
    except OSError:
        shutil.copy2(source, path)


def _publish(draft: Path, final: Path) -> None:
    try:
        draft.rename(final)
    except OSError:
        if not final.is_dir():  # somebody else was quicker: theirs is the same
            raise


def _remove(tree: Path) -> None:
    """Also where the archive made folders unwritable."""
    if not tree.exists():
        return
    for folder, _, _ in os.walk(tree):
        Path(folder).chmod(0o700)
    shutil.rmtree(tree, ignore_errors=True)
