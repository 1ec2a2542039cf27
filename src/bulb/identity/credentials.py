"""From an access key to who that is.

In order: a session token of ours; the operator's key; an access key of a user; twelve digits, which are an account.
Any other key is nobody's, and so is one that comes with a token of somebody else's. Only the first three have a secret
that a signature can be checked against, so only they get in when credentials are enforced.

Everything is answered from memory, because every request asks: users' keys are read once at the start and kept in step
by `AccessKeys`, the only writer of their table.
"""

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path

from bulb.core.errors import BulbError
from bulb.core.ids import ACCOUNT_ID, DEFAULT_ACCOUNT
from bulb.identity.access_keys import AccessKeys
from bulb.identity.keys import access_key_id, kept_secret, secret_key
from bulb.identity.sessions import Sessions
from bulb.storage.database import Database

_SERVER_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an access key belongs to. `secret` is None where nobody can check a signature.

    `session_policy` is the document that limits a session.
    """

    account: str
    arn: str
    user_id: str
    secret: str | None
    session_policy: str | None = None


@dataclass(frozen=True, slots=True)
class RootKey:
    """The operator's access key: the root user of `account`."""

    access_key: str
    secret: str
    account: str = DEFAULT_ACCOUNT


class Identities:
    """Resolves access keys. `sessions` issues temporary ones, `keys` holds those of users."""

    def __init__(self, keys: AccessKeys, sessions: Sessions, root: RootKey | None = None) -> None:
        self.keys = keys
        self.sessions = sessions
        self.root = root

    @classmethod
    async def open(cls, database: Database, folder: Path, *, root: RootKey | None = None) -> "Identities":
        """With the server key and the operator's key of `folder` (made there when absent), or with the `root` given."""
        server_key = await asyncio.to_thread(_server_key, folder)
        if root is None:
            root = await asyncio.to_thread(_root_key, folder)
        return cls(await AccessKeys.open(database), Sessions(server_key), root)

    def resolve(self, access_key: str, session_token: str | None, now: float) -> Identity | None:
        """Who this key is, or None when nobody's. Raises AwsError ExpiredToken for a session that is over."""
        if session_token is not None:
            session = self.sessions.read(session_token, access_key, now)
            if session is None:
                return None
            return Identity(session.account, session.arn, session.user_id, session.secret, session.policy)
        if self.root is not None and access_key == self.root.access_key:
            account = self.root.account
            return Identity(account, f"arn:aws:iam::{account}:root", account, self.root.secret)
        key = self.keys.find(access_key)
        if key is not None and key.is_active:
            arn = f"arn:aws:iam::{key.account}:user{key.path}{key.user_name}"
            return Identity(key.account, arn, key.user_id, key.secret)
        if ACCOUNT_ID.match(access_key):
            return Identity(access_key, f"arn:aws:iam::{access_key}:root", access_key, None)
        return None


def _server_key(folder: Path) -> bytes:
    path = folder / "session.key"
    key = kept_secret(path, os.urandom(_SERVER_KEY_BYTES))
    if len(key) < _SERVER_KEY_BYTES:
        raise BulbError(f"{path} is damaged; remove it to make a new one (sessions issued so far end)")
    return key


def _root_key(folder: Path) -> RootKey:
    path = folder / "root-key.json"
    fresh = {"AccessKeyId": access_key_id(), "SecretAccessKey": secret_key()}
    text = kept_secret(path, json.dumps(fresh, indent=2).encode())
    try:
        kept = json.loads(text)
        return RootKey(str(kept["AccessKeyId"]), str(kept["SecretAccessKey"]))
    except (ValueError, KeyError, TypeError):
        raise BulbError(f"{path} is damaged; remove it to make a new root key") from None
