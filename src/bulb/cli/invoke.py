"""`bulb invoke`: run a function once."""

import base64
import sys

import click

from bulb.cli.client import aws, endpoint_option


@click.command("invoke")
@click.argument("function")
@click.argument("payload", default="{}")
@click.option("--qualifier", help="A version or an alias.")
@click.option("--event", is_flag=True, help="Asynchronously: return as soon as the event is accepted.")
@click.option("--log", is_flag=True, help="Print the end of the invocation's log on standard error.")
@endpoint_option
def command(function: str, payload: str, qualifier: str | None, event: bool, log: bool, endpoint: str | None) -> None:
    """Invoke FUNCTION with PAYLOAD (JSON, or - for standard input) and print its answer.

    Exits with 1 when the function failed.
    """
    body = sys.stdin.buffer.read() if payload == "-" else payload.encode()
    request = {"FunctionName": function, "Payload": body, "InvocationType": "Event" if event else "RequestResponse"}
    if qualifier:
        request["Qualifier"] = qualifier
    if log and not event:
        request["LogType"] = "Tail"
    client = aws("lambda", endpoint, read_timeout=910)
    try:
        answer = client.invoke(**request)
    except client.exceptions.ClientError as error:
        raise click.ClickException(str(error)) from error
    if "LogResult" in answer:
        click.echo(base64.b64decode(answer["LogResult"]).decode(errors="replace"), err=True, nl=False)
    if event:
        click.echo(f"accepted as {answer['ResponseMetadata']['RequestId']}", err=True)
        return
    click.echo(answer["Payload"].read().decode(errors="replace"))
    if answer.get("FunctionError"):
        raise SystemExit(1)
