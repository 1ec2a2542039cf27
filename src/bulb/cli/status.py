"""`bulb status`: rung, interpreters, durability, live environments."""

import json
from typing import Any

import click

from bulb.cli.client import endpoint_option, page


@click.command("status")
@endpoint_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(endpoint: str | None, as_json: bool) -> None:
    """What a running server is and can do."""
    status = page("/_bulb/status", endpoint)
    if as_json:
        click.echo(json.dumps(status, indent=2))
        return
    _print(status)


def _print(status: dict[str, Any]) -> None:
    isolation, environments = status["isolation"], status["environments"]
    colour = {"full": "green", "userns": "yellow"}.get(isolation["rung"], "red")
    click.echo(f"version       {status['version']}")
    click.echo("isolation     " + click.style(isolation["rung"], fg=colour, bold=True))
    for lack in isolation["lacks"]:
        click.echo(f"              without {lack}")
    click.echo(f"egress        {isolation['egress']}")
    durable = "durable" if status["storage"]["durable"] else "not durable"
    click.echo(f"storage       {status['storage']['engine']}, {durable}, {status['storage']['location']}")
    counts = ", ".join(f"{number} {state}" for state, number in environments["states"].items()) or "none"
    click.echo(f"environments  {counts}; {environments['stock']} blank in stock; room for {environments['capacity']}")
    for runtime in status["runtimes"]:
        mark = click.style("yes", fg="green") if runtime["runs"] else click.style("no ", fg="red")
        click.echo(f"runtime       {runtime['name']:<14}{mark}  {runtime['detail']}")
