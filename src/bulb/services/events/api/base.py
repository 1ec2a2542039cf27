"""What the operations of every resource share."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from bulb.core.errors import NotSupported
from bulb.services.events.putting import Putting
from bulb.services.events.store import EventsStore


class Roles(Protocol):
    """What roles may do, where policies are enforced."""

    async def lets_assume(self, role_arn: str, service: str) -> bool:
        """Does the trust policy of the role let a service assume it?"""

    async def role_may(self, role_arn: str, action: str, resource: str) -> bool:
        """Do the role's own policies allow it?"""


class Operations:
    """The store and the neighbours an operation works with."""

    def __init__(self, store: EventsStore, putting: Putting, roles: Roles | None = None) -> None:
        """`roles` is None where policies are only stored: then any role may do anything."""
        self._store = store
        self._putting = putting
        self._roles = roles


def moment(unix_seconds: float) -> datetime:
    """A time, in whole seconds as EventBridge tells them."""
    return datetime.fromtimestamp(int(unix_seconds), UTC)


def present(**members: Any) -> dict[str, Any]:
    """The members that have a value."""
    return {name: value for name, value in members.items() if value is not None}


def refuse_keys(params: Mapping[str, Any]) -> None:
    """Raise NotSupported for a key of KMS: nothing is encrypted with one."""
    if params.get("KmsKeyIdentifier"):
        raise NotSupported("KMS keys (KmsKeyIdentifier) of EventBridge")
