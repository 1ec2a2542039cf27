"""Amazon Resource Names: taken apart and put together, no meaning attached."""

from typing import NamedTuple

_PARTS = 6


class Arn(NamedTuple):
    """`arn:partition:service:region:account:resource`; `resource` keeps its own colons and slashes."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


def parse_arn(text: str) -> Arn | None:
    """The parts of `text`, or None when it is not an ARN."""
    parts = text.split(":", 5)
    if len(parts) != _PARTS or parts[0] != "arn" or not parts[1] or not parts[2] or not parts[5]:
        return None
    return Arn(*parts[1:])


def arn(service: str, region: str, account: str, resource: str) -> str:
    """An ARN in the `aws` partition."""
    return f"arn:aws:{service}:{region}:{account}:{resource}"
