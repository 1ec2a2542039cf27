"""The demo, told step by step with a stock SDK."""

import io
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click

from bulb.cli.bill import print_statement
from bulb.cli.client import aws, page
from bulb.cli.demo import package, picture
from bulb.cli.demo.server import throw_away_server
from bulb.core.errors import BulbError

SIZES = ("large", "medium", "small")
BUCKET, FUNCTION, ROLE = "pictures", "thumbnails", "arn:aws:iam::000000000000:role/thumbnails"
_WAIT_S = 30.0
T = TypeVar("T")


@click.command("demo")
def command() -> None:
    """Upload a picture to a throw-away server and watch it become three thumbnails."""
    with throw_away_server() as (url, line):
        _say(line)
        with aws("s3", url) as s3, aws("lambda", url) as functions, aws("logs", url) as logs:
            _deploy(s3, functions)
            for number, name in enumerate(("uploads/first.jpg", "uploads/second.jpg")):
                _upload(s3, name)
                _show_thumbnails(s3, name, "cold" if number == 0 else "warm")
            _show_log(logs)
        _say("The bill at list price:")
        print_statement(_until(lambda: _bill(url), "the bill"))
        _show_isolation(url)
    _say("Nothing is left running.")


def _deploy(s3: Any, functions: Any) -> None:
    code = package.build()
    s3.create_bucket(Bucket=BUCKET)
    function = functions.create_function(
        FunctionName=FUNCTION,
        Runtime=package.RUNTIME,
        Role=ROLE,
        Handler=package.HANDLER,
        Code={"ZipFile": code},
        MemorySize=512,
        Timeout=30,
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=FUNCTION, WaiterConfig={"Delay": 1})
    functions.add_permission(
        FunctionName=FUNCTION,
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn=f"arn:aws:s3:::{BUCKET}",
    )
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET,
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [
                {
                    "LambdaFunctionArn": function["FunctionArn"],
                    "Events": ["s3:ObjectCreated:*"],
                    "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "uploads/"}]}},
                }
            ]
        },
    )
    _say(
        f"Function {FUNCTION} ({package.RUNTIME}, {len(code) / 1e6:.1f} MB zip) waits for uploads to s3://{BUCKET}/uploads/."
    )


def _upload(s3: Any, key: str) -> None:
    body = picture.draw()
    s3.put_object(Bucket=BUCKET, Key=key, Body=body, ContentType="image/jpeg")
    _say(f"Uploaded s3://{BUCKET}/{key} ({len(body):,} bytes). Nothing else was called.")


def _show_thumbnails(s3: Any, key: str, start: str) -> None:
    from PIL import Image  # noqa: PLC0415 - only the demo needs it

    began = time.perf_counter()
    stem = key.rsplit("/", 1)[-1].removesuffix(".jpg")
    wanted = [f"thumbnails/{stem}-{size}.jpg" for size in SIZES]
    _until(lambda: set(wanted) <= _keys(s3), "the thumbnails")
    _say(f"Three thumbnails after {(time.perf_counter() - began) * 1000:.0f} ms ({start} start):", "green")
    for name in wanted:
        body = s3.get_object(Bucket=BUCKET, Key=name)["Body"].read()
        small = Image.open(io.BytesIO(body))
        click.echo(f"  s3://{BUCKET}/{name:<36}{small.width:>5} x {small.height:<5}{len(body):>9,} bytes")


def _keys(s3: Any) -> set[str]:
    return {item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET, Prefix="thumbnails/").get("Contents", [])}


def _show_log(logs: Any) -> None:
    def both_reports() -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = logs.filter_log_events(logGroupName=f"/aws/lambda/{FUNCTION}")["events"]
        return events if sum(e["message"].startswith("REPORT ") for e in events) >= 2 else []  # noqa: PLR2004

    _say(f"The log group /aws/lambda/{FUNCTION}:")
    reports = []
    for event in _until(both_reports, "the log"):
        message = event["message"].rstrip("\n")
        click.echo("  " + message.expandtabs(2))
        if message.startswith("REPORT "):
            reports.append(dict(part.split(": ", 1) for part in message.split("\t")[1:] if ": " in part))
    for start, report in zip(("cold", "warm"), reports, strict=False):
        init = f", init {report['Init Duration']}" if "Init Duration" in report else ""
        _say(f"{start.capitalize()}: {report['Duration']}{init}, billed {report['Billed Duration']}.", "green")


def _bill(url: str) -> dict[str, Any] | None:
    statement: dict[str, Any] = page("/_bulb/bill", url)
    done = sum(line["requests"] for line in statement["lines"]) >= 2  # noqa: PLR2004 - the demo's two uploads
    return statement if done else None


def _show_isolation(url: str) -> None:
    isolation = page("/_bulb/status", url)["isolation"]
    _say(f"Isolation of the function: {isolation['rung']} ({', '.join(isolation['has'])}).")


def _until(look: Callable[[], T | None], what: str) -> T:
    """What `look` finds, as soon as it is something. Raises BulbError after half a minute."""
    deadline = time.monotonic() + _WAIT_S
    while not (found := look()):
        if time.monotonic() > deadline:
            raise BulbError(f"{what} did not come within {_WAIT_S:.0f} seconds")
        time.sleep(0.01)
    return found


def _say(text: str, colour: str = "yellow") -> None:
    click.echo(click.style(text, fg=colour))
