"""Versions: what `$LATEST` was when it was published."""

from bulb.core.calls import Answer, Call
from bulb.core.ids import request_id
from bulb.services.lambda_ import errors, names, paging, rules, unsupported, views
from bulb.services.lambda_.activation import Activator
from bulb.services.lambda_.model import FunctionRecord
from bulb.services.lambda_.options import LambdaOptions
from bulb.services.lambda_.store import LambdaStore


class VersionOperations:
    """The operations on the versions of a function."""

    def __init__(self, store: LambdaStore, activator: Activator, options: LambdaOptions) -> None:
        self._store = store
        self._activator = activator
        self._options = options

    async def publish_version(self, call: Call) -> Answer:
        """The next version, made from `$LATEST`; or the last one where nothing has changed since."""
        params = call.params
        unsupported.check_publish(params)
        key = names.latest_target(call)

        def decide(latest: FunctionRecord) -> FunctionRecord:
            rules.check_publishable(latest, params.get("RevisionId"), params.get("CodeSha256"))
            return latest

        def publish(latest: FunctionRecord, number: str) -> FunctionRecord:
            return latest.published(number, params.get("Description"), request_id(), call.now)

        version = await self._store.versions.publish(key, decide, publish, self._options.code_storage_bytes)
        if not version.is_settled:
            self._activator.begin(version.ref)
        return views.configuration(version, version.ref.version)

    async def list_versions_by_function(self, call: Call) -> Answer:
        """A page of versions, at most 50: `$LATEST`, then 1, 2, …"""
        key = names.target(call).key
        limit = paging.limit(call.params)
        after = paging.position(call.params.get("Marker"))
        found = await self._store.versions.of_function(key, after and after[1], limit + 1)
        if found is None:
            raise errors.function_not_found(key)
        shown = found[:limit]
        answer: Answer = {"Versions": [views.summary(record, record.ref.version) for record in shown]}
        if len(found) > limit:
            answer["NextMarker"] = paging.marker(key.name, shown[-1].ref.version)
        return answer
