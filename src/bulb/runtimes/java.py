"""Java's runtime directory: our loop, compiled by the development kit that will run it."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bulb.core.errors import BulbError
from bulb.runtimes.building import run
from bulb.runtimes.interpreters import Interpreter

JAR = "bulb-runtime.jar"


def fill_java(directory: Path, files: Sequence[Path], interpreter: Interpreter) -> None:
    """Put the loop into `directory`: a jar and the script that starts it. Takes about two seconds.

    Raises BulbError when there is no compiler, or it refuses.
    """
    tools = interpreter.executable.parent
    if not (tools / "javac").exists():
        raise BulbError(
            f"{interpreter.prefix} has no compiler (javac), which builds the runtime client: install a development kit."
        )
    sources = [str(file) for file in files if file.suffix == ".java"]
    with tempfile.TemporaryDirectory() as classes:
        run(interpreter, str(tools / "javac"), "-encoding", "UTF-8", "-proc:none", "-d", classes, *sources)
        run(interpreter, str(tools / "jar"), "--create", "--file", str(directory / JAR), "-C", classes, ".")
    (directory / JAR).chmod(0o644)
    for file in files:
        if file.suffix != ".java":
            shutil.copyfile(file, directory / file.name)
            (directory / file.name).chmod(0o755)
    directory.chmod(0o755)
