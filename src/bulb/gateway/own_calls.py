"""API calls that Bulb makes itself, in the name of a role: the courier `aws-call`.

An entry's attribute `call` says which `operation` of which `service` (by the names of the models), and `for` which
service principal (acting for `owner_arn`, if not for the source itself); `as_role` is the role, and the payload the
request as JSON (`own_requests.py`). The call goes the way of every request: parameters are checked against the model,
it is authorised where policies are enforced (the role must also let the service assume it), and then carried out. What
goes wrong becomes a refusal in the words of deliveries: throttling and failures of the server are worth another
attempt, everything else is not.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Protocol

from botocore import xform_name

from bulb.core.arn import Arn, parse_arn
from bulb.core.calls import Answer, Call, Caller
from bulb.core.errors import AwsError, NotSupported
from bulb.delivery.model import Refusal
from bulb.gateway.operations import OperationTable
from bulb.gateway.own_requests import parameters
from bulb.identity.sessions import role_id
from bulb.storage.outbox import Entry
from bulb.wire import constraints
from bulb.wire.catalog import SERVICES, Catalog, Service
from bulb.wire.errors import status_and_code
from bulb.wire.malformed import Malformed

_THROTTLED = ("Throttl", "TooManyRequests", "SlowDown", "RequestLimitExceeded", "OverLimit")
# Sessions are named by whom they serve. Nobody can sign with this key.
_ACCESS_KEY = "ASIABULBBULBBULBBULB"
_NO_ROLE = "The execution role does not allow {service} to assume it."


class Authorizer(Protocol):
    """Who may do what, where policies are enforced."""

    async def authorize(self, call: Call) -> None:
        """Raise the AwsError of a refusal."""

    async def lets_assume(self, role_arn: str, service: str, source_arn: str, source_account: str) -> bool:
        """May a service assume the role, acting for a resource of an account?"""


class OwnCalls:
    """Makes calls to `services`, the objects the gateway serves."""

    def __init__(self, services: Mapping[str, object], catalog: Catalog, authorizer: Authorizer | None) -> None:
        """Take `authorizer` where policies are enforced; `services` may be filled later."""
        self._services = services
        self._catalog = catalog
        self._operations = OperationTable(services, catalog)
        self._authorizer = authorizer
        self._models: dict[str, str] = {}

    def find(self, service: str, action: str) -> tuple[str, str] | None:
        """The model and operation that SDKs call `service` (`cloudwatchlogs`) and `action` (`putLogEvents`).

        None where AWS has no such action. Raises NotSupported for what AWS has and Bulb has not.
        """
        name = self._model(service)
        if name is None:
            raise NotSupported(f"the service {service} as a target")
        wanted = action.casefold()
        found = next((one for one in self._catalog.service(name).operation_names if one.casefold() == wanted), None)
        if found is None:
            return None
        if not hasattr(self._services[name], xform_name(found)):
            raise NotSupported(f"the operation {found} of the service {name} as a target")
        return name, found

    async def carry(self, entry: Entry, now: float) -> Refusal | None:
        """The courier: make the entry's call. Raises what is a failure of Bulb's own."""
        about = entry.attributes["call"]
        try:
            plan = self._operations.find(about["service"], about["operation"])
        except NotSupported as error:
            return Refusal("SDK_CLIENT_ERROR", error.message, error=error.code)
        service = plan.service
        try:
            params = parameters(service.operation(plan.operation), entry.payload)
            constraints.check(service, plan.operation, params)
            call = _call(entry, about, params, now)
            if (refusal := await self._refused_role(entry, about)) is not None:
                return refusal
            if self._authorizer is not None:
                await self._authorizer.authorize(call)
            answer = await plan.method(call)
        except Malformed as error:
            return Refusal("SDK_CLIENT_ERROR", str(error), error="ValidationException")
        except AwsError as error:
            return _refusal(service, error)
        await _drain(answer)
        return _failed_entry(answer)

    async def _refused_role(self, entry: Entry, about: Mapping[str, Any]) -> Refusal | None:
        if self._authorizer is None:
            return None
        role, source, principal = entry.attributes["as_role"], entry.attributes["source_arn"], about["for"]
        owner = about.get("owner_arn") or source
        if await self._authorizer.lets_assume(role, principal, owner, entry.attributes["account"]):
            return None
        return Refusal("NO_PERMISSIONS", _NO_ROLE.format(service=principal), error="AccessDeniedException")

    def _model(self, service: str) -> str | None:
        """The model of the service SDKs call so: its service id in one word."""
        if not self._models:
            for name in self._services:
                if name in SERVICES:
                    metadata = self._catalog.service(name).metadata
                    self._models[metadata["serviceId"].replace(" ", "").lower()] = name
        return self._models.get(service)


def _call(entry: Entry, about: Mapping[str, Any], params: dict[str, Any], now: float) -> Call:
    role = parse_arn(entry.attributes["as_role"])
    source = parse_arn(entry.attributes["source_arn"])
    assert role is not None and source is not None
    return Call(
        service=about["service"],
        operation=about["operation"],
        params=params,
        caller=_session(role, entry.delivery_id),
        region=source.region,
        request_id=entry.delivery_id,
        now=now,
        headers={},
        base_url="http://localhost",
        trace_header=entry.attributes.get("trace_header"),
    )


def _session(role: Arn, name: str) -> Caller:
    """The role's session in which a delivery is made."""
    arn = f"arn:aws:sts::{role.account}:assumed-role/{role.resource.rpartition('/')[2]}/{name}"
    return Caller(role.account, _ACCESS_KEY, arn, f"{role_id(str(role))}:{name}")


async def _drain(answer: Answer) -> None:
    """Nobody reads what an answer streams, but until it is read to its end the call is not over."""
    for value in answer.values():
        if hasattr(value, "__aiter__"):
            async for _ in value:
                pass


def _refusal(service: Service, error: AwsError) -> Refusal:
    status, code = status_and_code(service, error)
    if status == HTTPStatus.TOO_MANY_REQUESTS or any(word in code for word in _THROTTLED):
        return Refusal("THROTTLING", error.message, is_final=False, error=code)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Refusal("INTERNAL_ERROR", error.message, is_final=status == HTTPStatus.NOT_IMPLEMENTED, error=code)
    kinds: dict[int, str] = {HTTPStatus.FORBIDDEN: "NO_PERMISSIONS", HTTPStatus.NOT_FOUND: "NO_RESOURCE"}
    return Refusal(kinds.get(status, "ERROR_FROM_TARGET"), error.message, error=code)


def _failed_entry(answer: Answer) -> Refusal | None:
    """Requests with several entries are answered even where some of them failed."""
    entries = answer.get("Entries") or answer.get("Failed") or ()
    failed = next((one for one in entries if one.get("ErrorCode") or one.get("Code")), None)
    if failed is None:
        return None
    code = failed.get("ErrorCode") or failed["Code"]
    message = failed.get("ErrorMessage") or failed.get("Message") or code
    is_passing = any(word in code for word in (*_THROTTLED, "Internal"))
    return Refusal("ERROR_FROM_TARGET", message, is_final=not is_passing, error=code)
