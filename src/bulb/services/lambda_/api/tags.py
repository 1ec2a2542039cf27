"""Tags of functions."""

from collections.abc import Mapping

from bulb.core.arn import parse_arn
from bulb.core.calls import Answer, Call
from bulb.core.errors import NotSupported
from bulb.services.lambda_ import errors, rules
from bulb.services.lambda_.model import FunctionKey, FunctionRecord, key_of
from bulb.services.lambda_.store import LambdaStore, Tags


class TagOperations:
    """The operations on the tags of a function."""

    def __init__(self, store: LambdaStore) -> None:
        self._store = store

    async def tag_resource(self, call: Call) -> Answer:
        """Adds to the tags there are. Refused while an update is in progress."""
        key = _function(call)
        new: Mapping[str, str] = call.params["Tags"]
        if not new:
            raise errors.invalid("An error occurred and the request cannot be processed.")

        def decide(record: FunctionRecord, tags: Tags) -> Tags:
            if record.update_status == "InProgress":
                raise errors.update_in_progress(key_of(record.ref))
            merged = {**tags, **new}
            rules.check_tags(merged)
            return merged

        await self._store.change_tags(key, decide)
        return {}

    async def untag_resource(self, call: Call) -> Answer:
        """Removes tags; one that is not there is no error."""
        gone = set(call.params["TagKeys"])

        def decide(record: FunctionRecord, tags: Tags) -> Tags:
            return {name: value for name, value in tags.items() if name not in gone}

        await self._store.change_tags(_function(call), decide)
        return {}

    async def list_tags(self, call: Call) -> Answer:
        """All tags."""
        key = _function(call)
        tags = await self._store.tags(key)
        if tags is None:
            raise errors.function_not_found(key)
        return {"Tags": tags}


def _function(call: Call) -> FunctionKey:
    """The function of the Resource ARN. Raises for versions, aliases, other regions and accounts, other resources."""
    resource = call.params["Resource"]
    parsed = parse_arn(resource)
    kind, _, rest = parsed.resource.partition(":") if parsed else ("", "", "")
    if parsed is None or not rest:
        raise errors.validation(
            f"Value '{resource}' at 'resource' failed to satisfy constraint: Member must be the ARN of a function"
        )
    if kind != "function":
        raise NotSupported(f"tags of {kind}")
    name, _, qualifier = rest.partition(":")
    if qualifier:
        raise errors.invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")
    if parsed.region != call.region:
        raise errors.not_found(f"Functions from '{parsed.region}' are not reachable in this region ('{call.region}')")
    if parsed.account != call.account:
        raise errors.access_denied()
    return FunctionKey(call.account, call.region, name)
