"""`bulb env`: shell exports for any SDK."""

import shlex

import click

from bulb.cli.client import DEFAULT_ENDPOINT, endpoint_option


@click.command("env")
@endpoint_option
@click.option("--account", default="000000000000", show_default=True, help="The account to act as (12 digits).")
@click.option("--region", default="us-east-1", show_default=True)
def command(endpoint: str | None, account: str, region: str) -> None:
    """Shell exports that point any AWS SDK at a server: eval "$(bulb env)"."""
    if not (len(account) == 12 and account.isdecimal()):
        raise click.BadParameter("an account is 12 digits", param_hint="--account")
    exports = {
        "AWS_ENDPOINT_URL": (endpoint or DEFAULT_ENDPOINT).rstrip("/"),
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "bulb",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
    }
    for name, value in exports.items():
        click.echo(f"export {name}={shlex.quote(value)}")
