"""From an interpreter to an image: the directories and commands a sandbox needs to run one runtime.

The `/var/runtime` of an image is a directory in the data folder, named after everything it is made from, so it is
built once per version of its ingredients and never changed afterwards. Python's holds our loop, awslambdaric and the
AWS SDK (`bundling`), with the byte code of what nearly every handler needs. Node's holds our loop, Java's our loop
compiled by the very kit that runs it.
"""

import asyncio
import hashlib
import os
import py_compile
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as distribution_version
from pathlib import Path
from types import MappingProxyType

from bulb.runtimes.building import run
from bulb.runtimes.bundling import BUNDLED, take_packages
from bulb.runtimes.catalogue import RUNTIMES, Runtime
from bulb.runtimes.interpreters import Interpreter
from bulb.runtimes.java import fill_java
from bulb.runtimes.variables import RUNTIME_DIR, base_variables

LANGUAGE_DIR = Path("/var/lang")
_INSIDE = Path(__file__).parent / "inside"
# Without `site`: its packages, and whatever their .pth files run, are the machine's own and no business of a function.
PYTHON_FLAGS = ("-S",)


@dataclass(frozen=True, slots=True)
class RuntimeImage:
    """What the root of one runtime contains; field for field what a sandbox takes.

    `language` and `runtime` are host directories for /var/lang and /var/runtime. `command` is the argv inside; where
    `forks` is true it starts a zygote that calls `prepare` once and `run` in each child.
    """

    name: str
    language: Path
    runtime: Path
    command: tuple[str, ...]
    prepare: str | None
    run: str | None
    forks: bool
    environment: Mapping[str, str]
    supervised: bool = False


class Images:
    """Builds images and remembers them. `root` is a folder of its own in the data folder."""

    def __init__(self, root: Path) -> None:
        """Nothing is touched before the first image is asked for."""
        self._root = root
        self._built: dict[tuple[Interpreter, bool], RuntimeImage] = {}
        self._lock = asyncio.Lock()

    async def image(self, interpreter: Interpreter, *, sdk: bool = True) -> RuntimeImage:
        """The image for `interpreter`. The first one ever of a Python version takes about a second, of Bulb's own less.

        `sdk` has Python's zygote load the AWS SDK: a handler's first client comes a tenth of a second sooner, and every
        fork costs more than half a millisecond more. Without it the SDK is there all the same, loaded when imported.

        Raises BulbError when the interpreter cannot run what it must run.
        """
        async with self._lock:
            image = self._built.get((interpreter, sdk))
            if image is None:
                image = self._built[interpreter, sdk] = await asyncio.to_thread(self._build, interpreter, sdk)
        return image

    async def provided(self, runtime: Runtime) -> RuntimeImage:
        """The image of an OS-only runtime: the machine's programs, and nothing at /var/lang and /var/runtime."""
        empty = self._root / "provided"
        await asyncio.to_thread(empty.mkdir, mode=0o755, parents=True, exist_ok=True)
        return RuntimeImage(
            name=runtime.identifier,
            language=empty,
            runtime=empty,
            command=(),
            prepare=None,
            run=None,
            forks=False,
            environment=MappingProxyType(base_variables(runtime)),
            supervised=True,
        )

    def _build(self, interpreter: Interpreter, sdk: bool) -> RuntimeImage:
        runtime = RUNTIMES[interpreter.runtime]
        forks = runtime.family == "python"
        directory = self._runtime_directory(runtime, interpreter)
        return RuntimeImage(
            name=runtime.identifier if sdk or not forks else f"{runtime.identifier}-lean",
            language=interpreter.prefix,
            runtime=directory,
            command=_command(runtime.family, interpreter),
            prepare=("bulb_runtime:prepare_sdk" if sdk else "bulb_runtime:prepare") if forks else None,
            run="bulb_runtime:run" if forks else None,
            forks=forks,
            environment=MappingProxyType(base_variables(runtime)),
            supervised=runtime.family == "java",  # its heap is the function's memory, known only then
        )

    def _runtime_directory(self, runtime: Runtime, interpreter: Interpreter) -> Path:
        name = f"{runtime.identifier}-{_fingerprint(runtime.family, interpreter.version)}"
        final = self._root / name
        if not final.is_dir():
            self._root.mkdir(parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=self._root))
            try:
                _fill(draft, runtime.family, interpreter)
                _publish(draft, final)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        return final


def _command(family: str, interpreter: Interpreter) -> tuple[str, ...]:
    """What is executed inside."""
    if family == "java":
        return (f"{RUNTIME_DIR}/bootstrap", "/var/lang/bin/java")
    inside = str(LANGUAGE_DIR / interpreter.executable.relative_to(interpreter.prefix))
    if family == "python":
        return (inside, *PYTHON_FLAGS)
    return (inside, *_node_flags(interpreter.version), f"{RUNTIME_DIR}/index.mjs")


def _node_flags(version: str) -> tuple[str, ...]:
    """Lambda keeps `require` of ES modules and their detection off up to Node.js 22 (where there are flags for it).

    Reading OpenSSL's configuration is a tenth of Node's start-up and has nothing to say here.
    """
    major, minor = (int(part) for part in version.split(".")[:2])
    has_switches = (20, 19) <= (major, minor) < (21, 0) or (22, 12) <= (major, minor) < (23, 0)
    switches = ("--no-experimental-require-module", "--no-experimental-detect-module") if has_switches else ()
    return ("--openssl-config=/dev/null", *switches)


def _fingerprint(family: str, interpreter_version: str) -> str:
    """16 hex digits over everything a runtime directory is made from."""
    digest = hashlib.sha256(interpreter_version.encode())
    for file in _own_files(family):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    if family == "python":
        for distribution in BUNDLED.values():
            digest.update(f"{distribution}={distribution_version(distribution)}\n".encode())
    return digest.hexdigest()[:16]


def _own_files(family: str) -> list[Path]:
    return sorted(
        file
        for file in (_INSIDE / family).iterdir()
        if (file.suffix in (".py", ".mjs", ".cjs", ".java") and file.stem != "__init__") or file.name == "bootstrap"
    )


def _fill(directory: Path, family: str, interpreter: Interpreter) -> None:
    if family == "java":
        fill_java(directory, _own_files(family), interpreter)
        return
    for file in _own_files(family):
        shutil.copyfile(file, directory / file.name)
    if family == "python":
        if take_packages(directory, interpreter.executable):
            for file in _own_files(family):
                py_compile.compile(str(directory / file.name), doraise=True)
        else:
            _write_byte_code(directory, interpreter)
    _make_readable(directory)


def _write_byte_code(directory: Path, interpreter: Interpreter) -> None:
    """Import once what a zygote imports: this writes the byte code, and shows that the interpreter can do it."""
    program = f"import sys; sys.path.insert(0, {str(directory)!r}); import bulb_runtime; bulb_runtime.prepare_sdk()"
    run(interpreter, str(interpreter.executable), *PYTHON_FLAGS, "-c", program)


def _make_readable(directory: Path) -> None:
    """Environments run under other user ids: everything must be readable to anybody."""
    directory.chmod(0o755)
    for folder, _, files in os.walk(directory):
        Path(folder).chmod(0o755)
        for name in files:
            file = Path(folder, name)
            found = file.stat()
            if found.st_nlink == 1 and not found.st_mode & 0o004:
                file.chmod(0o644)


def _publish(draft: Path, final: Path) -> None:
    """Appear complete or not at all; somebody else having done it meanwhile is as good."""
    try:
        draft.rename(final)
    except OSError:
        if not final.is_dir():
            raise
