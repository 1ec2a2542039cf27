"""`bulb env`: shell exports for any SDK."""

import shlex

import click

from bulb.config import chosen_region, chosen_url
from bulb.core.ids import ACCOUNT_ID, DEFAULT_ACCOUNT

# Version 1 of the AWS CLI overrides AWS_ENDPOINT_URL with `queue.amazonaws.com` for SQS, in every region it knows,
# unless it is told the endpoint as an option. One line, in words that sh, bash and zsh share.
AWS_FUNCTION = (
    'aws() { case " $* " in *" sqs "*) command aws ${AWS_ENDPOINT_URL:+"--endpoint-url=$AWS_ENDPOINT_URL"} "$@" ;; '
    '*) command aws "$@" ;; esac; }'
)


@click.command("env")
@click.option(
    "--endpoint", help="The server's URL.  [default: http://127.0.0.1:4566, or where $BULB_HOST and $BULB_PORT put it]"
)
@click.option("--account", default=DEFAULT_ACCOUNT, show_default=True, help="The account to act as (12 digits).")
@click.option("--region", help="The region to act in.  [default: $BULB_REGION or us-east-1]")
@click.option("--shell", envvar="SHELL", default="sh", help="The shell this is for; fish gets the exports alone.")
def command(endpoint: str | None, account: str, region: str | None, shell: str) -> None:
    """Shell exports that point any AWS SDK at a server: eval "$(bulb env)".

    And a function around `aws`, for version 1 of the AWS CLI sends what is for SQS elsewhere without it.
    """
    if not ACCOUNT_ID.match(account):
        raise click.BadParameter("an account is 12 digits", param_hint="--account")
    chosen = region or chosen_region()
    exports = {
        "AWS_ENDPOINT_URL": (endpoint or chosen_url()).rstrip("/"),
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "bulb",
        "AWS_REGION": chosen,
        "AWS_DEFAULT_REGION": chosen,
    }
    for name, value in exports.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    if not shell.endswith("fish"):
        click.echo(AWS_FUNCTION)
