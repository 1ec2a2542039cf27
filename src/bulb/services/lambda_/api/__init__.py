"""The operations of Lambda that Bulb has. One that is not listed here is answered as not supported by the gateway."""

import inspect

from bulb.core.clock import Clock
from bulb.http.message import Request, Response
from bulb.invoke.model import AsyncInvoker, Invoker
from bulb.invoke.tracing import Traces
from bulb.services.lambda_.activation import Activator
from bulb.services.lambda_.allotments import Allotments
from bulb.services.lambda_.api.account import AccountOperations
from bulb.services.lambda_.api.aliases import AliasOperations
from bulb.services.lambda_.api.code import CodeOperations
from bulb.services.lambda_.api.code_signing import CodeSigningOperations
from bulb.services.lambda_.api.concurrency import ConcurrencyOperations
from bulb.services.lambda_.api.event_configs import EventConfigOperations
from bulb.services.lambda_.api.functions import FunctionOperations
from bulb.services.lambda_.api.invoke import InvokeOperations
from bulb.services.lambda_.api.layers import LayerOperations
from bulb.services.lambda_.api.mappings import MappingOperations
from bulb.services.lambda_.api.permissions import PermissionOperations
from bulb.services.lambda_.api.runtimes import RuntimeOperations
from bulb.services.lambda_.api.streaming import StreamOperations
from bulb.services.lambda_.api.tags import TagOperations
from bulb.services.lambda_.api.urls import UrlOperations
from bulb.services.lambda_.api.versions import VersionOperations
from bulb.services.lambda_.attached import AttachedLayers
from bulb.services.lambda_.catalog import Catalog
from bulb.services.lambda_.downloads import CodeDownloads
from bulb.services.lambda_.mapping_work import MappingWork
from bulb.services.lambda_.mappings import EventSources
from bulb.services.lambda_.options import LambdaOptions
from bulb.services.lambda_.packages import Packages
from bulb.services.lambda_.store import LambdaStore
from bulb.services.lambda_.urls.access import Callers, UrlAccess
from bulb.services.lambda_.urls.door import UrlDoor
from bulb.services.lambda_.urls.registry import UrlRegistry
from bulb.storage.blobs import BlobStore


class LambdaApi:
    """One coroutine an operation, each where its resource is; and what other rooms ask of this one."""

    def __init__(
        self,
        *,
        store: LambdaStore,
        blobs: BlobStore,
        packages: Packages,
        activator: Activator,
        catalog: Catalog,
        allotments: Allotments,
        invoker: Invoker,
        async_invoker: AsyncInvoker,
        sources: EventSources,
        traces: Traces,
        clock: Clock,
        options: LambdaOptions,
        callers: Callers | None = None,
    ) -> None:
        """`callers` weighs the policies of who signs requests at function URLs; None where policies are only stored."""
        self._downloads = CodeDownloads(blobs, options.code_url_key, clock)
        attached = AttachedLayers(store, packages)
        functions = FunctionOperations(store, activator, packages, self._downloads, attached, sources, options)
        code = CodeOperations(store, activator, packages, attached, options)
        self.mapping_work = MappingWork(store, sources, clock)
        mappings = MappingOperations(store, sources, self.mapping_work)
        invoke = InvokeOperations(catalog, invoker, async_invoker, traces)
        streaming = StreamOperations(catalog, invoker, traces)
        tags = TagOperations(store)
        layers = LayerOperations(store, packages, self._downloads, options)
        permissions = PermissionOperations(store)
        account = AccountOperations(store, allotments, options)
        code_signing = CodeSigningOperations(store)
        runtimes = RuntimeOperations(store)
        versions = VersionOperations(store, activator, options)
        aliases = AliasOperations(store)
        urls = UrlOperations(store, options)
        concurrency = ConcurrencyOperations(store, allotments, options)

        event_configs = EventConfigOperations(store, options)
        groups = (
            functions,
            code,
            invoke,
            streaming,
            tags,
            permissions,
            account,
            versions,
            aliases,
            urls,
            layers,
            mappings,
            code_signing,
            runtimes,
            concurrency,
            event_configs,
        )
        for group in groups:
            self._add(group)

        self.policy_of = permissions.policy_of
        access = UrlAccess(callers, one_permission=options.url_one_permission)
        self.url_door = UrlDoor(UrlRegistry(store), access, catalog, invoker, traces, options.url_domain)

    def _add(self, group: object) -> None:
        """Every public coroutine of a group is the operation of its name."""
        for name, method in inspect.getmembers(group, inspect.iscoroutinefunction):
            if not name.startswith("_"):
                setattr(self, name, method)

    async def code_download(self, request: Request) -> Response:
        """Serves `Code.Location` links; register it at `downloads.PATH`."""
        return await self._downloads.serve(request)
