"""What this room needs of others."""

from typing import Protocol


class Roles(Protocol):
    """The trust policies of roles, where policies are enforced."""

    async def lets_assume(self, role_arn: str, service: str, source_arn: str, source_account: str) -> bool:
        """May a service assume the role, acting for a resource of an account?"""


class Actions(Protocol):
    """The API of this server, as universal targets name it."""

    def find(self, service: str, action: str) -> tuple[str, str] | None:
        """The model and operation of an SDK's service name and an action in camel case; None where AWS has no such.

        Raises NotSupported for what only AWS has.
        """
