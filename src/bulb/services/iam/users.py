"""Users and their access keys: who may call when credentials are enforced."""

import asyncio
from typing import Any

from sqlalchemy import Connection, Row

from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError, NotSupported
from bulb.identity.access_keys import AccessKey, AccessKeys
from bulb.identity.keys import access_key_id, secret_key, unique_id
from bulb.services.iam import shared, store
from bulb.services.iam.held import refuse_with_policies
from bulb.storage.database import Database

_KEYS_EACH = 2


class Users:
    """Operations on users and access keys."""

    _database: Database
    _keys: AccessKeys
    # Access keys live in memory too: one change at a time keeps the count of a user's keys and its deletion in step.
    _key_changes: asyncio.Lock

    async def create_user(self, call: Call) -> Answer:
        """CreateUser."""
        params = call.params
        if "PermissionsBoundary" in params:
            raise NotSupported("permissions boundaries")
        name = params["UserName"]
        row = {
            "id": unique_id("AIDA"),
            "account": call.account,
            "name": name,
            "path": params.get("Path", "/"),
            "created_at": call.now,
            "tags": shared.merged({}, shared.tags_of(params.get("Tags", []))),
        }

        def create(connection: Connection) -> Answer:
            if store.find(connection, store.users, call.account, name) is not None:
                raise shared.exists(f"User with name {name} already exists.")
            store.add(connection, store.users, row)
            return {"User": _described(user_row(connection, call.account, name))}

        return await self._database.write(create)

    async def get_user(self, call: Call) -> Answer:
        """GetUser, of the caller when no name is given."""
        if "UserName" not in call.params and ":user/" not in call.caller.arn:
            account = call.account
            root = {"Path": "/", "UserName": "root", "UserId": account, "Arn": f"arn:aws:iam::{account}:root"}
            return {"User": {**root, "CreateDate": shared.time(0)}}
        return {"User": _described(await self._named(call))}

    async def list_users(self, call: Call) -> Answer:
        """ListUsers."""
        prefix = call.params.get("PathPrefix", "/")
        rows = await self._database.read(lambda connection: store.listed(connection, store.users, call.account, prefix))
        return shared.page(call, rows, "Users", lambda row: row.name, lambda row: _described(row, with_tags=False))

    async def delete_user(self, call: Call) -> Answer:
        """DeleteUser, which must have no access keys and no policies any more."""
        async with self._key_changes:
            row = await self._named(call)
            if self._keys.of_user(row.id):
                raise shared.conflict("Cannot delete entity, must delete access keys first.")

            def delete(connection: Connection) -> None:
                refuse_with_policies(connection, store.USERS, row.id)
                store.remove(connection, store.users, row.id)

            await self._database.write(delete)
        return {}

    async def create_access_key(self, call: Call) -> Answer:
        """CreateAccessKey. The only time the secret is told."""
        async with self._key_changes:
            row = await self._named(call)
            if len(self._keys.of_user(row.id)) >= _KEYS_EACH:
                raise shared.limit_exceeded(f"Cannot exceed quota for AccessKeysPerUser: {_KEYS_EACH}")
            key = AccessKey(
                access_key=access_key_id(),
                secret=secret_key(),
                is_active=True,
                created_at=call.now,
                account=row.account,
                user_id=row.id,
                user_name=row.name,
                path=row.path,
            )
            await self._keys.add(key)
        return {"AccessKey": {**_key(key), "SecretAccessKey": key.secret}}

    async def list_access_keys(self, call: Call) -> Answer:
        """ListAccessKeys."""
        keys = self._keys.of_user((await self._named(call)).id)
        return shared.page(call, keys, "AccessKeyMetadata", lambda key: key.access_key, _key)

    async def update_access_key(self, call: Call) -> Answer:
        """UpdateAccessKey."""
        status = call.params["Status"]
        if status not in {"Active", "Inactive"}:
            raise AwsError("InvalidInput", f"An access key cannot be made {status}.")
        async with self._key_changes:
            key = await self._key(call)
            await self._keys.set_active(key.access_key, status == "Active")
        return {}

    async def delete_access_key(self, call: Call) -> Answer:
        """DeleteAccessKey."""
        async with self._key_changes:
            await self._keys.remove((await self._key(call)).access_key)
        return {}

    async def _named(self, call: Call) -> Row[Any]:
        name = call.params.get("UserName")
        if name is None:
            if ":user/" not in call.caller.arn:
                raise AwsError("ValidationError", "Must specify userName when calling with non-User credentials")
            name = call.caller.arn.rpartition("/")[2]
        return await self._database.read(lambda connection: user_row(connection, call.account, name))

    async def _key(self, call: Call) -> AccessKey:
        row, access_key = await self._named(call), call.params["AccessKeyId"]
        key = self._keys.find(access_key)
        if key is None or key.user_id != row.id:
            raise shared.no_such(f"The Access Key with id {access_key} cannot be found.")
        return key


def user_row(connection: Connection, account: str, name: str) -> Row[Any]:
    """The user of that name. Raises AwsError NoSuchEntity."""
    row = store.find(connection, store.users, account, name)
    if row is None:
        raise shared.no_such(f"The user with name {name} cannot be found.")
    return row


def _described(row: Row[Any], *, with_tags: bool = True) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Path": row.path,
        "UserName": row.name,
        "UserId": row.id,
        "Arn": f"arn:aws:iam::{row.account}:user{row.path}{row.name}",
        "CreateDate": shared.time(row.created_at),
    }
    if with_tags and row.tags:
        shown["Tags"] = shared.shown_tags(row.tags)
    return shown


def _key(key: AccessKey) -> dict[str, Any]:
    return {
        "UserName": key.user_name,
        "AccessKeyId": key.access_key,
        "Status": "Active" if key.is_active else "Inactive",
        "CreateDate": shared.time(key.created_at),
    }
