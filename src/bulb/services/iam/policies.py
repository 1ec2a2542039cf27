"""Managed policies and their versions; AWS's own can be read."""

import hashlib
from typing import Any

from sqlalchemy import Connection, Row

from bulb.core.calls import Answer, Call
from bulb.identity import managed
from bulb.identity.keys import derived_id, unique_id
from bulb.identity.policy import check_policy
from bulb.services.iam import shared, store
from bulb.storage.database import Database

_MOST_VERSIONS = 5
_CHARACTERS = 6_144
_AWS_MADE = 1_424_390_400.0  # AWS's own policies carry dates of their own; Bulb knows none of them


class Policies:
    """Operations on managed policies."""

    _database: Database

    async def create_policy(self, call: Call) -> Answer:
        """CreatePolicy."""
        params = call.params
        name, document = params["PolicyName"], params["PolicyDocument"]
        _check(document)
        row = {
            "id": unique_id("ANPA"),
            "account": call.account,
            "name": name,
            "path": params.get("Path", "/"),
            "description": params.get("Description"),
            "created_at": call.now,
            "updated_at": call.now,
            "next_version": 2,
            "default_version": 1,
            "tags": shared.merged({}, shared.tags_of(params.get("Tags", []))),
        }
        version = {"policy_id": row["id"], "version": 1, "document": document, "created_at": call.now}

        def create(connection: Connection) -> Answer:
            if store.find(connection, store.policies, call.account, name) is not None:
                raise shared.exists(f"A policy called {name} already exists. Duplicate names are not allowed.")
            store.add(connection, store.policies, row)
            store.add(connection, store.versions, version)
            created = store.find(connection, store.policies, call.account, name)
            assert created is not None
            return {"Policy": _described(created, 0, whole=True)}

        return await self._database.write(create)

    async def get_policy(self, call: Call) -> Answer:
        """GetPolicy."""
        policy_arn = call.params["PolicyArn"]

        def get(connection: Connection) -> Answer:
            count = store.attachment_counts(connection, call.account)[policy_arn]
            if managed.document(policy_arn) is not None:
                return {"Policy": _aws_described(policy_arn, count)}
            return {"Policy": _described(_policy(connection, call), count, whole=True)}

        return await self._database.read(get)

    async def list_policies(self, call: Call) -> Answer:
        """ListPolicies: the account's, AWS's that Bulb knows, or both (`Scope`)."""
        params = call.params
        scope, prefix = params.get("Scope", "All"), params.get("PathPrefix", "/")

        def collect(connection: Connection) -> list[dict[str, Any]]:
            counts = store.attachment_counts(connection, call.account)
            found = []
            if scope in {"All", "AWS"}:
                found += [_aws_described(policy_arn, counts[policy_arn]) for policy_arn in managed.known()]
            if scope in {"All", "Local"}:
                rows = store.listed(connection, store.policies, call.account, "/")
                found += [_described(row, counts[policy_arn_of(row)]) for row in rows]
            return found

        policies = await self._database.read(collect)
        if params.get("PolicyUsageFilter") == "PermissionsBoundary":
            policies = []
        wanted = [
            policy
            for policy in policies
            if policy["Path"].startswith(prefix) and (policy["AttachmentCount"] or not params.get("OnlyAttached"))
        ]
        return shared.page(call, wanted, "Policies", lambda policy: policy["Arn"], lambda policy: policy)

    async def delete_policy(self, call: Call) -> Answer:
        """DeletePolicy, attached to nobody and with only its default version."""

        def delete(connection: Connection) -> None:
            row = _policy(connection, call)
            if store.attachment_counts(connection, call.account)[call.params["PolicyArn"]]:
                raise shared.conflict("Cannot delete a policy attached to entities.")
            if len(store.policy_versions(connection, row.id)) > 1:
                message = (
                    "This policy has more than one version. Before you delete a policy, you must delete the policy's "
                    "versions. The default version is deleted with the policy."
                )
                raise shared.conflict(message)
            store.remove_version(connection, row.id, row.default_version)
            store.remove(connection, store.policies, row.id)

        await self._database.write(delete)
        return {}

    async def create_policy_version(self, call: Call) -> Answer:
        """CreatePolicyVersion."""
        document = call.params["PolicyDocument"]
        is_default = call.params.get("SetAsDefault", False)
        _check(document)

        def create(connection: Connection) -> Answer:
            row = _policy(connection, call)
            if len(store.policy_versions(connection, row.id)) >= _MOST_VERSIONS:
                message = (
                    f"A managed policy can have up to {_MOST_VERSIONS} versions. Before you create a new version, you "
                    "must delete an existing version."
                )
                raise shared.limit_exceeded(message)
            number = row.next_version
            version = {"policy_id": row.id, "version": number, "document": document, "created_at": call.now}
            store.add(connection, store.versions, version)
            default = {"default_version": number} if is_default else {}
            store.change(connection, store.policies, row.id, next_version=number + 1, updated_at=call.now, **default)
            return {"PolicyVersion": _version(number, is_default, call.now)}

        return await self._database.write(create)

    async def get_policy_version(self, call: Call) -> Answer:
        """GetPolicyVersion."""
        policy_arn, version_id = call.params["PolicyArn"], call.params["VersionId"]

        def get(connection: Connection) -> Answer:
            document = managed.document(policy_arn)
            if document is not None and version_id == "v1":
                return {"PolicyVersion": _version(1, True, _AWS_MADE, document)}
            row, version = _policy_version(connection, call)
            is_default = version.version == row.default_version
            return {"PolicyVersion": _version(version.version, is_default, version.created_at, version.document)}

        return await self._database.read(get)

    async def list_policy_versions(self, call: Call) -> Answer:
        """ListPolicyVersions."""

        def collect(connection: Connection) -> list[dict[str, Any]]:
            if managed.document(call.params["PolicyArn"]) is not None:
                return [_version(1, True, _AWS_MADE)]
            row = _policy(connection, call)
            found = store.policy_versions(connection, row.id)
            return [_version(one.version, one.version == row.default_version, one.created_at) for one in found]

        versions = await self._database.read(collect)
        return shared.page(
            call, versions, "Versions", lambda version: f"{version['VersionId'][1:]:>12}", lambda version: version
        )

    async def delete_policy_version(self, call: Call) -> Answer:
        """DeletePolicyVersion, not of the default one."""

        def delete(connection: Connection) -> None:
            row, version = _policy_version(connection, call)
            if version.version == row.default_version:
                raise shared.conflict("Cannot delete the default version of a policy.")
            store.remove_version(connection, row.id, version.version)

        await self._database.write(delete)
        return {}

    async def set_default_policy_version(self, call: Call) -> Answer:
        """SetDefaultPolicyVersion."""

        def change(connection: Connection) -> None:
            row, version = _policy_version(connection, call)
            store.change(connection, store.policies, row.id, default_version=version.version, updated_at=call.now)

        await self._database.write(change)
        return {}

    async def list_entities_for_policy(self, call: Call) -> Answer:
        """ListEntitiesForPolicy: roles, then users; there are no groups."""
        params = call.params
        policy_arn, prefix, kind = params["PolicyArn"], params.get("PathPrefix", "/"), params.get("EntityFilter")

        def collect(connection: Connection) -> list[tuple[str, Row[Any]]]:
            if not managed.is_aws_managed(policy_arn):
                _policy(connection, call)
            found = [("Role", row) for row in store.holders(connection, store.ROLES, policy_arn, call.account)]
            found += [("User", row) for row in store.holders(connection, store.USERS, policy_arn, call.account)]
            return [(of, row) for of, row in found if kind in (None, of) and row.path.startswith(prefix)]

        entities = await self._database.read(collect)
        answer = shared.page(call, entities, "Entities", lambda one: f"{one[0]}/{one[1].name}", lambda one: one)
        for of in ("Group", "Role", "User"):
            rows = [row for whose, row in answer["Entities"] if whose == of]
            answer[f"Policy{of}s"] = [{f"{of}Name": row.name, f"{of}Id": row.id} for row in rows]
        del answer["Entities"]
        return answer


def policy_arn_of(row: Row[Any]) -> str:
    """A policy's ARN."""
    return f"arn:aws:iam::{row.account}:policy{row.path}{row.name}"


def policy_by_arn(connection: Connection, account: str, policy_arn: str) -> Row[Any] | None:
    """The account's policy of that ARN."""
    row = store.find(connection, store.policies, account, policy_arn.rpartition("/")[2])
    return row if row is not None and policy_arn_of(row) == policy_arn else None


def _policy(connection: Connection, call: Call) -> Row[Any]:
    policy_arn = call.params["PolicyArn"]
    row = policy_by_arn(connection, call.account, policy_arn)
    if row is None:
        raise shared.no_such(f"Policy {policy_arn} was not found.")
    return row


def _policy_version(connection: Connection, call: Call) -> tuple[Row[Any], Row[Any]]:
    row, version_id = _policy(connection, call), call.params["VersionId"]
    for version in store.policy_versions(connection, row.id):
        if f"v{version.version}" == version_id:
            return row, version
    message = f"Policy {call.params['PolicyArn']} version {version_id} does not exist or is not attachable."
    raise shared.no_such(message)


def _described(row: Row[Any], attachments: int, *, whole: bool = False) -> dict[str, Any]:
    """A policy; `whole`: with the members that lists leave out."""
    shown: dict[str, Any] = {
        "PolicyName": row.name,
        "PolicyId": row.id,
        "Arn": policy_arn_of(row),
        "Path": row.path,
        "DefaultVersionId": f"v{row.default_version}",
        "AttachmentCount": attachments,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "CreateDate": shared.time(row.created_at),
        "UpdateDate": shared.time(row.updated_at),
    }
    if whole:
        shown["Tags"] = shared.shown_tags(row.tags)
        if row.description:
            shown["Description"] = row.description
    return shown


def _aws_described(policy_arn: str, attachments: int) -> dict[str, Any]:
    path, _, name = policy_arn.partition(":policy")[2].rpartition("/")
    return {
        "PolicyName": name,
        "PolicyId": derived_id("ANPA", hashlib.sha256(policy_arn.encode()).digest(), 17),
        "Arn": policy_arn,
        "Path": f"{path}/",
        "DefaultVersionId": "v1",
        "AttachmentCount": attachments,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "CreateDate": shared.time(_AWS_MADE),
        "UpdateDate": shared.time(_AWS_MADE),
    }


def _version(number: int, is_default: bool, created_at: float, document: str | None = None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "VersionId": f"v{number}",
        "IsDefaultVersion": is_default,
        "CreateDate": shared.time(created_at),
    }
    if document is not None:
        shown["Document"] = shared.encoded(document)
    return shown


def _check(document: str) -> None:
    check_policy(document)
    if len("".join(document.split())) > _CHARACTERS:
        raise shared.limit_exceeded(f"Cannot exceed quota for PolicySize: {_CHARACTERS}")
