"""`bulb env`: shell exports for any SDK."""

import shlex

import click

from bulb.core.ids import ACCOUNT_ID, DEFAULT_ACCOUNT

# Not from client.py: that imports boto3, and these exports need nothing.
DEFAULT_ENDPOINT = "http://127.0.0.1:4566"


@click.command("env")
@click.option("--endpoint", default=DEFAULT_ENDPOINT, show_default=True, help="The server's URL.")
@click.option("--account", default=DEFAULT_ACCOUNT, show_default=True, help="The account to act as (12 digits).")
@click.option("--region", default="us-east-1", show_default=True)
def command(endpoint: str, account: str, region: str) -> None:
    """Shell exports that point any AWS SDK at a server: eval "$(bulb env)"."""
    if not ACCOUNT_ID.match(account):
        raise click.BadParameter("an account is 12 digits", param_hint="--account")
    exports = {
        "AWS_ENDPOINT_URL": endpoint.rstrip("/"),
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "bulb",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
    }
    for name, value in exports.items():
        click.echo(f"export {name}={shlex.quote(value)}")
