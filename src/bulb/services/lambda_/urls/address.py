"""Where a function URL is reached: the text of `FunctionUrl`. Pure.

A URL is its own host where names below the server's name lead to it: `<id>.lambda-url.<region>.localhost` on this
machine, or below the domain an operator has pointed here. Elsewhere it is a path of the server.
"""

import ipaddress
from urllib.parse import urlsplit

LABEL = "lambda-url"
MARKER = f".{LABEL}."
PATH = "/_url/"


def address(url_id: str, region: str, base_url: str, domain: str | None) -> str:
    """The URL for a client that reaches the server at `base_url`. Below `domain` a proxy speaks TLS."""
    if domain:
        return f"https://{url_id}.{LABEL}.{region}.{domain}/"
    base = urlsplit(base_url)
    host = base.hostname or ""
    if not _is_this_machine(host):
        return f"{base_url}{PATH}{url_id}/"
    port = f":{base.port}" if base.port else ""
    return f"{base.scheme}://{url_id}.{LABEL}.{region}.localhost{port}/"


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
