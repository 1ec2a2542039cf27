"""`bulb runtimes`: which runtimes run on this machine, and how to get the others. Needs no server."""

import asyncio
import json
import tempfile
from pathlib import Path

import click

from bulb import config
from bulb.runtimes.catalogue import RUNTIMES, State
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
        runs = isinstance(each, Interpreter)
        mark = click.style("yes", fg="green") if runs else click.style("no ", fg="red")
        click.echo(f"{each.runtime:<17}{mark}  {_detail(each)}")


async def _look() -> list[Interpreter | Missing]:
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
        wanted = (runtime for runtime in RUNTIMES.values() if runtime.state is not State.DEPRECATED)
        return [await interpreters.find(runtime) for runtime in wanted]


def _detail(found: Interpreter | Missing) -> str:
    return f"{found.executable} ({found.version})" if isinstance(found, Interpreter) else str(found)


def _document(found: Interpreter | Missing) -> dict[str, object]:
    if isinstance(found, Missing):
        return {"runtime": found.runtime, "runs": False, "reason": found.reason, "how": found.how}
    return {
        "runtime": found.runtime,
        "runs": True,
        "executable": str(found.executable),
        "version": found.version,
    }
