"""`bulb invoke`: run a function once."""

import base64
import sys
from typing import Any

import click

from bulb.cli.client import aws, endpoint_option

# The longest a function may run, and a little for its start.
_LONGEST_S = 910


@click.command("invoke")
@click.argument("function")
@click.argument("payload", default="{}")
@click.option("--qualifier", help="A version or an alias instead of $LATEST.")
@click.option("--async", "--event", "event", is_flag=True, help="Return as soon as the event is accepted.")
@click.option("--stream", is_flag=True, help="Print the answer while the function still makes it.")
@click.option("--tail", "--log", "tail", is_flag=True, help="Print the end of the log on standard error.")
@endpoint_option
def command(
    function: str, payload: str, qualifier: str | None, event: bool, stream: bool, tail: bool, endpoint: str | None
) -> None:
    """Invoke FUNCTION (a name or an ARN) with PAYLOAD (JSON, or - for standard input) and print its answer.

    Exits with 1 when the function failed; its error document is printed all the same.
    """
    if event and (stream or tail):
        raise click.UsageError("An asynchronous invocation has neither an answer to stream nor a log to show yet.")
    body = sys.stdin.buffer.read() if payload == "-" else payload.encode()
    request: dict[str, Any] = {"FunctionName": function, "Payload": body}
    if qualifier is not None:
        request["Qualifier"] = qualifier
    if tail:
        request["LogType"] = "Tail"
    with aws("lambda", endpoint, read_timeout=_LONGEST_S) as client:
        if event:
            answer = client.invoke(**request, InvocationType="Event")
            click.echo(f"accepted as {answer['ResponseMetadata']['RequestId']}", err=True)
            return
        failed = _streamed(client, request) if stream else _buffered(client, request)
    if failed:
        raise SystemExit(1)


def _buffered(client: Any, request: dict[str, Any]) -> bool:
    """Print the answer when it is there; whether the function failed."""
    answer = client.invoke(**request)
    document = answer["Payload"].read()
    _show_log(answer)
    click.echo(document.decode(errors="replace"))
    return bool(answer.get("FunctionError"))


def _streamed(client: Any, request: dict[str, Any]) -> bool:
    """Print the answer as it comes, byte for byte; whether the function failed."""
    complete: dict[str, Any] = {}
    for item in client.invoke_with_response_stream(**request)["EventStream"]:
        if "PayloadChunk" in item:
            click.echo(item["PayloadChunk"]["Payload"], nl=False)
        complete = item.get("InvokeComplete", complete)
    _show_log(complete)
    if "ErrorCode" in complete:
        click.echo(complete.get("ErrorDetails") or complete["ErrorCode"])
    return "ErrorCode" in complete


def _show_log(answer: dict[str, Any]) -> None:
    if "LogResult" in answer:
        click.echo(base64.b64decode(answer["LogResult"]).decode(errors="replace"), err=True, nl=False)
