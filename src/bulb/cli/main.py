"""The command line. Each command's module is imported when it runs: `bulb up` must not pay for boto3."""

import importlib
from typing import Any

import click

from bulb import __version__
from bulb.core.errors import BulbError

_COMMANDS = {
    "up": "Run a server until it is told to stop.",
    "status": "What a running server is and can do.",
    "runtimes": "Which runtimes run on this machine, and how to get the others.",
    "env": "Shell exports that point any AWS SDK at a server.",
    "demo": "Upload a picture to a throw-away server and watch it become three thumbnails.",
    "invoke": "Invoke a function and print its answer.",
    "logs": "Print a function's log.",
    "events": "Which events came in, what they triggered and how it ended.",
    "dlq": "Dead letters: list, show, send back.",
    "bill": "What each function would have cost at list price.",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"bulb.cli.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BulbError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bulb")
def main() -> None:
    """AWS Lambda on machines you own: isolated, durable, fast, and without Docker."""
