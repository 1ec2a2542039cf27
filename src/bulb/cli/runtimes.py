"""`bulb runtimes`: which runtimes run on this machine, and how to get the others. Needs no server."""

import asyncio
import json
import tempfile
from pathlib import Path

import click

from bulb import config
from bulb.runtimes.catalogue import CURRENT, Runtime
from bulb.runtimes.interpreters import Interpreter, Interpreters, Missing


@click.command("runtimes")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """Which runtimes run on this machine, and how to get the others.

    Looks where a server started here would look, with the same BULB_INTERPRETER_* settings.
    """
    found = asyncio.run(_look())
    if as_json:
        click.echo(json.dumps([_document(each) for each in found], indent=2))
        return
    for each in found:
        name, runs, detail = _line(each)
        mark = click.style("yes", fg="green") if runs else click.style("no ", fg="red")
        click.echo(f"{name:<17}{mark}  {detail}")


async def _look() -> list[Interpreter | Missing | Runtime]:
    """What each runtime has; one of the family `provided` is its own answer, since it needs nothing."""
    chosen = config.load({})
    around = chosen.surroundings
    with tempfile.TemporaryDirectory() as nothing_remembered:
        interpreters = Interpreters(
            chosen.data if chosen.data.is_dir() else Path(nothing_remembered),
            overrides={name: Path(path) for name, path in chosen.interpreters.items()},
            path=around.path,
            home=around.home,
            pyenv_root=around.pyenv,
        )
        return [each if each.family == "provided" else await interpreters.find(each) for each in CURRENT]


def _document(found: Interpreter | Missing | Runtime) -> dict[str, object]:
    match found:
        case Missing():
            return {"runtime": found.runtime, "runs": False, "reason": found.reason, "how": found.how}
        case Interpreter():
            return {
                "runtime": found.runtime,
                "runs": True,
                "executable": str(found.executable),
                "version": found.version,
            }
        case Runtime():
            return {"runtime": found.identifier, "runs": True}


def _line(found: Interpreter | Missing | Runtime) -> tuple[str, bool, str]:
    match found:
        case Missing():
            return found.runtime, False, str(found)
        case Interpreter():
            return found.runtime, True, f"{found.executable} ({found.version})"
        case Runtime():
            return found.identifier, True, "whatever the function packs as bootstrap"
