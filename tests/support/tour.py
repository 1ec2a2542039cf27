"""The README's tour as a script: what a reader would put into files and type, in that order."""

import re
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
_FILE = re.compile(r"`(\w[\w.]*)`")


def script(endpoint: str, runtime: str) -> str:
    """For bash. `endpoint` is the server's URL, `runtime` replaces the one a reader may replace."""
    section = README.read_text().partition("\n## A tour\n")[2].partition("\n## ")[0]
    parts, said, code = ["set -e -o pipefail"], "", None
    for line in section.splitlines():
        if line.startswith("```"):
            if code is None:
                code = []
                continue
            name = _FILE.findall(said.rpartition(" in ")[2])[0]
            parts.append("\n".join([f"cat > {name} << '.'", *code, "."]))
            code, said = None, ""
        elif code is not None:
            code.append(line)
        elif line.startswith("    "):
            parts.append(line[4:])
        else:
            said += line + " "
    commands = "\n".join(parts)
    changes = {
        "bulb up\n": "",
        "bulb env)": f"bulb env --endpoint {endpoint})",
        "RUNTIME=python3.11": f"RUNTIME={runtime}",
    }
    for written, replaced in changes.items():
        if commands.count(written) != 1:
            raise AssertionError(f"the tour does not have {written!r} once")
        commands = commands.replace(written, replaced)
    return commands
