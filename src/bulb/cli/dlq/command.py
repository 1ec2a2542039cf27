"""`bulb dlq list`, `show` and `redrive`."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import quote

import click

from bulb.cli.client import endpoint_option, page
from bulb.cli.dlq import moving, owners, routes
from bulb.cli.dlq.owners import Owner, Services
from bulb.core.arn import parse_arn
from bulb.core.clock import iso_millis
from bulb.core.errors import BulbError
from bulb.core.texts import printable
from bulb.telemetry.happenings import label

_KINDS = {
    "queue": "",
    "function": "",
    "destination": " (OnFailure)",
    "subscription": " (subscription)",
    "rule": "",
    "schedule": "",
}
# What of a message says why it is here, in the order in which it is read best.
_REASONS = (
    "DeadLetterQueueSourceArn",
    "RULE_ARN",
    "SCHEDULE_ARN",
    "TARGET_ARN",
    "ERROR_CODE",
    "ERROR_MESSAGE",
    "EXHAUSTED_RETRY_CONDITION",
    "RETRY_ATTEMPTS",
    "ErrorCode",
    "ErrorMessage",
    "RequestID",
)


@click.group("dlq")
def command() -> None:
    """Dead letters: what could not be delivered or processed."""


@command.command("list", short_help="Every dead-letter queue: how full, how old and whose it is.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@endpoint_option
def list_(as_json: bool, endpoint: str | None) -> None:
    """Every dead-letter queue: how many messages, how old, and whose it is."""
    with _services(endpoint) as services:
        found = owners.find(services)
    queues = [_about(arn, whose, endpoint) for arn, whose in found.items()]
    if as_json:
        click.echo(json.dumps(queues, indent=2))
    elif not queues:
        click.echo("nobody has a dead-letter queue")
    else:
        _print_table(queues)


@command.command("show", short_help="Print the messages of QUEUE.")
@click.argument("queue")
@click.option("--limit", type=click.IntRange(1, 1_000), default=100, show_default=True, help="The oldest so many.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a line.")
@endpoint_option
def show(queue: str, limit: int, as_json: bool, endpoint: str | None) -> None:
    """Print the messages of QUEUE (a name, a URL or an ARN), oldest first.

    Nothing is received: they stay as they are, and nobody else is kept from them.
    """
    with _services(endpoint) as services:
        arn, _ = _resolved(services, queue)
    found = _queue_page(arn, limit, endpoint)
    for message in found["shown"]:
        click.echo(json.dumps(message) if as_json else _shown(message))
    rest = sum(found["messages"].values()) - len(found["shown"])
    if rest > 0:
        click.echo(f"and {rest:,} more (--limit)", err=True)


@command.command("redrive")
@click.argument("queue")
@click.option("--to", metavar="ARN", help="A function, queue, topic or event bus instead of where each came from.")
@endpoint_option
def redrive(queue: str, to: str | None, endpoint: str | None) -> None:
    """Send the messages of QUEUE back to where they came from.

    What queues put there is moved to them, what functions could not do is given to them once more, what topics, rules
    and schedules could not deliver goes to its target. A message is deleted when it has been accepted. Exits with 1
    when some had to stay.
    """
    if to is not None:
        routes.check_target(to)
    try:
        moved = _redriven(queue, to, endpoint)
    except KeyboardInterrupt:
        click.echo(
            "interrupted: what was sent is gone from the queue, what was received is there again within two minutes; "
            "a move from queue to queue goes on in the server",
            err=True,
        )
        raise SystemExit(130) from None
    _print_moved(moved)


def _redriven(queue: str, to: str | None, endpoint: str | None) -> moving.Moved:
    with _services(endpoint) as services:
        arn, url = _resolved(services, queue)
        whose = owners.find(services).get(arn, ())
        if whose and all(owner.kind == "queue" for owner in whose) and (to is None or label(to).startswith("sqs:")):
            place = label(to or whose[0].arn) if to or len(whose) == 1 else "where they came from"
            return moving.by_task(services, arn, to, place, _progress)
        if to is not None:
            return moving.one_by_one(services, url, lambda message: routes.to(to, message), _progress)
        if not whose:
            raise BulbError(f"{label(arn)} is nobody's dead-letter queue: say --to where its messages are to go")
        return moving.one_by_one(services, url, lambda message: routes.back(message, whose), _progress)


@contextmanager
def _services(endpoint: str | None) -> Iterator[Services]:
    with ExitStack() as stack:
        yield Services(stack, endpoint)


def _resolved(services: Services, queue: str) -> tuple[str, str]:
    """ARN and URL of a queue. Raises BulbError when there is none."""
    sqs, parsed = services["sqs"], parse_arn(queue)
    try:
        if parsed is not None:
            asked = {"QueueName": parsed.resource, "QueueOwnerAWSAccountId": parsed.account}
            return queue, sqs.get_queue_url(**asked)["QueueUrl"]
        url = queue if "/" in queue else sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"], url
    except sqs.exceptions.QueueDoesNotExist as error:
        raise BulbError(f"there is no queue {queue}: bulb dlq list names those that hold dead letters") from error


def _queue_page(arn: str, limit: int, endpoint: str | None) -> dict[str, Any]:
    found: dict[str, Any] = page(f"/_bulb/queues?limit={limit}&queue={quote(arn, safe='')}", endpoint, sign_for="sqs")
    return found


def _about(arn: str, whose: Sequence[Owner], endpoint: str | None) -> dict[str, Any]:
    try:
        found = _queue_page(arn, 0, endpoint)
        messages, oldest_at = sum(found["messages"].values()), found["oldest_at"]
    except BulbError:
        messages, oldest_at = None, None  # it was deleted, and whoever names it does not know yet
    return {
        "queue": label(arn).removeprefix("sqs:"),
        "queue_arn": arn,
        "messages": messages,
        "oldest_at": oldest_at,
        "of": [{"kind": owner.kind, "arn": owner.arn, "target": owner.target or None} for owner in whose],
    }


def _print_table(queues: Sequence[dict[str, Any]]) -> None:
    now = time.time()
    rows = [("queue", "messages", "oldest", "of")]
    for queue in queues:
        count = "gone" if queue["messages"] is None else str(queue["messages"])
        oldest = "" if queue["oldest_at"] is None else _age(now - queue["oldest_at"])
        whose = ", ".join(label(owner["arn"]) + _KINDS[owner["kind"]] for owner in queue["of"])
        rows.append((queue["queue"], count, oldest, whose))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        click.echo(f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}")


def _age(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _shown(message: dict[str, Any]) -> str:
    """A message: when it came and its id, why it is here, everything else it says, and its body."""
    system, attributes = message["attributes"], message["message_attributes"]
    said = {name: value.get("StringValue", "(binary)") for name, value in attributes.items()}
    if "DeadLetterQueueSourceArn" in system:
        said["DeadLetterQueueSourceArn"] = system["DeadLetterQueueSourceArn"]
    received = int(system["ApproximateReceiveCount"])
    head = click.style(iso_millis(message["sent_at"]), fg="cyan") + f"  {message['message_id']}"
    lines = [head + (f"  received {received:,} time{'s'[: received > 1]}" if received else "")]
    names = [name for name in _REASONS if name in said] + sorted(said.keys() - set(_REASONS))
    lines += [printable(f"  {name}: {said[name]}", keep="\n\t") for name in names]
    return "\n".join([*lines, printable(f"  {message['body']}", keep="\n\t")])


def _progress(moved: int, most: int) -> None:
    """One line that grows, for people; nothing for scripts."""
    if sys.stderr.isatty():
        click.echo(f"\r{moved:,} of {most:,}", err=True, nl=moved >= most)


def _print_moved(moved: moving.Moved) -> None:
    for place, count in sorted(moved.to.items()):
        click.echo(f"{count:,} to {place}")
    if not moved.to and not moved.stayed:
        click.echo("the queue has no messages to be received")
    for why, count in sorted(moved.stayed.items()):
        click.echo(f"{count:,} stayed: {why}", err=True)
    if moved.stayed:
        raise SystemExit(1)
