"""UpdateFunctionCode."""

from dataclasses import replace

from bulb.core.calls import Answer, Call
from bulb.core.ids import request_id
from bulb.services.lambda_ import code_signing, errors, names, rules, unsupported, views
from bulb.services.lambda_.activation import Activator
from bulb.services.lambda_.attached import AttachedLayers
from bulb.services.lambda_.model import LATEST, Code, FunctionRecord, key_of
from bulb.services.lambda_.options import LambdaOptions
from bulb.services.lambda_.packages import Packages
from bulb.services.lambda_.store import LambdaStore


class CodeOperations:
    """The operation that replaces a function's package."""

    def __init__(
        self,
        store: LambdaStore,
        activator: Activator,
        packages: Packages,
        attached: AttachedLayers,
        options: LambdaOptions,
    ) -> None:
        self._store = store
        self._activator = activator
        self._packages = packages
        self._attached = attached
        self._options = options

    async def update_function_code(self, call: Call) -> Answer:
        """Answers InProgress; invocations keep the old code until it is Successful. A dry run changes nothing.

        With Publish the answer is the version that was made of the new code.
        """
        params = call.params
        ref = names.latest_target(call).version(LATEST)
        unsupported.check_code(params)
        if params.get("ImageUri"):
            raise errors.invalid("Please don't provide ImageUri when updating a function with packageType Zip.")
        rules.check_architecture(params, self._options.architectures)
        current = await self._store.find(ref)
        if current is None:
            raise errors.function_not_found(names.target(call).key)
        rules.check_updatable(current, params.get("RevisionId"))  # before the upload is unpacked; `decide` decides
        code_signing.check_deployable(await self._store.code_signing.of_function(key_of(ref)), key_of(ref))
        code = await self._packages.accept(call.caller.account, call.region, params)
        await self._attached.check_size(code, current.definition.layers)
        if params.get("Publish") and params.get("DryRun"):
            raise errors.invalid(
                "Publish and DryRun are mutually exclusive parameters. Please provide only one of the two parameters "
                "and try again."
            )

        def decide(record: FunctionRecord) -> FunctionRecord:
            rules.check_updatable(record, params.get("RevisionId"))
            return _with_code(record, code, params.get("Architectures"), call.now)

        if params.get("DryRun"):
            return views.configuration(replace(current, definition=decide(current).definition))
        if not params.get("Publish"):
            record = await self._store.change(ref, decide, self._options.code_storage_bytes)
            self._activator.begin(ref)
            return views.configuration(record)

        def publish(latest: FunctionRecord, number: str) -> FunctionRecord:
            return latest.published(number, None, request_id(), call.now)

        version = await self._store.versions.publish(key_of(ref), decide, publish, self._options.code_storage_bytes)
        for changed in (ref, version.ref):
            self._activator.begin(changed)
        return views.configuration(version, version.ref.version)


def _with_code(record: FunctionRecord, code: Code, architectures: list[str] | None, now: float) -> FunctionRecord:
    definition = replace(
        record.definition,
        identity=request_id(),
        code=code,
        architecture=architectures[0] if architectures else record.definition.architecture,
    )
    return record.updated(definition, request_id(), now)
