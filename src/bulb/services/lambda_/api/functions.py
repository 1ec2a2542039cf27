"""Create, read, change, delete: the configuration side of a function."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bulb.core.calls import Answer, Call
from bulb.core.ids import request_id
from bulb.services.lambda_ import code_signing, errors, names, paging, rules, snapstart, unsupported, views
from bulb.services.lambda_.activation import Activator
from bulb.services.lambda_.attached import AttachedLayers
from bulb.services.lambda_.downloads import CodeDownloads
from bulb.services.lambda_.event_configs import check_dead_letter, dead_letter_action
from bulb.services.lambda_.mappings import EventSources
from bulb.services.lambda_.model import LATEST, FunctionKey, FunctionRecord
from bulb.services.lambda_.options import LambdaOptions
from bulb.services.lambda_.packages import Packages
from bulb.services.lambda_.store import LambdaStore


class FunctionOperations:
    """The operations on a function and its configuration."""

    def __init__(
        self,
        store: LambdaStore,
        activator: Activator,
        packages: Packages,
        downloads: CodeDownloads,
        attached: AttachedLayers,
        sources: EventSources,
        options: LambdaOptions,
    ) -> None:
        self._store = store
        self._activator = activator
        self._packages = packages
        self._downloads = downloads
        self._attached = attached
        self._sources = sources
        self._options = options

    async def create_function(self, call: Call) -> Answer:
        """Answers Pending; the function becomes Active in the background."""
        params = call.params
        target = names.target(call)
        if target.qualifier is not None:
            raise errors.invalid("A function is created without a version or an alias in its name.")
        unsupported.check_configuration(params)
        check_dead_letter(params.get("DeadLetterConfig"), self._options.destinations)
        draft = rules.draft(target.key.name, params, self._options.architectures)
        await self._check_role(params, None)
        ref = target.key.version(LATEST)
        if await self._store.find(ref) is not None:  # before the upload is unpacked; `create` decides
            raise errors.already_exists(target.key)
        if (signing := params.get("CodeSigningConfigArn")) is not None:
            if (config := await self._store.code_signing.find(signing)) is None:
                raise code_signing.cannot_attach(signing)
            code_signing.check_deployable(config, target.key)
        layers = await self._attached.chosen(call) or ()
        code = await self._packages.accept(call.caller.account, call.region, params["Code"])
        await self._attached.check_size(code, layers)
        definition = replace(draft.with_code(code, request_id()), layers=layers)
        snapstart.check(definition, self._options.no_snapshots)
        record = FunctionRecord(ref, request_id(), call.now, definition)
        first = record.published("1", None, request_id(), call.now) if params.get("Publish") else None
        await self._store.create(record, params.get("Tags", {}), call.now, self._options.code_storage_bytes, first)
        if signing is not None:
            await self._store.code_signing.attach(target.key, signing)
        self._activator.begin(ref)
        if first is None:
            return views.configuration(record)
        self._activator.begin(first.ref)
        return views.configuration(first, first.ref.version)

    async def get_function(self, call: Call) -> Answer:
        """The configuration, a link to the code, and the tags if there are any."""
        target, record = await self._find(call)
        answer: Answer = {
            "Configuration": views.configuration(record, target.qualifier),
            "Code": {
                "RepositoryType": "S3",
                **self._downloads.location(call.base_url, record.definition.code),
            },
        }
        if tags := await self._store.tags(target.key):
            answer["Tags"] = tags
        function = await self._store.concurrency.find(target.key)
        if function is not None and function.reserved is not None:
            answer["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved}
        return answer

    async def get_function_configuration(self, call: Call) -> Answer:
        """The configuration."""
        target, record = await self._find(call)
        return views.configuration(record, target.qualifier)

    async def list_functions(self, call: Call) -> Answer:
        """A page of functions by name, at most 50."""
        every_version = call.params.get("FunctionVersion") == "ALL"
        if (master := call.params.get("MasterRegion")) is not None:
            if not every_version:
                raise errors.invalid("FunctionVersion must be set to ALL if MasterRegion is specified")
            if master != "ALL":
                return {"Functions": []}  # Lambda@Edge copies of another region's functions: there are none
        limit = paging.limit(call.params)
        after = paging.position(call.params.get("Marker"))
        records = await self._store.versions.of_account(call.account, call.region, after, limit + 1, every_version)
        shown = records[:limit]
        answer: Answer = {
            "Functions": [views.summary(record, record.ref.version if every_version else None) for record in shown]
        }
        if len(records) > limit:
            answer["NextMarker"] = paging.marker(shown[-1].ref.name, shown[-1].ref.version)
        return answer

    async def update_function_configuration(self, call: Call) -> Answer:
        """Answers InProgress; invocations keep the old configuration until it is Successful."""
        params = call.params
        key = names.latest_target(call)
        unsupported.check_configuration(params)
        check_dead_letter(params.get("DeadLetterConfig"), self._options.destinations)
        layers = await self._attached.chosen(call)
        current = await self._store.find(key.version(LATEST))
        await self._check_role(params, current)
        if current is not None:
            await self._packages.check(current.definition.code)
            await self._check_sources(key, params.get("Timeout"))
        if layers and current is not None:
            await self._attached.check_size(current.definition.code, layers)
            code_signing.check_deployable(await self._store.code_signing.of_function(key), key)

        def decide(record: FunctionRecord) -> FunctionRecord:
            rules.check_updatable(record, params.get("RevisionId"))
            definition = rules.merged(record.definition, params, request_id())
            if layers is not None:
                definition = replace(definition, layers=layers)
            snapstart.check(definition, self._options.no_snapshots)
            return record.updated(definition, request_id(), call.now)

        record = await self._store.change(key.version(LATEST), decide)
        self._activator.begin(record.ref)
        return views.configuration(record)

    async def delete_function(self, call: Call) -> Answer:
        """Removes the function with everything attached to it, or one version; log groups and triggers stay."""
        target = names.target(call)
        if target.qualifier == LATEST:
            raise errors.invalid("$LATEST version cannot be deleted without deleting the function.")
        if target.qualifier is not None:
            await self._delete_version(target.key, target.qualifier)
        else:
            self._activator.removed(await self._store.delete(target.key))
        return {"StatusCode": 204}

    async def _delete_version(self, key: FunctionKey, version: str) -> None:
        if not version.isdecimal():
            raise errors.invalid("Deletion of aliases is not currently supported.")
        ref = key.version(version)
        if await self._store.versions.delete(ref):
            self._activator.removed([ref])

    async def _check_role(self, params: Mapping[str, Any], current: FunctionRecord | None) -> None:
        """Raises InvalidParameterValueException for a role that Lambda is not let into, or that may not send to the
        dead-letter target. `current` keeps its role where none is given.
        """
        role, roles = params.get("Role"), self._options.roles
        if roles is None:
            return
        if role and not await roles.lets_assume(role, "lambda.amazonaws.com"):
            raise errors.invalid("The role defined for the function cannot be assumed by Lambda.")
        role = role or (current.definition.role if current is not None else None)
        target = (params.get("DeadLetterConfig") or {}).get("TargetArn")
        if target and role:
            action, service = dead_letter_action(target)
            if not await roles.role_may(role, action, target):
                name = action.partition(":")[2]
                raise errors.invalid(
                    f"The provided execution role does not have permissions to call {name} on {service}"
                )

    async def _check_sources(self, key: FunctionKey, timeout_s: int | None) -> None:
        """What `$LATEST` is fed by must leave it so much time. Raises InvalidParameterValueException."""
        if timeout_s is None:
            return
        for mapping in await self._store.mappings.of_function(key):
            source = self._sources.find(mapping.kind)
            if source is None or not mapping.is_read:
                continue
            meant = await self._store.find_qualified(key, mapping.qualifier)
            if meant is not None and meant.ref.version == LATEST:
                await source.check_timeout(mapping, timeout_s)

    async def _find(self, call: Call) -> tuple[names.Target, FunctionRecord]:
        target = names.target(call)
        record = await self._store.find_qualified(target.key, target.qualifier)
        if record is None:
            raise errors.function_not_found(target.key, target.qualifier)
        return target, record
