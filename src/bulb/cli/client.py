"""How commands reach a server: boto3 for AWS's API, plain HTTP for the server's own pages.

A server is named by `--endpoint`, else by AWS_ENDPOINT_URL or `endpoint_url` of the AWS profile, as every SDK reads
them, else it is on the default port. Whatever goes wrong on the way becomes one sentence (`BulbError`).
"""

import contextlib
import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import click
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
)
from botocore.session import Session

from bulb.cli.env import DEFAULT_ENDPOINT
from bulb.core.errors import BulbError

endpoint_option = click.option(
    "--endpoint", help=f"The server's URL.  [default: $AWS_ENDPOINT_URL or {DEFAULT_ENDPOINT}]"
)


def endpoint_url(given: str | None) -> str:
    """The server's URL without a trailing slash. Raises BulbError when it is none."""
    url = given or os.environ.get("AWS_ENDPOINT_URL") or _profile().get("endpoint_url") or DEFAULT_ENDPOINT
    if not url.startswith(("http://", "https://")):
        raise BulbError(f"{url} is not the address of a server: it must begin with http:// or https://")
    return url.rstrip("/")


def _profile() -> dict[str, Any]:
    with _sentences(""):
        settings: dict[str, Any] = Session().get_scoped_config()
        return settings


@contextlib.contextmanager
def aws(service: str, endpoint: str | None, **settings: Any) -> Iterator[Any]:
    """A boto3 client of `service`, with the caller's own credentials where there are any.

    Nothing is tried twice: an invocation must not run again because its answer was late. Errors that leave the `with`
    do so as BulbError.
    """
    url = endpoint_url(endpoint)
    with _sentences(url):
        session = Session()
        known = session.get_credentials() is not None
        yield boto3.session.Session(botocore_session=session).client(
            service,
            endpoint_url=url,
            region_name=session.get_config_variable("region") or "us-east-1",
            aws_access_key_id=None if known else "test",
            aws_secret_access_key=None if known else "test",
            config=Config(retries={"total_max_attempts": 1}, **settings),
        )


@contextlib.contextmanager
def _sentences(url: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise BulbError(f"{error.response['Error']['Code']}: {error.response['Error']['Message']}") from error
    except EndpointConnectionError as error:
        raise _nobody_there(url) from error
    except ReadTimeoutError as error:
        raise BulbError(f"{url} did not answer in time") from error
    except HTTPClientError as error:
        raise BulbError(f"the connection to {url} broke off before it had answered") from error
    except (BotoCoreError, ValueError) as error:
        raise BulbError(str(error)) from error


def page(path: str, endpoint: str | None) -> Any:
    """One of the server's own JSON pages. Raises BulbError when no Bulb answers there."""
    url = endpoint_url(endpoint)
    try:
        with urllib.request.urlopen(url + path, timeout=10) as answer:  # noqa: S310 - endpoint_url checked the scheme
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise BulbError(f"{url}{path} answered {error.code}: is this a Bulb?") from error
    except (ValueError, http.client.HTTPException) as error:
        raise BulbError(f"what answers at {url} is not a Bulb") from error
    except OSError as error:
        raise _nobody_there(url) from error


def _nobody_there(url: str) -> BulbError:
    return BulbError(f"nothing answers at {url}: start a server with `bulb up`")
