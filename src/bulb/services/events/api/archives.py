"""Archives."""

from typing import Any

from bulb.core.calls import Answer, Call
from bulb.services.events import rules
from bulb.services.events.api.base import Operations, moment, present, refuse_keys
from bulb.services.events.model import Archive, Kept
from bulb.services.events.names import place
from bulb.services.events.store.paging import check_filters

_ENABLED = "ENABLED"


class ArchiveOperations(Operations):
    """CreateArchive and those around it. An archive works from the answer on, so its state is always ENABLED."""

    async def create_archive(self, call: Call) -> Answer:
        """Keeps events of a bus from now on."""
        params = call.params
        refuse_keys(params)
        bus = rules.own_archive_bus(params["EventSourceArn"], call.account, call.region)
        if params.get("EventPattern"):
            rules.check_pattern(params["EventPattern"])
        archive = Archive(
            id=0,
            place=place(call, params["ArchiveName"]),
            bus=bus,
            retention_days=params.get("RetentionDays", 0),
            created_at=call.now,
            description=params.get("Description"),
            pattern=params.get("EventPattern") or None,
        )
        await self._store.archives.create(archive, rules.check_archive_room)
        return _answer(archive)

    async def describe_archive(self, call: Call) -> Answer:
        """One archive, and how much it has."""
        archive, kept = await self._store.archives.find(place(call, call.params["ArchiveName"]), call.now)
        own = present(Description=archive.description, EventPattern=archive.pattern)
        return {**_shown(archive, kept), "ArchiveArn": archive.arn, **own}

    async def update_archive(self, call: Call) -> Answer:
        """Changes what is given; events that are kept already stay, unless their retention has ended."""
        params = call.params
        refuse_keys(params)
        if params.get("EventPattern"):
            rules.check_pattern(params["EventPattern"])
        columns = {"Description": "description", "EventPattern": "pattern", "RetentionDays": "retention_days"}
        changed = {column: params[member] for member, column in columns.items() if member in params}
        if changed.get("pattern") == "":
            changed["pattern"] = None
        return _answer(await self._store.archives.change(place(call, params["ArchiveName"]), changed))

    async def delete_archive(self, call: Call) -> Answer:
        """The events in it go too."""
        await self._store.archives.delete(place(call, call.params["ArchiveName"]))
        return {}

    async def list_archives(self, call: Call) -> Answer:
        """By name."""
        params = call.params
        check_filters("ListArchives", params)
        if params.get("State", _ENABLED) != _ENABLED:
            return {"Archives": []}
        given = params.get("EventSourceArn")
        bus = rules.own_archive_bus(given, call.account, call.region) if given is not None else None
        found, token = await self._store.archives.listed(call.account, call.region, bus, params, call.now)
        return {"Archives": [_shown(*one) for one in found], **present(NextToken=token)}


def _answer(archive: Archive) -> Answer:
    return {"ArchiveArn": archive.arn, "State": _ENABLED, "CreationTime": moment(archive.created_at)}


def _shown(archive: Archive, kept: Kept) -> dict[str, Any]:
    return {
        "ArchiveName": archive.place.name,
        "EventSourceArn": archive.bus.arn,
        "State": _ENABLED,
        "RetentionDays": archive.retention_days,
        "SizeBytes": kept.size,
        "EventCount": kept.events,
        "CreationTime": moment(archive.created_at),
    }
