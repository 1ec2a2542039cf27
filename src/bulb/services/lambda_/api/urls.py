"""The configurations of function URLs. What a URL does is in `urls/`."""

from typing import Any

from bulb.core.calls import Answer, Call
from bulb.core.clock import iso_millis
from bulb.services.lambda_ import errors, names, paging
from bulb.services.lambda_.options import LambdaOptions
from bulb.services.lambda_.store import LambdaStore
from bulb.services.lambda_.urls import cors
from bulb.services.lambda_.urls.address import address
from bulb.services.lambda_.urls.model import FunctionUrl, new_id

_NO_FUNCTION = "Function does not exist"


class UrlOperations:
    """The operations on the URLs of a function and its aliases."""

    def __init__(self, store: LambdaStore, options: LambdaOptions) -> None:
        self._store = store
        self._domain = options.url_domain

    async def create_function_url_config(self, call: Call) -> Answer:
        """A URL for the function or the alias. Answers InvokeMode only to callers who name one."""
        params, target = call.params, names.target(call)
        cors.check(params.get("Cors"))
        new = FunctionUrl(
            key=target.key,
            alias=target.qualifier,
            url_id=new_id(),
            auth_type=params["AuthType"],
            created_at=call.now,
            last_modified=call.now,
            cors=params.get("Cors") or None,
            invoke_mode=params.get("InvokeMode"),
        )

        def decide(exists: bool, before: FunctionUrl | None) -> FunctionUrl:
            if not exists:
                raise errors.not_found(_NO_FUNCTION)
            if before is not None:
                raise errors.conflict(
                    f"Failed to create function url config for [functionArn = {target.arn}]. "
                    "Error message:  FunctionUrlConfig exists for this Lambda function"
                )
            return new

        await self._store.urls.change(target.key, target.qualifier, decide)
        shown = self._shown(call, new)
        del shown["LastModifiedTime"]
        return shown if "InvokeMode" in params else _without_mode(shown)

    async def update_function_url_config(self, call: Call) -> Answer:
        """Absent members stay as they are; an empty Cors removes it."""
        params, target = call.params, names.target(call)
        cors.check(params.get("Cors"))

        def decide(exists: bool, before: FunctionUrl | None) -> FunctionUrl:
            if not exists:
                raise errors.not_found(_NO_FUNCTION)
            if before is None:
                raise errors.no_such_resource()
            return before.updated(params, call.now)

        url = await self._store.urls.change(target.key, target.qualifier, decide)
        assert url is not None
        shown = self._shown(call, url)
        return shown if url.invoke_mode is not None else _without_mode(shown)

    async def get_function_url_config(self, call: Call) -> Answer:
        """One configuration."""
        target = names.target(call)
        url = await self._store.urls.find(target.key, target.qualifier)
        if url is None:
            raise errors.no_such_resource()
        return self._shown(call, url)

    async def delete_function_url_config(self, call: Call) -> Answer:
        """The URL is no more; what its policy says stays."""
        target = names.target(call)

        def decide(exists: bool, before: FunctionUrl | None) -> None:
            if before is None:
                raise errors.no_such_resource()

        await self._store.urls.change(target.key, target.qualifier, decide)
        return {}

    async def list_function_url_configs(self, call: Call) -> Answer:
        """A page of the function's configurations: its own, then those of its aliases by name."""
        params, key = call.params, names.target(call).key
        limit = paging.limit(params)
        after = paging.position(params.get("Marker"))
        found = await self._store.urls.page(key, after and after[1], limit + 1)
        if found is None:
            raise errors.not_found(_NO_FUNCTION)
        answer: Answer = {"FunctionUrlConfigs": [self._shown(call, url) for url in found[:limit]]}
        if len(found) > limit:
            answer["NextMarker"] = paging.marker(key.name, found[limit - 1].alias or "")
        return answer

    def _shown(self, call: Call, url: FunctionUrl) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "FunctionUrl": address(url.url_id, url.key.region, call.base_url, self._domain),
            "FunctionArn": url.arn,
            "AuthType": url.auth_type,
            "CreationTime": iso_millis(url.created_at),
            "LastModifiedTime": iso_millis(url.last_modified),
            "InvokeMode": url.invoke_mode or "BUFFERED",
        }
        if url.cors is not None:
            shown["Cors"] = dict(url.cors)
        return shown


def _without_mode(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if name != "InvokeMode"}
