"""What this room needs from others; app.py introduces them."""

from dataclasses import dataclass
from typing import Protocol


class NotificationTargets(Protocol):
    """Whoever knows the functions a bucket may call."""

    async def refusal(self, bucket_arn: str, account: str, function_arn: str) -> str | None:
        """Why S3 may not invoke `function_arn` on behalf of the bucket, or None when it may."""


@dataclass(frozen=True, slots=True)
class PostSigner:
    """Who signed a form upload. `secret` is None when the key is not one of ours."""

    account: str
    user_id: str
    secret: str | None


class PostSigners(Protocol):
    """Whoever knows credentials: form uploads carry theirs inside the form."""

    def signer(self, access_key: str, session_token: str | None, now: float) -> PostSigner:
        """The signer behind `access_key`. Raises AwsError when credentials are enforced and it is unknown."""

    def anonymous(self) -> PostSigner:
        """The account of an unsigned form. Raises AwsError AccessDenied when credentials are enforced."""
