"""`bulb env`: shell exports for any SDK."""

import shlex

import click

from bulb.core.ids import ACCOUNT_ID, DEFAULT_ACCOUNT

# Not from client.py: that imports boto3, and these exports need nothing.
DEFAULT_ENDPOINT = "http://127.0.0.1:4566"

# Version 1 of the AWS CLI overrides AWS_ENDPOINT_URL with `queue.amazonaws.com` for SQS, in every region it knows,
# unless it is told the endpoint as an option. One line, in words that sh, bash and zsh share.
AWS_FUNCTION = (
    'aws() { case " $* " in *" sqs "*) command aws ${AWS_ENDPOINT_URL:+"--endpoint-url=$AWS_ENDPOINT_URL"} "$@" ;; '
    '*) command aws "$@" ;; esac; }'
)


@click.command("env")
@click.option("--endpoint", default=DEFAULT_ENDPOINT, show_default=True, help="The server's URL.")
@click.option("--account", default=DEFAULT_ACCOUNT, show_default=True, help="The account to act as (12 digits).")
@click.option("--region", default="us-east-1", show_default=True)
@click.option("--shell", envvar="SHELL", default="sh", help="The shell this is for; fish gets the exports alone.")
def command(endpoint: str, account: str, region: str, shell: str) -> None:
    """Shell exports that point any AWS SDK at a server: eval "$(bulb env)".

    And a function around `aws`, for version 1 of the AWS CLI sends what is for SQS elsewhere without it.
    """
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
    if not shell.endswith("fish"):
        click.echo(AWS_FUNCTION)
