"""Calling function URLs as any HTTP client would: by their host, on the server's own address."""

import http.client
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.support.bulb import Running


@dataclass
class Page:
    """An answer. `headers` in order, with lower-case names."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


def call(
    bulb: Running, url: str, target: str = "/", method: str = "GET", body: bytes | None = None, **headers: str
) -> Page:
    """One request to the server with the URL's host. An underscore in a header's name stands for a dash."""
    server = urlsplit(bulb.url)
    connection = http.client.HTTPConnection(str(server.hostname), server.port, timeout=30)
    try:
        sent = {"Host": urlsplit(url).netloc, **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection.request(method, target, body, sent)
        answer = connection.getresponse()
        listed = [(name.lower(), value) for name, value in answer.getheaders()]
        return Page(answer.status, listed, answer.read())
    finally:
        connection.close()


def let_everybody_in(aws: Any, name: str, **qualified: str) -> None:
    """The two statements that AWS's console writes."""
    aws.add_permission(
        FunctionName=name,
        StatementId="FunctionURLAllowPublicAccess",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
        **qualified,
    )
    aws.add_permission(
        FunctionName=name,
        StatementId="FunctionURLInvokeAllowPublicAccess",
        Action="lambda:InvokeFunction",
        Principal="*",
        InvokedViaFunctionUrl=True,
        **qualified,
    )


def public_url(aws: Any, name: str, **config: Any) -> str:
    """A URL without authentication that everybody may call."""
    url: str = aws.create_function_url_config(FunctionName=name, AuthType="NONE", **config)["FunctionUrl"]
    let_everybody_in(aws, name)
    return url
