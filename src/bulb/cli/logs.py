"""`bulb logs`: a function's log, once or as it grows."""

import time
from collections.abc import Iterator
from typing import Any

import click

from bulb.cli.client import aws, endpoint_option
from bulb.core.clock import iso_millis

_POLL_S = 0.5
_REMEMBERED = 10_000


@click.command("logs")
@click.argument("function")
@click.option("--follow", "-f", is_flag=True, help="Keep printing what comes, until interrupted.")
@click.option("--since", type=float, default=3600.0, show_default=True, help="Seconds to look back.")
@endpoint_option
def command(function: str, follow: bool, since: float, endpoint: str | None) -> None:
    """Print the log of FUNCTION (or of a log group whose name begins with /)."""
    group = function if function.startswith("/") else f"/aws/lambda/{function}"
    client = aws("logs", endpoint)
    start = int((time.time() - since) * 1000)
    seen: set[str] = set()
    while True:
        try:
            for event in _events(client, group, start):
                if event["eventId"] not in seen:
                    seen.add(event["eventId"])
                    _print(event)
        except client.exceptions.ResourceNotFoundException as error:
            if not follow:
                raise click.ClickException(f"there is no log group {group}") from error
        if not follow:
            return
        # Late lines carry older times: look again at the last minute, and forget what lies before it.
        horizon = int((time.time() - 60) * 1000)
        if horizon > start and len(seen) > _REMEMBERED:
            start = horizon
            seen = {event["eventId"] for event in _events(client, group, start)}
        time.sleep(_POLL_S)


def _events(client: Any, group: str, start: int) -> Iterator[dict[str, Any]]:
    for found in client.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=start):
        yield from found["events"]


def _print(event: dict[str, Any]) -> None:
    message = event["message"].rstrip("\n")
    colour = "bright_black" if message.startswith(("START ", "END ", "REPORT ", "INIT_")) else None
    click.echo(click.style(iso_millis(event["timestamp"] / 1000), fg="cyan") + " " + click.style(message, fg=colour))
