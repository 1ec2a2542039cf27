"""`bulb logs`: a function's log, once or as it grows."""

import json
import time
from collections.abc import Iterator
from typing import Any

import click

from bulb.cli.client import aws, endpoint_option
from bulb.core.clock import iso_millis
from bulb.core.errors import BulbError

_POLL_S = 0.5
_REMEMBERED = 10_000
_PLATFORM = ("START ", "END ", "REPORT ", "INIT_")


@click.command("logs")
@click.argument("function")
@click.option("--follow", "-f", is_flag=True, help="Keep printing what comes, until interrupted.")
@click.option("--since", type=float, default=3600.0, show_default=True, help="Seconds to look back.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a line, as FilterLogEvents has it.")
@endpoint_option
def command(function: str, follow: bool, since: float, as_json: bool, endpoint: str | None) -> None:
    """Print the log of FUNCTION (or of a log group whose name begins with /)."""
    group = function if function.startswith("/") else f"/aws/lambda/{function}"
    start = int((time.time() - since) * 1000)
    with aws("logs", endpoint) as client:
        try:
            for event in _follow(client, group, start) if follow else _once(client, group, start):
                click.echo(json.dumps(event) if as_json else _line(event))
        except KeyboardInterrupt:
            # How everybody ends --follow: nothing went wrong, so nothing is said.
            raise SystemExit(130) from None


def _once(client: Any, group: str, start: int) -> Iterator[dict[str, Any]]:
    try:
        yield from _events(client, group, start)
    except client.exceptions.ResourceNotFoundException as error:
        raise BulbError(f"there is no log group {group}: the function has not run yet, or has another name") from error


def _follow(client: Any, group: str, start: int) -> Iterator[dict[str, Any]]:
    """What is there and whatever comes; a group that does not exist yet is waited for."""
    seen: set[str] = set()
    while True:
        try:
            for event in _events(client, group, start):
                if event["eventId"] not in seen:
                    seen.add(event["eventId"])
                    yield event
            # Late lines carry older times: look again at the last minute, and forget what lies before it.
            horizon = int((time.time() - 60) * 1000)
            if horizon > start and len(seen) > _REMEMBERED:
                start = horizon
                seen.intersection_update([event["eventId"] for event in _events(client, group, start)])
        except client.exceptions.ResourceNotFoundException:
            pass
        time.sleep(_POLL_S)


def _events(client: Any, group: str, start: int) -> Iterator[dict[str, Any]]:
    for found in client.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=start):
        yield from found["events"]


def _line(event: dict[str, Any]) -> str:
    message = event["message"].rstrip("\n")
    colour = "bright_black" if message.startswith(_PLATFORM) else None
    return click.style(iso_millis(event["timestamp"] / 1000), fg="cyan") + " " + click.style(message, fg=colour)
