"""How commands reach a server: boto3 for AWS's API, plain HTTP for the server's own pages.

A server is named by `--endpoint`, else by AWS_ENDPOINT_URL as every SDK reads it, else it is on the default port.
"""

import json
import urllib.error
import urllib.request
from typing import Any

import boto3
import click
from botocore.config import Config
from botocore.session import Session

from bulb.cli.env import DEFAULT_ENDPOINT
from bulb.core.errors import BulbError

endpoint_option = click.option(
    "--endpoint", help=f"The server's URL.  [default: $AWS_ENDPOINT_URL or {DEFAULT_ENDPOINT}]"
)


def endpoint_url(given: str | None) -> str:
    """The server's URL without a trailing slash."""
    return (given or Session().get_config_variable("endpoint_url") or DEFAULT_ENDPOINT).rstrip("/")


def aws(service: str, endpoint: str | None, **settings: Any) -> Any:
    """A boto3 client of `service`, with the caller's own credentials where there are any."""
    session = Session()
    known = session.get_credentials() is not None
    return boto3.session.Session(botocore_session=session).client(
        service,
        endpoint_url=endpoint_url(endpoint),
        region_name=session.get_config_variable("region") or "us-east-1",
        aws_access_key_id=None if known else "test",
        aws_secret_access_key=None if known else "test",
        config=Config(retries={"max_attempts": 1}, **settings),
    )


def page(path: str, endpoint: str | None) -> Any:
    """One of the server's own JSON pages. Raises BulbError when nothing answers there."""
    url = endpoint_url(endpoint) + path
    if not url.startswith(("http://", "https://")):
        raise BulbError(f"{url} is not an http address")
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - the scheme was just checked
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise BulbError(f"{url} answered {error.code}") from error
    except OSError as error:
        raise BulbError(f"nothing answers at {url}: start a server with `bulb up`") from error
