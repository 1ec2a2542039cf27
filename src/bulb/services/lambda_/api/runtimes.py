"""Which build of its runtime a function runs on: Put- and GetRuntimeManagementConfig."""

from dataclasses import replace
from typing import Any

from bulb.core.calls import Answer, Call
from bulb.runtimes.catalogue import RUNTIMES
from bulb.services.lambda_ import errors, names, rules
from bulb.services.lambda_.model import LATEST, Definition, FunctionRecord, key_of
from bulb.services.lambda_.store import LambdaStore


class RuntimeOperations:
    """The operations on the runtime of a version."""

    def __init__(self, store: LambdaStore) -> None:
        self._store = store

    async def put_runtime_management_config(self, call: Call) -> Answer:
        """`Manual` pins the build there is; no other one can be had."""
        params = call.params
        target = names.target(call)
        mode, pin = params["UpdateRuntimeOn"], params.get("RuntimeVersionArn")
        if (mode == "Manual") != (pin is not None):
            raise errors.invalid("RuntimeVersionArn is given with the mode Manual and only then.")

        def decide(record: FunctionRecord) -> FunctionRecord:
            rules.check_updatable(record, None)
            current = RUNTIMES[record.definition.runtime].version_arn(call.region)
            if pin is not None and pin != current:
                raise errors.invalid(
                    f"The runtime version {pin} is not available for {record.definition.runtime}. "
                    f"The one that is here is {current}."
                )
            running = record.running and _managed(record.running, mode, pin)
            return replace(record, definition=_managed(record.definition, mode, pin), running=running)

        return _shown(await self._store.change(target.key.version(target.qualifier or LATEST), decide))

    async def get_runtime_management_config(self, call: Call) -> Answer:
        """The mode, and the build that is pinned."""
        target = names.target(call)
        record = await self._store.find(target.key.version(target.qualifier or LATEST))
        if record is None:
            raise errors.function_not_found(target.key, target.qualifier)
        return _shown(record)


def _managed(definition: Definition, mode: str, pin: str | None) -> Definition:
    return replace(definition, update_runtime_on=mode, runtime_pin=pin)


def _shown(record: FunctionRecord) -> dict[str, Any]:
    answer = {
        "UpdateRuntimeOn": record.definition.update_runtime_on,
        "FunctionArn": key_of(record.ref).qualified_arn(record.ref.version),
    }
    if record.definition.runtime_pin is not None:
        answer["RuntimeVersionArn"] = record.definition.runtime_pin
    return answer
