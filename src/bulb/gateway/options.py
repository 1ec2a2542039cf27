"""What an operator decides about the front door."""

from dataclasses import dataclass

from bulb.core.limits import CREATE_REQUEST_BYTES


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """Settings of the gateway.

    `enforce_credentials`: verify signatures and refuse callers nobody knows; otherwise any credentials are taken.
    `allowed_origins`: web origins (`https://app.example`) whose pages may call, besides this machine's; `*` is all.
    `check_hosts`: refuse Host names that are not ours, which is what keeps a page that rebinds its name to loopback
    out; meant for listeners on loopback. `hosts`: further names that are ours, with all names under them.
    `region`: the region of requests that name none. `body_bytes`: the largest request that is not an upload stream.
    """

    enforce_credentials: bool = False
    allowed_origins: frozenset[str] = frozenset()
    check_hosts: bool = True
    hosts: frozenset[str] = frozenset()
    region: str = "us-east-1"
    body_bytes: int = CREATE_REQUEST_BYTES
