"""Log groups: create, delete, describe, retention, protection."""

from typing import Any

from bulb.core.calls import Answer, Call
from bulb.core.errors import NotSupported
from bulb.services.logs.names import group_of, identified, invalid, named, token, untoken
from bulb.telemetry.log_store import LogStore
from bulb.telemetry.model import Group

_RETENTION_DAYS = frozenset(
    (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
)
_PAGE = 50


class Groups:
    """Operations on log groups."""

    _store: LogStore

    async def create_log_group(self, call: Call) -> Answer:
        """CreateLogGroup."""
        params = call.params
        if "kmsKeyId" in params:
            raise NotSupported("encrypting log groups with a KMS key")
        log_class = params.get("logGroupClass", "STANDARD")
        if log_class != "STANDARD":
            raise NotSupported(f"log groups of the class {log_class}")
        await self._store.create_group(
            named(call, params["logGroupName"]),
            log_class=log_class,
            is_protected=params.get("deletionProtectionEnabled", False),
            tags=params.get("tags", {}),
        )
        return {}

    async def delete_log_group(self, call: Call) -> Answer:
        """DeleteLogGroup."""
        await self._store.delete_group(named(call, call.params["logGroupName"]))
        return {}

    async def describe_log_groups(self, call: Call) -> Answer:
        """DescribeLogGroups, by name."""
        params = call.params
        _refuse_linked(params)
        if params.get("logGroupIdentifiers"):
            if {"logGroupNamePrefix", "logGroupNamePattern", "nextToken"} & params.keys():
                raise invalid("logGroupIdentifiers cannot be combined with a prefix, a pattern or a token.")
            names = [identified(call, identifier) for identifier in params["logGroupIdentifiers"]]
            return {"logGroups": [_described(await self._store.group(name)) for name in names]}
        if params.get("logGroupNamePrefix") and params.get("logGroupNamePattern"):
            raise invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
        found, rest = await self._page(call, params.get("logGroupNamePrefix", ""), params.get("limit", _PAGE))
        return {"logGroups": [_described(group) for group in found], **rest}

    async def list_log_groups(self, call: Call) -> Answer:
        """ListLogGroups, by name. Its pattern is a plain part of a name or, with `^`, a beginning."""
        params = call.params
        _refuse_linked(params)
        for name in ("dataSources", "fieldIndexNames", "logGroupTags"):
            if params.get(name):
                raise NotSupported(f"ListLogGroups with {name}")
        pattern = params.get("logGroupNamePattern", "")
        if "|" in pattern or "^" in pattern[1:]:
            raise NotSupported("ListLogGroups with a regular expression")
        prefix = pattern[1:] if pattern.startswith("^") else ""
        found, rest = await self._page(call, prefix, params.get("limit", _PAGE), pattern="" if prefix else pattern)
        shown = [
            {"logGroupName": group.name, "logGroupArn": group.arn, "logGroupClass": group.log_class} for group in found
        ]
        return {"logGroups": shown, **rest}

    async def put_retention_policy(self, call: Call) -> Answer:
        """PutRetentionPolicy."""
        days = call.params["retentionInDays"]
        if days not in _RETENTION_DAYS:
            raise invalid(f"Invalid retention value: {days}. Valid values are {sorted(_RETENTION_DAYS)}")
        await self._store.set_retention(named(call, call.params["logGroupName"]), days)
        return {}

    async def delete_retention_policy(self, call: Call) -> Answer:
        """DeleteRetentionPolicy."""
        await self._store.set_retention(named(call, call.params["logGroupName"]), None)
        return {}

    async def put_log_group_deletion_protection(self, call: Call) -> Answer:
        """PutLogGroupDeletionProtection."""
        name = group_of(call)
        await self._store.set_protection(name, call.params["deletionProtectionEnabled"])
        return {}

    async def _page(
        self, call: Call, prefix: str, limit: int, *, pattern: str | None = None
    ) -> tuple[list[Group], dict[str, str]]:
        found = await self._store.describe_groups(
            call.account,
            call.region,
            prefix=prefix,
            pattern=pattern if pattern is not None else call.params.get("logGroupNamePattern", ""),
            log_class=call.params.get("logGroupClass"),
            after=untoken(call.params.get("nextToken"), str) or "",
            limit=limit + 1,
        )
        rest = {"nextToken": token(found[limit - 1].name)} if len(found) > limit else {}
        return found[:limit], rest


def _refuse_linked(params: dict[str, Any]) -> None:
    if params.get("includeLinkedAccounts") or params.get("accountIdentifiers"):
        raise NotSupported("log groups of linked accounts")


def _described(group: Group) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "logGroupName": group.name,
        "creationTime": group.created_ms,
        "metricFilterCount": 0,
        "arn": f"{group.arn}:*",
        "storedBytes": group.stored_bytes,
        "logGroupClass": group.log_class,
        "logGroupArn": group.arn,
        "deletionProtectionEnabled": group.is_protected,
    }
    if group.retention_days is not None:
        shown["retentionInDays"] = group.retention_days
    return shown
