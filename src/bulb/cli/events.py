"""`bulb events`: which events came in, what they triggered and how it ended, once or as it happens."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import click

from bulb.cli.client import endpoint_option, page
from bulb.core.clock import iso_millis
from bulb.core.errors import BulbError
from bulb.core.texts import printable

_WAIT_S, _SECOND_MS = 5, 1_000
_COLOURS = {"succeeded": "green", "delivered": "green", "retrying": "yellow", "waiting": "yellow", "filtered": None}
_TROUBLE = ("retrying", "failed", "dead-lettered", "dropped")


@click.command("events")
@click.option("--follow", "-f", is_flag=True, help="Keep printing what happens, until interrupted.")
@click.option("--since", type=float, default=3600.0, show_default=True, help="Seconds to look back.")
@click.option("--source", help="Only what came from here: a name (s3:inbox, rule:nightly), an ARN, or part of one.")
@click.option("--target", help="Only what went there: a name (lambda:shout, sqs:orders), an ARN, or part of one.")
@click.option("--failed", is_flag=True, help="Only what failed, for good or so far.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=1_000, show_default=True, help="The last so many.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a line.")
@endpoint_option
def command(
    follow: bool,
    since: float,
    source: str | None,
    target: str | None,
    failed: bool,
    limit: int,
    as_json: bool,
    endpoint: str | None,
) -> None:
    """Print events that came in: from where, to where, and how each ended.

    An event is what one service sent to another, an asynchronous invocation, or a batch that a function got from a
    queue. With --follow it is printed again whenever something more became of it.
    """
    wanted = [(name, text) for name, text in (("source", source), ("target", target)) if text]
    wanted += [("status", status) for status in _TROUBLE if failed]
    first = [*wanted, ("since", f"{max(time.time() - since, 0):.6f}"), ("limit", str(limit))]
    try:
        found = _page(first, endpoint)
        if found["more"]:
            click.echo(f"there were more: these are the last {limit:,} (--limit, --since)", err=True)
        for event in [*found["events"]] if not follow else _followed(found, wanted, endpoint):
            click.echo(json.dumps(event) if as_json else line(event))
    except KeyboardInterrupt:
        # How everybody ends --follow: nothing went wrong, so nothing is said.
        raise SystemExit(130) from None


def _followed(found: dict[str, Any], wanted: list[tuple[str, str]], endpoint: str | None) -> Iterator[dict[str, Any]]:
    missing = found["missing"]
    while True:
        yield from found["events"]
        if found["missing"] > missing:
            missing = found["missing"]
            click.echo(f"more happened than the journal could take down: {missing:,} changes are missing", err=True)
        found = _page([*wanted, ("after", str(found["cursor"])), ("wait", str(_WAIT_S))], endpoint)


def _page(asked: list[tuple[str, str]], endpoint: str | None) -> dict[str, Any]:
    found: dict[str, Any] = page("/_bulb/events?" + urlencode(asked), endpoint, wait_s=_WAIT_S)
    if not found["days"]:
        raise BulbError("this server keeps no journal of events: it was started with --journal-days 0")
    return found


def line(event: dict[str, Any]) -> str:
    """An event as one line: when it came, from where, what, to where, and how it stands."""
    came = printable(" ".join(filter(None, (event["source"] or "invoke", event["about"]))))
    colour = _COLOURS.get(event["status"], "red")
    return (
        f"{click.style(iso_millis(event['at']), fg='cyan')}  {came} → {event['target']}  "
        f"{click.style(_ending(event), fg=colour)}"
    )


def _ending(event: dict[str, Any]) -> str:
    parts = [_STANDING[event["status"]](event)]
    for told in event["told"]:
        how = "dead-lettered to" if told["kind"] == "DeadLetter" else f"{told['kind']}: sent to"
        parts.append(f"{how} {told['target']}")
    return "; ".join(parts)


def _trouble(event: dict[str, Any]) -> str:
    """` ValueError: no good after 3 attempts`, as much of it as is known."""
    what = ": ".join(filter(None, (event["code"], event["message"]))).replace("\n", " ").removesuffix(".")
    return (f" {printable(what)}" if what else "") + _attempts(event)


def _attempts(event: dict[str, Any]) -> str:
    return f" after {event['attempts']} attempts" if event["attempts"] > 1 else ""


def _duration(event: dict[str, Any]) -> str:
    took = event["duration_ms"]
    if took is None:
        return ""
    if took >= _SECOND_MS:
        return f" in {took / _SECOND_MS:,.1f} s"
    return f" in {took:.0f} ms" if took >= 1 else f" in {took:.1f} ms"


def _retrying(event: dict[str, Any]) -> str:
    next_at = event["next_at"]
    return f"failed{_trouble(event)}" + ("" if next_at is None else f"; again at {iso_millis(next_at)[11:19]}")


_STANDING: dict[str, Callable[[dict[str, Any]], str]] = {
    "waiting": lambda event: "waiting",
    "retrying": _retrying,
    "delivered": lambda event: f"delivered{_attempts(event)}",
    "succeeded": lambda event: f"succeeded{_duration(event)}{_attempts(event)}",
    "failed": lambda event: f"failed{_trouble(event)}",
    "dead-lettered": lambda event: f"not delivered:{_trouble(event)}",
    "dropped": lambda event: f"dropped:{_trouble(event)}",
    "filtered": lambda event: "filtered out",
}
