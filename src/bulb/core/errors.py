"""Errors that become answers.

Every refusal a client can see is an `AwsError` (or a subclass a room declares). It is turned into a protocol's own
shape in exactly one place, the gateway, so nothing below ever formats an error body.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any


class BulbError(Exception):
    """Something Bulb itself cannot do; the text says what happened and what to do next."""


class AwsError(Exception):
    """An error as AWS reports it.

    `code` is the error's name in the service's model (`ResourceNotFoundException`, `NoSuchKey`). `status` is used where
    the model does not say. `members` are further members of the error's shape (`Reason`, `BucketName`), `headers`
    further response headers (`Retry-After`).
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 400,
        members: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = dict(members or {})
        self.headers = dict(headers or {})

    @property
    def fault(self) -> str:
        """`Server` for 5xx, else `User`: the value of the `Type` member where a service has one."""
        return "Service" if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "User"


class NotSupported(AwsError):  # noqa: N818 - it reads as what it says
    """A request for something AWS has and Bulb does not have yet; the message names it. HTTP status 501."""

    def __init__(self, what: str, *, code: str = "NotImplementedException") -> None:
        super().__init__(code, f"Bulb does not support {what} yet.", status=501)
