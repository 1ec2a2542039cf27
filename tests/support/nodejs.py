"""The Node.js of this machine, as a runtime."""

import shutil
import subprocess


def runtime() -> str | None:
    """The identifier of the runtime that the installed Node.js is, None where there is none of use."""
    node = shutil.which("node")
    if node is None:
        return None
    major = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout[1:].split(".")[0]
    return f"nodejs{major}.x" if major in {"20", "22", "24"} else None
