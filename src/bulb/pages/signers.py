"""Who may use the pages that ask: where credentials are required, whoever may do the same through AWS's API.

The other pages tell of everything to whoever is on this machine; the bodies of messages are their owners', and so is
what a rule sends.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from bulb.core.calls import Call, Caller
from bulb.core.errors import AwsError
from bulb.http.message import Request
from bulb.identity.credentials import Identity
from bulb.services.events.names import RuleName
from bulb.services.sqs.model import Queue
from bulb.wire import sigv4


class Identities(Protocol):
    """The access keys and sessions that exist."""

    def resolve(self, access_key: str, session_token: str | None, now: float) -> Identity | None:
        """Who this key is, or None when nobody's. Raises AwsError ExpiredToken for a session that is over."""


class Authorizer(Protocol):
    """Whether a caller may do what the call says."""

    async def authorize(self, call: Call) -> None:
        """Raise the AwsError of a refusal."""


class Signers:
    """Asks for a signature, and for a permission where policies are enforced."""

    def __init__(self, identities: Identities, authorizer: Authorizer | None, *, enforce_credentials: bool) -> None:
        self._identities = identities
        self._authorizer = authorizer
        self._enforce = enforce_credentials

    async def permit_reading(self, request: Request, queue: Queue, now: float) -> None:
        """Raise AwsError 4xx unless whoever signed the request may receive from the queue."""
        if self._enforce:
            where = {"QueueUrl": f"/{queue.key.account}/{queue.key.name}"}
            call = self._call("sqs", "ReceiveMessage", where, queue.key.region, request, now)
            await self._permit(call, queue.key.account, queue.arn)

    async def permit_sending(self, request: Request, rule: RuleName, now: float) -> None:
        """Raise AwsError 4xx unless whoever signed the request may say what the rule sends to whom.

        The body must have been collected.
        """
        if self._enforce:
            what = {"Rule": rule.rule, "EventBusName": rule.bus, "Targets": []}
            call = self._call("events", "PutTargets", what, rule.region, request, now)
            await self._permit(call, rule.account, rule.arn)

    async def _permit(self, call: Call, account: str, arn: str) -> None:
        if self._authorizer is not None:
            await self._authorizer.authorize(call)
        if call.account != account:
            raise AwsError("AccessDenied", f"{arn} is another account's", status=403)

    def _call(
        self, service: str, operation: str, params: Mapping[str, Any], region: str, request: Request, now: float
    ) -> Call:
        return Call(
            service=service,
            operation=operation,
            params=dict(params),
            caller=self._signer(request, service, now),
            region=region,
            request_id="",
            now=now,
            headers=request.headers,
            base_url="",
        )

    def _signer(self, request: Request, service: str, now: float) -> Caller:
        authorization = sigv4.parse_authorization(request)
        if authorization is None:
            message = "this is for who may do it through AWS's API: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            raise AwsError("AccessDenied", message, status=403)
        key = authorization.access_key
        identity = self._identities.resolve(key, authorization.session_token, now)
        if identity is None or identity.secret is None or authorization.service != service:
            raise AwsError("AccessDenied", "the access key is not one of this server's", status=403)
        sigv4.verify(authorization, request, identity.secret, now)
        return Caller(identity.account, key, identity.arn, identity.user_id, request.client[0], identity.session_policy)
