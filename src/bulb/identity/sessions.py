"""Temporary credentials that need no database row.

A session token is a small JSON document (who, under which name, until when) and a MAC over it, made with the server's
key. Access key and secret are derived from the token with the same key, so any process that has the key can check a
request signed with them, also after a restart, and nothing has to be cleaned up when they expire.
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from functools import lru_cache

from bulb.core.arn import parse_arn
from bulb.core.errors import AwsError
from bulb.identity.keys import derived, derived_id

_MAC_BYTES = 32


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client signs with. `expiration` is in Unix seconds."""

    access_key: str
    secret: str
    token: str
    expiration: float


@dataclass(frozen=True, slots=True)
class Session:
    """Whom a session token speaks for. `arn` and `user_id` are those GetCallerIdentity reports.

    `policy` is a document that limits what the session may do.
    """

    account: str
    arn: str
    user_id: str
    expiration: float
    access_key: str
    secret: str
    policy: str | None = None


def role_id(role_arn: str) -> str:
    """The id of a role that was never created: always the same for the same ARN."""
    return derived_id("AROA", hashlib.sha256(role_arn.encode()).digest(), 17)


class Sessions:
    """Issues and reads session tokens. `server_key`: at least 32 random bytes, kept for as long as sessions shall."""

    def __init__(self, server_key: bytes) -> None:
        self._key = server_key
        self._read = lru_cache(maxsize=4096)(self._verified)

    def issue(
        self,
        role_arn: str,
        session_name: str,
        duration_s: float,
        now: float,
        *,
        known_role_id: str | None = None,
        policy: str | None = None,
    ) -> Credentials:
        """Credentials of a session of `role_arn` (well-formed), good for `duration_s` seconds from `now`.

        `known_role_id` is the id of a role that exists; a role nobody created gets one derived from its ARN.
        `policy` is a document that limits the session.
        """
        parsed = parse_arn(role_arn)
        assert parsed is not None, role_arn
        role_name = parsed.resource.rpartition("/")[2]
        arn = f"arn:aws:sts::{parsed.account}:assumed-role/{role_name}/{session_name}"
        user_id = f"{known_role_id or role_id(role_arn)}:{session_name}"
        return self.issue_for(parsed.account, arn, user_id, duration_s, now, policy)

    def issue_for(
        self, account: str, arn: str, user_id: str, duration_s: float, now: float, policy: str | None = None
    ) -> Credentials:
        """Credentials of a session that acts as `arn`."""
        expiration = float(int(now + duration_s))
        claims = {"a": account, "r": arn, "u": user_id, "e": int(expiration), "n": secrets.token_hex(8)}
        if policy is not None:
            claims["p"] = policy
        document = json.dumps(claims, separators=(",", ":")).encode()
        token = base64.b64encode(self._mac(document) + document).decode()
        access_key, secret = self._keys(token)
        return Credentials(access_key, secret, token, expiration)

    def read(self, token: str, access_key: str, now: float) -> Session | None:
        """The session of `token`, or None when it is not one of ours or belongs to another access key.

        Raises AwsError ExpiredToken.
        """
        session = self._read(token)
        if session is None or session.access_key != access_key:
            return None
        if now >= session.expiration:
            raise AwsError("ExpiredToken", "The security token included in the request is expired", status=403)
        return session

    def _verified(self, token: str) -> Session | None:
        try:
            raw = base64.b64decode(token, validate=True)
        except (binascii.Error, ValueError):
            return None
        mac, document = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(document)):
            return None
        claims = json.loads(document)
        access_key, secret = self._keys(token)
        return Session(claims["a"], claims["r"], claims["u"], float(claims["e"]), access_key, secret, claims.get("p"))

    def _mac(self, document: bytes) -> bytes:
        return hmac.new(self._key, b"token\0" + document, hashlib.sha256).digest()

    def _keys(self, token: str) -> tuple[str, str]:
        access_key = derived_id("ASIA", derived(self._key, "access key", token))
        secret = base64.b64encode(derived(self._key, "secret", token)[:30]).decode()
        return access_key, secret
