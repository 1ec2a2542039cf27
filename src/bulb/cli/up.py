"""`bulb up`: run a server. The only command that is not a client."""

import asyncio
import gc
import logging
import signal
import sys
from pathlib import Path
from typing import Any

import click
import uvloop

from bulb import config
from bulb.app import Bulb, open_bulb

# How long SIGTERM waits for invocations that are under way; a second signal does not wait.
DRAIN_S = 30.0


@click.command("up")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port; 0 takes a free one.  [default: 4566]")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that holds everything.  [default: ~/.local/share/bulb]",
)
@click.option(
    "--database",
    help="SQLAlchemy URL of a PostgreSQL database, in place of SQLite in the data folder.  [default: SQLite]",
)
@click.option(
    "--egress", type=click.Choice(["nat", "none"]), help="May functions reach the outside world?  [default: nat]"
)
@click.option(
    "--isolation",
    type=click.Choice(["best", "full", "userns", "plain"]),
    help="Insist on a rung of isolation; `best` takes the highest this machine allows.  [default: best]",
)
@click.option(
    "--credentials",
    type=click.Choice(["auto", "any", "required"]),
    help="Take any credentials, or only keys that were issued here and sign rightly (the first is in root-key.json in "
    "the data folder); `auto` takes any on loopback alone.  [default: auto]",
)
@click.option(
    "--policies",
    type=click.Choice(["stored", "enforced"]),
    help="Hold every call against IAM policies and those of resources, or only store them; `enforced` needs "
    "`--credentials required`.  [default: stored]",
)
@click.option("--region", help="Region of requests that carry no signature.  [default: us-east-1]")
@click.option(
    "--url-domain",
    help="Domain for function URLs, https://<id>.lambda-url.<region>.<domain>/, that a proxy in front of the server "
    "answers.  [default: localhost, without TLS]",
)
@click.option(
    "--url-permissions",
    type=click.Choice(["both", "one"]),
    help="Permissions a function URL asks for: `both`, or lambda:InvokeFunctionUrl as the only `one` as before October "
    "2025.  [default: both]",
)
@click.option("--stock", type=int, help="Blank environments kept ready per runtime.  [default: 2]")
@click.option("--idle", type=float, help="Seconds an idle environment is kept.  [default: 600]")
@click.option("--freeze-after", type=float, help="Seconds until an idle environment is frozen.  [default: 0.1]")
@click.option("--capacity", type=int, help="Most environments at once; 0 computes it from the machine.  [default: 0]")
@click.option(
    "--account-concurrency", type=int, help="Most invocations of an account at once in one region.  [default: 1000]"
)
@click.option(
    "--request-rate",
    type=float,
    help="Invocations a second for each unit of concurrency; 0 for no limit.  [default: 10]",
)
@click.option(
    "--scaling-rate",
    type=float,
    help="New environments of one function in ten seconds; 0 for no limit.  [default: 1000]",
)
@click.option(
    "--stream-bandwidth",
    type=float,
    help="MB a second of a streamed response after its first 6 MB; 0 for no limit.  [default: 2]",
)
@click.option(
    "--journal-days",
    type=float,
    help="Days that `bulb events` can look back, for 100,000 events at most; 0 keeps no journal.  [default: 7]",
)
@click.option(
    "--access-log/--no-access-log", default=None, help="One line per request on standard error.  [default: no]"
)
def command(**flags: Any) -> None:
    """Run a server until it is told to stop.

    Prints one line when it answers. Every option can also be given as an environment variable: --idle as BULB_IDLE.
    """
    chosen = config.load(flags)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)  # a migration is told of by us, in one line
    uvloop.run(_serve(chosen))


async def _serve(chosen: config.Config) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    bulb = await open_bulb(chosen)
    # What lives now lives as long as the server: garbage collections need not look at it again.
    gc.collect()
    gc.freeze()
    try:
        if bulb.warning:
            click.secho(f"Warning: {bulb.warning}", err=True, fg="yellow")
        click.echo(_ready_line(bulb))
        await stop.wait()
        stop.clear()
        drained = asyncio.create_task(bulb.drain(DRAIN_S))
        again = asyncio.create_task(stop.wait())
        await asyncio.wait((drained, again), return_when=asyncio.FIRST_COMPLETED)
        again.cancel()
    finally:
        await bulb.close()


def _ready_line(bulb: Bulb) -> str:
    return f"Bulb is lit: {bulb.url}  isolation: {bulb.isolation}  egress: {bulb.egress}  data: {bulb.config.data}"
