"""`bulb invoke`: run a function once."""

import base64
import sys

import click

from bulb.cli.client import aws, endpoint_option

# The longest a function may run, and a little for its start.
_LONGEST_S = 910


@click.command("invoke")
@click.argument("function")
@click.argument("payload", default="{}")
@click.option("--event", is_flag=True, help="Asynchronously: return as soon as the event is accepted.")
@click.option("--log", is_flag=True, help="Print the end of the invocation's log on standard error.")
@endpoint_option
def command(function: str, payload: str, event: bool, log: bool, endpoint: str | None) -> None:
    """Invoke FUNCTION (a name or an ARN) with PAYLOAD (JSON, or - for standard input) and print its answer.

    Exits with 1 when the function failed; its error document is printed all the same.
    """
    body = sys.stdin.buffer.read() if payload == "-" else payload.encode()
    request = {"FunctionName": function, "Payload": body, "InvocationType": "Event" if event else "RequestResponse"}
    if log and not event:
        request["LogType"] = "Tail"
    with aws("lambda", endpoint, read_timeout=_LONGEST_S) as client:
        answer = client.invoke(**request)
        document = answer["Payload"].read()
    if "LogResult" in answer:
        click.echo(base64.b64decode(answer["LogResult"]).decode(errors="replace"), err=True, nl=False)
    if event:
        click.echo(f"accepted as {answer['ResponseMetadata']['RequestId']}", err=True)
        return
    click.echo(document.decode(errors="replace"))
    if answer.get("FunctionError"):
        raise SystemExit(1)
