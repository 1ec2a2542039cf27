"""Which service and which operation a request means.

The service, from the strongest hint to the weakest: `X-Amz-Target`, an rpc-v2 path, the signature's scope, the query
protocol's `Version`, the host, Lambda's dated paths; S3 takes whatever is left, as unsigned path-style requests carry
nothing but a path. The operation then follows from what the service speaks.
"""

import re
from dataclasses import dataclass

from bulb.core.errors import AwsError
from bulb.http.message import Request
from bulb.wire.catalog import SERVICES, Catalog, Service
from bulb.wire.hosts import bucket_in_host, effective_path, service_in_host
from bulb.wire.malformed import Malformed
from bulb.wire.querystring import parse_items, parse_query

_SCOPE = re.compile(r"Credential=[^/,\s]+/\d{8}/[^/,\s]*/([^/,\s]+)/aws4_request")
_QUERY_SCOPE = re.compile(r"X-Amz-Credential=[^&]+?(?:%2F|/)([^&/%]+)(?:%2F|/)aws4_request", re.IGNORECASE)
_RPC_PATH = re.compile(r"/service/([^/]+)/operation/([^/]+)")
_DATED_PATH = re.compile(r"/20\d\d-\d\d-\d\d/")
FORM = "application/x-www-form-urlencoded"

_BY_TARGET_PREFIX = {facts.target_prefix: name for name, facts in SERVICES.items() if facts.target_prefix}
_QUERY_SERVICES = {name: facts for name, facts in SERVICES.items() if "query" in facts.protocols}
_BY_API_VERSION = {facts.api_version: name for name, facts in _QUERY_SERVICES.items()}
_SIGNED_AS: dict[str, list[str]] = {"s3express": ["s3"], "s3-object-lambda": ["s3"]}
for _name, _facts in SERVICES.items():
    _SIGNED_AS.setdefault(_facts.signing_name, []).append(_name)


@dataclass(frozen=True, slots=True)
class Target:
    """A recognised request. `protocol` is the one the client spoke, which is the one to answer in."""

    service: str
    operation: str
    s3_bucket_in_host: bool
    protocol: str


class UnknownTarget(AwsError):  # noqa: N818 - it says what the request has
    """No operation fits. `service` is the service's name where that much is known, to shape the answer."""

    def __init__(self, code: str, message: str, *, status: int, service: str | None) -> None:
        super().__init__(code, message, status=status)
        self.service = service


def identify(request: Request, catalog: Catalog, form: bytes | None = None) -> Target:
    """The request's target. Raises UnknownTarget.

    A query-protocol request names its operation in the body: `form` is that body where the caller has read it because
    `request.body.buffered` is None (see `needs_form`).
    """
    headers = request.headers
    if (target := headers.get("x-amz-target")) is not None:
        return _by_target_header(request, target, catalog)
    if "smithy-protocol" in headers and (match := _RPC_PATH.fullmatch(request.path)):
        return _by_rpc_path(request, match[1], match[2], catalog)
    signed = _signed_services(request)
    if signed is not None and signed[0] in _QUERY_SERVICES:
        return _by_action(request, _form(request, form), signed[0], catalog)
    if signed is None:
        action = _form(request, form)
        if "Action" in action and (name := _unsigned_query_service(request, action)):
            return _by_action(request, action, name, catalog)
    return _by_route(request, signed or _unsigned_services(request), catalog)


def needs_form(request: Request) -> bool:
    """Whether `identify` must be given the body: a form too large to have arrived with the head."""
    return is_form(request) and request.body.buffered is None


def is_form(request: Request) -> bool:
    """The body is an URL-encoded form."""
    return request.headers.get("content-type", "").startswith(FORM)


def spoken_protocol(service: Service, request: Request) -> str:
    """The protocol `request` is written in, among those `service` speaks."""
    protocols = service.facts.protocols
    if len(protocols) == 1:
        return protocols[0]
    if "x-amz-target" in request.headers:
        return "json"
    if "smithy-protocol" in request.headers:
        return "smithy-rpc-v2-cbor"
    return "query" if "query" in protocols else protocols[0]


def _by_target_header(request: Request, target: str, catalog: Catalog) -> Target:
    prefix, _, operation = target.rpartition(".")
    name = _BY_TARGET_PREFIX.get(prefix)
    if name is None:
        raise _no_service(_signed_as(request) or prefix, operation)
    if not catalog.service(name).has_operation(operation):
        raise _no_operation(name, operation, status=400)
    return Target(name, operation, False, "json")


def _by_rpc_path(request: Request, prefix: str, operation: str, catalog: Catalog) -> Target:
    name = _BY_TARGET_PREFIX.get(prefix)
    if name is None:
        raise _no_service(_signed_as(request) or prefix, operation)
    spoken = f"smithy-{request.headers['smithy-protocol']}"
    if spoken not in SERVICES[name].protocols or not catalog.service(name).has_operation(operation):
        raise _no_operation(name, operation, status=404)
    return Target(name, operation, False, spoken)


def _no_operation(service: str, operation: str, *, status: int) -> UnknownTarget:
    message = f"Unknown operation {service}:{operation[:100]}"
    return UnknownTarget("UnknownOperationException", message, status=status, service=service)


def _no_service(service: str, operation: str | None = None) -> UnknownTarget:
    """The refusal of a service whose model Bulb does not have, as of those whose model it has (`OperationTable`)."""
    what = f"{service[:60]} (operation {operation[:100]})" if operation else service[:60]
    message = f"Bulb does not support the service {what} yet."
    return UnknownTarget("NotImplementedException", message, status=501, service=None)


def _signed_as(request: Request) -> str | None:
    """The service in the signature's scope; None without a signature that has one."""
    if authorization := request.headers.get("authorization"):
        match = _SCOPE.search(authorization)
    elif "Credential=" in request.query:
        match = _QUERY_SCOPE.search(request.query)
    else:
        return None
    return match[1] if match is not None else None


def _signed_services(request: Request) -> list[str] | None:
    """The services of the signature's scope, or None without a signature. Raises UnknownTarget for one Bulb lacks."""
    signed_as = _signed_as(request)
    if signed_as is None:
        return None
    names = _SIGNED_AS.get(signed_as)
    if names is None:
        raise _no_service(signed_as)
    return names


def _form(request: Request, form: bytes | None) -> dict[str, str]:
    """The query protocol's parameters, from the query string and from the form."""
    try:
        items = parse_items(request.query) if "Action=" in request.query else []
        if is_form(request):
            body = form if form is not None else request.body.buffered or b""
            items = [*items, *parse_items(body.decode("utf-8"))]
    except (Malformed, UnicodeDecodeError) as error:
        raise AwsError("MalformedInput", "The request's parameters cannot be read.") from error
    return dict(items)


def _unsigned_query_service(request: Request, form: dict[str, str]) -> str | None:
    name = _BY_API_VERSION.get(form.get("Version", "")) or service_in_host(request.headers.get("host", ""))
    if name in _QUERY_SERVICES:
        return name
    # A queue's own URL takes actions without saying more.
    return "sqs" if "QueueUrl" in form else None


def _by_action(request: Request, form: dict[str, str], name: str, catalog: Catalog) -> Target:
    action = form.get("Action")
    version = form.get("Version", SERVICES[name].api_version)
    if action is None:
        code, message = "MissingAction", "The request must contain the parameter Action."
        if request.method == "GET" or is_form(request):
            raise UnknownTarget(code, message, status=400, service=name)
        raise UnknownTarget("UnknownOperationException", message, status=404, service=name)
    if version != SERVICES[name].api_version or not catalog.service(name).has_operation(action):
        message = f"Could not find operation {action[:100]} for version {version[:20]}"
        if name == "sqs":
            message = f"The action {action[:100]} is not valid for this endpoint."
        raise UnknownTarget("InvalidAction", message, status=400, service=name)
    return Target(name, action, False, "query")


def _unsigned_services(request: Request) -> list[str]:
    name = service_in_host(request.headers.get("host", ""))
    if name is None and _DATED_PATH.match(request.path):
        name = "lambda"
    return _SIGNED_AS[SERVICES[name].signing_name] if name else ["s3"]


def _by_route(request: Request, names: list[str], catalog: Catalog) -> Target:
    try:
        query = parse_query(request.query)
    except Malformed as error:
        raise UnknownTarget("InvalidRequest", str(error), status=400, service=names[0]) from error
    if names == ["s3"]:
        return _s3_target(request, query, catalog.service("s3"))
    for name in names:
        if SERVICES[name].protocols[0] != "rest-json":
            continue
        found = catalog.service(name).routes.match(request.method, request.path, query, request.headers)
        if found:
            return Target(name, found[0], False, "rest-json")
    message = f"No operation of {names[0]} answers {request.method} {request.path[:200]}"
    status = 404 if SERVICES[names[0]].protocols[0] == "rest-json" else 400
    raise UnknownTarget("UnknownOperationException", message, status=status, service=names[0])


def _s3_target(request: Request, query: dict[str, list[str]], s3: Service) -> Target:
    host = request.headers.get("host", "")
    in_host = bucket_in_host(host) is not None
    path = effective_path(request.path, host)
    if request.method == "POST" and request.headers.get("content-type", "").startswith("multipart/form-data"):
        return Target("s3", "PostObject", in_host, "rest-xml")
    found = s3.routes.match(request.method, path, query, request.headers)
    if not found:
        message = "The specified method is not allowed against this resource."
        raise UnknownTarget("MethodNotAllowed", message, status=405, service="s3")
    return Target("s3", _s3_twin(found, request, query), in_host, "rest-xml")


def _s3_twin(found: list[str], request: Request, query: dict[str, list[str]]) -> str:
    """Among operations with one and the same request, the one the client names or its signature tells."""
    said = query.get("x-id", [""])[0]
    if said in found:
        return said
    directory = "/s3express/" in request.headers.get("authorization", "")
    return next((name for name in found if ("Directory" in name) == directory), found[0])
