"""What Bulb knows of each language that needs an interpreter: how it is called, asked and installed. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_PYTHON_PROBE = (
    "import os,platform,sys;"
    "print(platform.python_implementation(),platform.python_version(),sys.base_prefix,os.path.realpath(sys.executable),sep='\\n')"
)
_NODE_PROBE = (
    "console.log(['Node.js', process.versions.node, '', require('fs').realpathSync(process.execPath)].join('\\n'))"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an executable said about itself. An empty `prefix` or `executable`: go by where the file is."""

    version: str
    prefix: str = ""
    executable: str = ""


@dataclass(frozen=True, slots=True)
class Language:
    """One language. `{v}` in `executable`, `managed` and `install` is the version a runtime wants.

    `probe` are the arguments that make the executable tell its version, `read` understands the answer (None: it is
    not this language). `managed` are patterns below the home folder, `system` patterns below `/`, where version
    managers and distributions keep several versions side by side.
    """

    title: str
    executable: str
    probe: tuple[str, ...]
    read: Callable[[str], Answer | None]
    install: str
    managed: tuple[str, ...]
    system: tuple[str, ...] = ()
    pyenv: bool = field(default=False)


def _three_lines(kind: str) -> Callable[[str], Answer | None]:
    def read(said: str) -> Answer | None:
        lines = said.splitlines()
        return Answer(*lines[1:]) if len(lines) == 4 and lines[0] == kind else None  # noqa: PLR2004 - what the probe prints

    return read


def _java(said: str) -> Answer | None:
    """`-XshowSettings:properties` prints the properties of the virtual machine, one a line."""
    found = dict(re.findall(r"^\s*(java\.(?:home|version)) = (.+)$", said, re.MULTILINE))
    if "java.version" not in found or "java.home" not in found:
        return None
    return Answer(found["java.version"], found["java.home"], f"{found['java.home']}/bin/java")


LANGUAGES: Mapping[str, Language] = {
    "python": Language(
        title="python",
        executable="python{v}",
        probe=("-I", "-S", "-c", _PYTHON_PROBE),
        read=_three_lines("CPython"),
        install="Install it with `uv python install {v}` or your package manager.",
        managed=(
            ".local/share/uv/python/cpython-{v}*/bin/python{v}",
            ".asdf/installs/python/{v}*/bin/python{v}",
            ".local/share/mise/installs/python/{v}*/bin/python{v}",
        ),
        pyenv=True,
    ),
    "nodejs": Language(
        title="Node.js ",
        executable="node",
        probe=("-e", _NODE_PROBE),
        read=_three_lines("Node.js"),
        install="Install it with `nvm install {v}` or your package manager.",
        managed=(
            ".nvm/versions/node/v{v}.*/bin/node",
            ".local/share/fnm/node-versions/v{v}.*/installation/bin/node",
            ".fnm/node-versions/v{v}.*/installation/bin/node",
            ".volta/tools/image/node/{v}.*/bin/node",
            ".asdf/installs/nodejs/{v}.*/bin/node",
            ".local/share/mise/installs/node/{v}*/bin/node",
        ),
        system=("usr/local/lib/node_modules/node*/bin/node",),
    ),
    "java": Language(
        title="A Java development kit ",
        executable="java",
        probe=("-XshowSettings:properties", "-version"),
        read=_java,
        install="Install it with your package manager (Debian: openjdk-{v}-jdk-headless) or `sdk install java`.",
        managed=(
            ".sdkman/candidates/java/{v}*/bin/java",
            ".asdf/installs/java/*{v}*/bin/java",
            ".local/share/mise/installs/java/*{v}*/bin/java",
        ),
        system=("usr/lib/jvm/*{v}*/bin/java", "usr/java/*{v}*/bin/java", "opt/java/*{v}*/bin/java"),
    ),
}
