"""Layers: publishing, reading and sharing them."""

from itertools import groupby

from bulb.core.calls import Answer, Call
from bulb.core.ids import request_id
from bulb.services.lambda_ import errors, layers, paging, permissions, unsupported
from bulb.services.lambda_.downloads import CodeDownloads
from bulb.services.lambda_.layers import LayerKey, LayerRef, LayerVersion
from bulb.services.lambda_.model import Policy
from bulb.services.lambda_.options import LambdaOptions
from bulb.services.lambda_.packages import Packages
from bulb.services.lambda_.store import LambdaStore


class LayerOperations:
    """The operations on layers and their policies."""

    def __init__(
        self, store: LambdaStore, packages: Packages, downloads: CodeDownloads, options: LambdaOptions
    ) -> None:
        self._store = store.layers
        self._packages = packages
        self._downloads = downloads
        self._options = options

    async def publish_layer_version(self, call: Call) -> Answer:
        """A new version under the next number, usable when this is answered."""
        params = call.params
        key = _own(call)
        unsupported.check_code(params["Content"])
        code = await self._packages.accept(call.account, call.region, params["Content"])

        def make(ref: LayerRef) -> LayerVersion:
            return LayerVersion(
                ref=ref,
                created_at=call.now,
                code=code,
                description=params.get("Description", ""),
                license_info=params.get("LicenseInfo"),
                runtimes=tuple(params.get("CompatibleRuntimes", ())),
                architectures=tuple(params.get("CompatibleArchitectures", ())),
            )

        new = await self._store.publish(key, make, self._options.code_storage_bytes)
        return layers.whole(new, self._downloads.location(call.base_url, new.code))

    async def get_layer_version(self, call: Call) -> Answer:
        """The version and a link to its zip."""
        return await self._shown(call, _ref(call))

    async def get_layer_version_by_arn(self, call: Call) -> Answer:
        """The same, by the version's ARN."""
        ref = layers.layer_ref(call.params["Arn"])
        if ref.key.region != call.region:
            raise errors.no_such_resource()
        return await self._shown(call, ref)

    async def list_layer_versions(self, call: Call) -> Answer:
        """A page of the versions of a layer, the latest first."""
        params = call.params
        after = paging.position(params.get("Marker"))
        key = layers.layer_key(call.account, call.region, params["LayerName"])
        found = [
            version
            for version in await self._store.versions(key)
            if _wanted(version, call) and (after is None or version.ref.version < paging.number(after[1]))
        ]
        limit = paging.limit(params)
        answer: Answer = {"LayerVersions": [layers.item(version) for version in found[:limit]]}
        if len(found) > limit:
            answer["NextMarker"] = paging.marker(key.name, str(found[limit - 1].ref.version))
        return answer

    async def list_layers(self, call: Call) -> Answer:
        """A page of the account's layers by name, each with its latest version that fits."""
        after = paging.position(call.params.get("Marker"))
        every = await self._store.of_account(call.account, call.region)
        fitting = [
            next(versions)
            for name, versions in groupby((of for of in every if _wanted(of, call)), lambda of: of.ref.key.name)
            if after is None or name > after[0]
        ]
        limit = paging.limit(call.params)
        answer: Answer = {"Layers": [_list_item(version) for version in fitting[:limit]]}
        if len(fitting) > limit:
            answer["NextMarker"] = paging.marker(fitting[limit - 1].ref.key.name, "")
        return answer

    async def delete_layer_version(self, call: Call) -> Answer:
        """Removes a version if it is there; functions that use it keep it."""
        await self._store.delete(_own_version(call))
        return {}

    async def add_layer_version_permission(self, call: Call) -> Answer:
        """One more statement, answered as JSON text."""
        params = call.params
        ref = _own_version(call)
        new = layers.statement(ref, params)
        revision_id = request_id()

        def decide(version: LayerVersion | None) -> Policy:
            if version is None:
                raise errors.not_found(layers.missing(ref))
            permissions.check_revision(version.policy, params.get("RevisionId"), "GetLayerPolicy")
            return permissions.added(version.policy, new, revision_id, None)

        await self._store.change_policy(ref, decide)
        return {"Statement": permissions.compact(new), "RevisionId": revision_id}

    async def remove_layer_version_permission(self, call: Call) -> Answer:
        """One statement less; with the last one the policy is gone."""
        params = call.params
        ref = _own_version(call)

        def decide(version: LayerVersion | None) -> Policy | None:
            if version is None:
                raise errors.not_found(layers.missing(ref))
            if version.policy is not None:
                permissions.check_revision(version.policy, params.get("RevisionId"), "GetLayerPolicy")
            return permissions.removed(version.policy, params["StatementId"], request_id(), None)

        await self._store.change_policy(ref, decide)
        return {}

    async def get_layer_version_policy(self, call: Call) -> Answer:
        """The policy as JSON text."""
        ref = _own_version(call)
        version = await self._store.find(ref)
        if version is None:
            raise errors.not_found(layers.missing(ref))
        if version.policy is None:
            raise errors.not_found("No policy is associated with the given resource.")
        return {"Policy": permissions.document(version.policy), "RevisionId": version.policy.revision_id}

    async def _shown(self, call: Call, ref: LayerRef) -> Answer:
        version = await self._store.find(ref)
        if ref.key.account != call.account and (version is None or not version.may_be_used_by(call.account)):
            raise layers.not_shared(call.caller.arn, ref)
        if version is None:
            raise errors.no_such_resource()
        return layers.whole(version, self._downloads.location(call.base_url, version.code))


def _ref(call: Call) -> LayerRef:
    key = layers.layer_key(call.account, call.region, call.params["LayerName"])
    return LayerRef(key, layers.check_version(call.params["VersionNumber"]))


def _own(call: Call) -> LayerKey:
    """The layer, which must be the caller's. Raises AccessDeniedException."""
    key = layers.layer_key(call.account, call.region, call.params["LayerName"])
    if key.account != call.account:
        raise errors.access_denied()
    return key


def _own_version(call: Call) -> LayerRef:
    return LayerRef(_own(call), layers.check_version(call.params["VersionNumber"]))


def _wanted(version: LayerVersion, call: Call) -> bool:
    return version.fits(call.params.get("CompatibleRuntime"), call.params.get("CompatibleArchitecture"))


def _list_item(version: LayerVersion) -> Answer:
    key = version.ref.key
    return {"LayerName": key.name, "LayerArn": key.arn, "LatestMatchingVersion": layers.item(version)}
