"""What this room needs from others; `wiring/` introduces them."""

from dataclasses import dataclass
from typing import Protocol

from bulb.core.calls import Call
from bulb.core.errors import AwsError
from bulb.core.ids import ACCOUNT_ID, DEFAULT_ACCOUNT
from bulb.delivery.model import Finish
from bulb.services.s3 import errors
from bulb.storage.outbox import Entry


class NotificationTargets(Protocol):
    """Whoever knows the functions, queues and topics a bucket may tell."""

    async def prepare(self, entry: Entry, now: float) -> Finish:
        """What delivers a test event to a queue or topic inside a transaction, or says why it was not taken.

        A function gets none, it is only asked.
        """


@dataclass(frozen=True, slots=True)
class PostSigner:
    """Who signed a form upload. `secret` is None when the key is not one of ours."""

    account: str
    user_id: str
    secret: str | None
    arn: str = ""
    session_policy: str | None = None


class PostSigners(Protocol):
    """Whoever knows credentials: form uploads carry theirs inside the form."""

    def signer(self, access_key: str, session_token: str | None, now: float) -> PostSigner:
        """The signer behind `access_key`. Raises AwsError when credentials are enforced and it is unknown."""

    def anonymous(self) -> PostSigner:
        """The account of an unsigned form. Raises AwsError AccessDenied when credentials are enforced."""


class Permits(Protocol):
    """Whoever weighs policies, for the one operation whose caller the gateway does not know."""

    async def __call__(self, call: Call) -> None:
        """Raise the AwsError of a refusal."""


class Identity(Protocol):
    """Who an access key belongs to."""

    @property
    def account(self) -> str:
        """Twelve digits."""

    @property
    def user_id(self) -> str:
        """The principal's unique id."""

    @property
    def secret(self) -> str | None:
        """The secret key, or None when it is not known here."""

    @property
    def arn(self) -> str:
        """Of the user, or of the role session."""

    @property
    def session_policy(self) -> str | None:
        """The document that limits a session."""


class Identities(Protocol):
    """The access keys that exist; the gateway's own collaborator fits."""

    def resolve(self, access_key: str, session_token: str | None, now: float) -> Identity | None:
        """Who this key is, or None when nobody's."""


class IdentitySigners:
    """Signers by the rule the gateway has for other requests: verified when `enforce`, else taken at their word."""

    def __init__(self, identities: Identities, *, enforce: bool) -> None:
        self._identities = identities
        self._enforce = enforce

    def signer(self, access_key: str, session_token: str | None, now: float) -> PostSigner:
        """The signer; without `enforce` its secret is kept back, so that nothing is verified."""
        identity = self._identities.resolve(access_key, session_token, now)
        if identity is not None and (identity.secret is not None or not self._enforce):
            secret = identity.secret if self._enforce else None
            return PostSigner(identity.account, identity.user_id, secret, identity.arn, identity.session_policy)
        if self._enforce:
            message = "The AWS Access Key Id you provided does not exist in our records."
            raise AwsError("InvalidAccessKeyId", message, status=403)
        account = access_key if ACCOUNT_ID.match(access_key) else DEFAULT_ACCOUNT
        return PostSigner(account, account, None)

    def anonymous(self) -> PostSigner:
        """Nobody: the default account, unless credentials are enforced."""
        if self._enforce:
            raise errors.access_denied()
        return PostSigner(DEFAULT_ACCOUNT, "anonymous", None)
