"""`bulb bill`: what the functions would have cost at list price."""

import json
from typing import Any

import click

from bulb.cli.client import endpoint_option, page

# Parts of the price that come neither from requests nor from GB-seconds on demand: told when there are any.
_FURTHER = {
    "ephemeral_usd": "of it /tmp",
    "provisioned_usd": "of it provisioned",
    "streamed_usd": "of it streaming",
    "snap_start_usd": "of it SnapStart",
}


@click.command("bill")
@endpoint_option
@click.option("--account", help="Only this account.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(endpoint: str | None, account: str | None, as_json: bool) -> None:
    """Requests, GB-seconds and list price per function."""
    statement = page("/_bulb/bill" + (f"?account={account}" if account else ""), endpoint)
    if as_json:
        click.echo(json.dumps(statement, indent=2))
        return
    print_statement(statement)


def print_statement(statement: dict[str, Any]) -> None:
    """The statement as a table."""
    lines = statement["lines"]
    sums = {what: sum(line[name] for line in lines) for name, what in _FURTHER.items()}
    further = {what: amount for what, amount in sums.items() if amount}
    width = max([len("function"), *map(len, further), *(len(line["function"]) for line in lines)])
    click.echo(f"{'function':<{width}}  {'requests':>10}  {'GB-seconds':>14}  {'list price':>16}")
    for line in lines:
        price = f"${line['price_usd']:>15.10f}"
        click.echo(f"{line['function']:<{width}}  {line['requests']:>10}  {line['gb_seconds']:>14.6f}  {price}")
    for what, amount in further.items():
        click.echo(f"{what:<{width}}  {'':>10}  {'':>14}  ${amount:>15.10f}")
    click.echo(f"{'total':<{width}}  {'':>10}  {'':>14}  ${statement['total_usd']:>15.10f}")
