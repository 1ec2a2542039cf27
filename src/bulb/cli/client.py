"""How commands reach a server: boto3 for AWS's API, plain HTTP for the server's own pages.

A server is named by `--endpoint`, else by AWS_ENDPOINT_URL or `endpoint_url` of the AWS profile, as every SDK reads
them, else it is where BULB_HOST and BULB_PORT had `bulb up` put it. Whatever goes wrong on the way becomes one sentence
(`BulbError`).
"""

import contextlib
import functools
import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import click
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
)
from botocore.session import Session

from bulb.config import chosen_region, chosen_url
from bulb.core.errors import BulbError

endpoint_option = click.option(
    "--endpoint",
    help="The server's URL.  [default: $AWS_ENDPOINT_URL, else where $BULB_HOST and $BULB_PORT put it: "
    "http://127.0.0.1:4566]",
)

# What is said to a key that was not issued here, by a server that asks for one that was.
_UNKNOWN_KEYS = ("UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId")
_ISSUED = (
    " Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a key that was issued there: the first is in root-key.json in "
    "its data folder."
)


def endpoint_url(given: str | None) -> str:
    """The server's URL without a trailing slash. Raises BulbError when it is none."""
    url = given or os.environ.get("AWS_ENDPOINT_URL") or _profile().get("endpoint_url") or chosen_url()
    if not url.startswith(("http://", "https://")):
        raise BulbError(f"{url} is not the address of a server: it must begin with http:// or https://")
    return url.rstrip("/")


def _profile() -> dict[str, Any]:
    with _sentences(""):
        settings: dict[str, Any] = _session().get_scoped_config()
        return settings


@functools.cache
def _session() -> Session:
    """The one of this command: it reads the models that its clients share once."""
    return Session()


def _region(session: Session) -> str:
    region: str | None = session.get_config_variable("region")
    return region or chosen_region()


@contextlib.contextmanager
def aws(service: str, endpoint: str | None, **settings: Any) -> Iterator[Any]:
    """A boto3 client of `service`, with the caller's own credentials where there are any.

    Nothing is tried twice: an invocation must not run again because its answer was late. Errors that leave the `with`
    do so as BulbError.
    """
    url = endpoint_url(endpoint)
    with _sentences(url):
        session = _session()
        known = session.get_credentials() is not None
        yield boto3.session.Session(botocore_session=session).client(
            service,
            endpoint_url=url,
            region_name=_region(session),
            aws_access_key_id=None if known else "test",
            aws_secret_access_key=None if known else "test",
            config=Config(retries={"total_max_attempts": 1}, **settings),
        )


@contextlib.contextmanager
def _sentences(url: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        raise BulbError(f"{code}: {message}" + (_ISSUED if code in _UNKNOWN_KEYS else "")) from error
    except EndpointConnectionError as error:
        raise _nobody_there(url) from error
    except ReadTimeoutError as error:
        raise BulbError(f"{url} did not answer in time") from error
    except HTTPClientError as error:
        raise BulbError(f"the connection to {url} broke off before it had answered") from error
    except (BotoCoreError, ValueError) as error:
        raise BulbError(str(error)) from error


def page(path: str, endpoint: str | None, *, wait_s: float = 0.0, sign_for: str | None = None) -> Any:
    """One of the server's own JSON pages, which may take `wait_s` by intent; `sign_for` is a service, for pages that
    ask who is there. Raises BulbError when no Bulb answers, or when it refuses.
    """
    return _asked(path, endpoint, None, 10 + wait_s, sign_for, json.load)


def tell(path: str, document: bytes, endpoint: str | None, *, sign_for: str) -> None:
    """Have one of the server's own pages accept a document. Raises BulbError as `page` does."""
    _asked(path, endpoint, document, 60, sign_for, lambda answer: None)


def _asked(
    path: str,
    endpoint: str | None,
    document: bytes | None,
    timeout_s: float,
    sign_for: str | None,
    read: Callable[[Any], Any],
) -> Any:
    url = endpoint_url(endpoint)
    headers = _signature(url + path, document, sign_for)
    if document is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(url + path, document, headers)  # noqa: S310 - endpoint_url checked the scheme
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310 - as above
            return read(answer)
    except urllib.error.HTTPError as error:
        raise BulbError(_said(error) or f"{url}{path} answered {error.code}: is this a Bulb?") from error
    except (ValueError, http.client.HTTPException) as error:
        raise BulbError(f"what answers at {url} is not a Bulb") from error
    except OSError as error:
        raise _nobody_there(url) from error


def _signature(url: str, document: bytes | None, service: str | None) -> dict[str, str]:
    """The headers that say who asks; none for who has no credentials, or need not say."""
    session = _session()
    credentials = session.get_credentials() if service is not None else None
    if credentials is None:
        return {}
    request = AWSRequest("GET" if document is None else "POST", url, data=document)
    SigV4Auth(credentials, service, _region(session)).add_auth(request)
    return dict(request.headers.items())


def _said(error: urllib.error.HTTPError) -> str | None:
    """The sentence of a page that refused."""
    try:
        said = json.load(error)
    except (ValueError, OSError, http.client.HTTPException):
        return None
    message = said.get("message") if isinstance(said, dict) else None
    return message if isinstance(message, str) else None


def _nobody_there(url: str) -> BulbError:
    return BulbError(f"nothing answers at {url}: start a server with `bulb up`")
