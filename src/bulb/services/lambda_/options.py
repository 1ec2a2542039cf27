"""Settings of the Lambda room; `wiring/functions.py` fills them from the configuration."""

import os
import platform
from dataclasses import dataclass, field
from typing import Protocol

from bulb.core.limits import ACCOUNT_CONCURRENCY

CODE_STORAGE_BYTES = 300 * 1024**3
_ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def _machine() -> tuple[str, ...]:
    return (_ARCHITECTURES.get(platform.machine().lower(), "x86_64"),)


class RolePermissions(Protocol):
    """What execution roles may do (identity/)."""

    async def lets_assume(self, role_arn: str, service: str) -> bool:
        """Does the trust policy of the role let a service assume it?"""

    async def role_may(self, role_arn: str, action: str, resource: str) -> bool:
        """Do the role's own policies allow it?"""


@dataclass(frozen=True, slots=True)
class LambdaOptions:
    """`architectures` are those functions may ask for. `code_url_key` signs download links; a fresh one with each
    process means that links end with it. `no_snapshots` is what this
    machine lacks for SnapStart, None where it has all.
    `url_domain` is the domain below which function URLs are hosts; `url_one_permission` asks their callers only for
    `lambda:InvokeFunctionUrl`, as AWS did until October 2025.
    `destinations` are the services that take deliveries about asynchronous events.
    `roles` knows what execution roles may do; None where any role may do everything.
    """

    architectures: tuple[str, ...] = field(default_factory=_machine)
    code_url_key: bytes = field(default_factory=lambda: os.urandom(32), repr=False)
    code_storage_bytes: int = CODE_STORAGE_BYTES
    account_concurrency: int = ACCOUNT_CONCURRENCY
    no_snapshots: str | None = None
    url_domain: str | None = None
    url_one_permission: bool = False
    destinations: frozenset[str] = frozenset({"lambda", "s3"})
    roles: RolePermissions | None = None
