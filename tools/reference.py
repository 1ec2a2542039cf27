"""Writes docs/coverage.md and docs/settings.md from where the truth is: the wired services and the command itself.

Run `python -m tools.reference` after adding an operation or a setting; a test compares.
"""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path

import click
from botocore import __version__ as botocore_version
from botocore import xform_name
from botocore.session import Session

from bulb.app import open_bulb
from bulb.cli import up
from bulb.config import load

DOCS = Path(__file__).resolve().parents[1] / "docs"

_COVERAGE = f"""# Operations

Which operations of AWS's service models (botocore {botocore_version}) Bulb has. Written by `python -m tools.reference`.

An operation that is not there answers status 501 with a modelled error that names it (`NotImplementedException`;
`NotImplemented` for S3), and so does any service that is not in the list. An operation that is there may still refuse
single options by name: each service's `DESIGN.md` says which.
"""

_SETTINGS = """# Settings

What `bulb up` takes, on the command line or as an environment variable; the command line wins. Written by
`python -m tools.reference`. An unknown `BULB_*` variable is refused, so that a misspelt setting is not silently off.

| Option | Variable | Default | |
|---|---|---|---|
"""

_INTERPRETERS = """
`BULB_INTERPRETER_<RUNTIME>` names the executable that runs a runtime, whatever its version:
`BULB_INTERPRETER_PYTHON3_12=/opt/python/bin/python3` for `python3.12`, `BULB_INTERPRETER_NODEJS22_X` for `nodejs22.x`.
Otherwise an interpreter of exactly the right version is looked for on `PATH` and where pyenv, nvm and uv put theirs.

**The other commands** ask the server at `--endpoint`, else at `AWS_ENDPOINT_URL` (`endpoint_url` of an AWS profile),
else where `BULB_HOST` and `BULB_PORT` put it, so a shell that exports those for `bulb up` need say no more. `bulb env`
exports that address, or `--endpoint`, and the region `--region`, else `BULB_REGION`. `bulb demo` has a server of its
own, which of all these takes the interpreters, `BULB_ISOLATION` and `BULB_EGRESS` alone.
"""


# Why Bulb does not have operations of Lambda, by a part of their names that they share.
WHY = {
    "CapacityProvider": "managed instances are EC2 instances of an account; Bulb has the machine it is on.",
    "FunctionScalingConfig": "it scales functions on managed instances. Here, reserved and provisioned concurrency do.",
    "DurableExecution": "Bulb keeps no checkpoints of functions, so none can be made durable.",
}

# What has to be known of the operations of a service that work.
NOTES = {
    "lambda": "Functions read from queues (SQS); `CreateEventSourceMapping` answers every other source with an error "
    "that names its service.\n",
}


def why(operation: str) -> str | None:
    """Why Lambda's operation is not here; None when no reason is given."""
    return next((reason for part, reason in WHY.items() if part in operation), None)


def coverage() -> str:
    """The page of operations."""
    services = asyncio.run(_services())
    parts = [_COVERAGE]
    for service in sorted(services):
        operations = Session().get_service_model(service).operation_names
        there = [name for name in operations if hasattr(services[service], xform_name(name))]
        missing = [name for name in operations if name not in there]
        parts.append(f"## {service}: {len(there)} of {len(operations)}\n")
        parts.append("Works: " + _listed(there))
        if service in NOTES:
            parts.append(NOTES[service])
        parts.append(_unsupported(missing, explained=service == "lambda"))
    return "\n".join(parts)


async def _services() -> Mapping[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        chosen = {"port": 0, "data": Path(folder) / "data", "isolation": "plain", "egress": "none", "stock": 0}
        bulb = await open_bulb(load(chosen, {}))
        await bulb.close()
        return bulb.services


def _unsupported(missing: list[str], *, explained: bool) -> str:
    if not missing:
        return "Nothing is missing.\n"
    reasons = dict.fromkeys(why(name) if explained else None for name in missing)
    if set(reasons) == {None}:
        return "Not supported: " + _listed(missing)
    lines = ["Not supported:\n"]
    for reason in reasons:
        names = _listed([name for name in missing if why(name) == reason]).rstrip(".\n")
        lines.append(f"- {names}: {reason or 'not built yet.'}")
    return "\n".join(lines) + "\n"


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) + ".\n"


def settings() -> str:
    """The page of settings."""
    options = [option for option in up.command.params if isinstance(option, click.Option)]
    return _SETTINGS + "".join(_row(option) for option in options) + _INTERPRETERS


def _row(option: click.Option) -> str:
    said, _, default = (option.help or "").partition("  [default: ")
    words = " / ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    if isinstance(option.type, click.Choice):
        said += " One of " + ", ".join(f"`{choice}`" for choice in option.type.choices) + "."
    return f"| {words} | `BULB_{(option.name or '').upper()}` | {default.removesuffix(']')} | {said} |\n"


def pages() -> dict[str, str]:
    """Every generated page by file name."""
    return {"coverage.md": coverage(), "settings.md": settings()}


if __name__ == "__main__":
    for name, text in pages().items():
        (DOCS / name).write_text(text)
