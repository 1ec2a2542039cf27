"""Whose request it is.

Two modes. By default any credentials are taken: the account is the access key itself where that is twelve digits, or
what an access key of ours belongs to, or 000000000000. With `enforce_credentials`, keys must be known and signatures
right. In both modes session tokens that Bulb issued are resolved, so a role session acts as its role.
"""

import asyncio
from functools import lru_cache
from typing import Protocol
from urllib.parse import unquote

from bulb.core.calls import Caller
from bulb.core.errors import AwsError
from bulb.core.ids import ACCOUNT_ID, DEFAULT_ACCOUNT
from bulb.gateway.exchange import Exchange
from bulb.gateway.options import GatewayOptions
from bulb.http.message import Request
from bulb.identity.credentials import Identity
from bulb.wire.sigv4 import Authorization, verify

# Hashing more than this takes longer than a turn of the event loop should.
_THREAD_BYTES = 262_144


class Identities(Protocol):
    """The access keys and sessions that exist."""

    def resolve(self, access_key: str, session_token: str | None, now: float) -> Identity | None:
        """Who this key is, or None when nobody's. Raises AwsError ExpiredToken for a session that is over."""


class Authentication:
    """The step that fills in `caller`, `region` and, where signatures are verified, `secret`."""

    def __init__(self, identities: Identities, options: GatewayOptions) -> None:
        """Take `enforce_credentials` and `region` of the options."""
        self._identities = identities
        self._enforce = options.enforce_credentials
        self._region = options.region

    async def authenticate(self, exchange: Exchange) -> None:
        """Find the caller; when credentials are enforced, refuse one who has not proved who they are (4xx AwsError)."""
        authorization = exchange.authorization
        source_ip = exchange.request.client[0] or "127.0.0.1"
        if authorization is None:
            if self._enforce and not exchange.plan.unsigned:
                raise _missing_credentials(exchange)
            exchange.caller = _anonymous(source_ip)
            exchange.region = self._region
            return
        _refuse_expired(authorization, exchange.now)
        exchange.region = authorization.region or self._region
        key = authorization.access_key
        identity = self._resolve(exchange, authorization)
        if self._enforce:
            if identity is None or identity.secret is None:
                raise _unknown_key(exchange, authorization)
            _refuse_dot_segments(exchange, authorization)
            await _verify(authorization, exchange.request, identity.secret, exchange.now)
            exchange.secret = identity.secret
        if identity is None:
            exchange.caller = _unknown_caller(key, source_ip)
        else:
            exchange.caller = _caller(identity, key, source_ip)

    async def signer(self, exchange: Exchange, service: str, region: str) -> Caller:
        """Who signed a request that is for no operation, but for `service` in `region`. Raises AwsError 4xx."""
        authorization = exchange.authorization
        assert authorization is not None
        exchange.service, exchange.protocol = service, ""
        _refuse_expired(authorization, exchange.now)
        identity = self._resolve(exchange, authorization)
        if self._enforce:
            if identity is None or identity.secret is None:
                raise _unknown_key(exchange, authorization)
            _refuse_other_scopes(authorization, service, region)
            _refuse_dot_segments(exchange, authorization)
            await _verify(authorization, exchange.request, identity.secret, exchange.now)
        source_ip = exchange.request.client[0] or "127.0.0.1"
        if identity is None:
            return _unknown_caller(authorization.access_key, source_ip)
        return _caller(identity, authorization.access_key, source_ip)

    def _resolve(self, exchange: Exchange, authorization: Authorization) -> Identity | None:
        try:
            return self._identities.resolve(authorization.access_key, authorization.session_token, exchange.now)
        except AwsError as error:
            raise _expired_token(exchange) if error.code == "ExpiredToken" else error from None


async def _verify(authorization: Authorization, request: Request, secret: str, now: float) -> None:
    body = request.body.buffered
    if body is not None and len(body) > _THREAD_BYTES:
        await asyncio.to_thread(verify, authorization, request, secret, now)
    else:
        verify(authorization, request, secret, now)


def _refuse_expired(authorization: Authorization, now: float) -> None:
    """A presigned URL is good for as long as it says, whether or not its signature is looked at."""
    if authorization.expires is not None and now > authorization.timestamp + authorization.expires:
        raise AwsError("AccessDenied", "Request has expired", status=403)


def _refuse_dot_segments(exchange: Exchange, authorization: Authorization) -> None:
    """Outside S3 what is signed is the path that dots lead to, but requests go by the path as it was sent."""
    if not authorization.is_s3 and any(unquote(segment) in (".", "..") for segment in exchange.request.path.split("/")):
        code = "SignatureDoesNotMatch" if exchange.protocol == "query" else "InvalidSignatureException"
        raise AwsError(code, "A path with dot segments is not the path that was signed.", status=403)


def _refuse_other_scopes(authorization: Authorization, service: str, region: str) -> None:
    if authorization.service != service:
        message = f"Credential should be scoped to correct service: '{service}'. "
    elif authorization.region != region:
        message = f"Credential should be scoped to a valid region, not '{authorization.region}'. "
    else:
        return
    raise AwsError("InvalidSignatureException", message, status=403)


def _caller(identity: Identity, access_key: str, source_ip: str) -> Caller:
    return Caller(identity.account, access_key, identity.arn, identity.user_id, source_ip, identity.session_policy)


@lru_cache(maxsize=256)
def _unknown_caller(access_key: str, source_ip: str) -> Caller:
    """Somebody whose key we did not issue, taken at their word."""
    account = access_key if ACCOUNT_ID.match(access_key) else DEFAULT_ACCOUNT
    return Caller(account, access_key, f"arn:aws:iam::{account}:root", account, source_ip)


@lru_cache(maxsize=256)
def _anonymous(source_ip: str) -> Caller:
    """Nobody in particular. S3 decides what the public may do; other services take the default account's word."""
    return Caller(DEFAULT_ACCOUNT, None, "anonymous", "anonymous", source_ip)


def _missing_credentials(exchange: Exchange) -> AwsError:
    if exchange.service == "s3":
        return AwsError("AccessDenied", "Access Denied", status=403)
    if exchange.protocol == "query":
        return AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", status=403)
    return AwsError("MissingAuthenticationTokenException", "Missing Authentication Token", status=403)


def _expired_token(exchange: Exchange) -> AwsError:
    if exchange.service == "s3":
        return AwsError("ExpiredToken", "The provided token has expired.", status=400)
    code = "ExpiredToken" if exchange.protocol == "query" else "ExpiredTokenException"
    return AwsError(code, "The security token included in the request is expired", status=403)


def _unknown_key(exchange: Exchange, authorization: Authorization) -> AwsError:
    if exchange.service == "s3":
        if authorization.session_token is not None:
            message = "The provided token is malformed or otherwise invalid."
            return AwsError("InvalidToken", message, status=400)
        message = "The AWS Access Key Id you provided does not exist in our records."
        return AwsError("InvalidAccessKeyId", message, status=403)
    is_query = exchange.protocol == "query"
    code = "InvalidClientTokenId" if is_query else "UnrecognizedClientException"
    return AwsError(code, "The security token included in the request is invalid.", status=403)
