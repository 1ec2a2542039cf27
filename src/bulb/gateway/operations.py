"""Which method of which service object carries out an operation: looked up once, then remembered."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from botocore import xform_name

from bulb.core.calls import Operation
from bulb.core.errors import AwsError, NotSupported
from bulb.http.message import Request
from bulb.wire.catalog import Catalog, Service
from bulb.wire.hosts import effective_path

# Not in S3's model: the upload of an HTML form (AWS documents it as "POST Object").
POST_OBJECT = "PostObject"
# What links in notifications do: the token, or the subscription's ARN, is in the link, and nobody signs it.
_LINKED = frozenset({("sns", "ConfirmSubscription"), ("sns", "Unsubscribe")})


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a request for one operation needs to know beforehand.

    `streams`: the body goes to the method as it arrives. `checked_body`: the body may be in signed chunks or carry
    checksums, so it is decoded by the wire even where it is small. `may_be_gzip`: clients compress large
    requests. `unsigned`: AWS asks no credentials for it.
    """

    service: Service
    operation: str
    method: Operation
    streams: bool
    checked_body: bool
    may_be_gzip: bool
    unsigned: bool


class OperationTable:
    """The operations of the services that are here. Plans are made on first use, when the service's model is loaded."""

    def __init__(self, services: Mapping[str, object], catalog: Catalog) -> None:
        """Take the service objects under the names of their models."""
        self.services = services
        self._catalog = catalog
        self._plans: dict[tuple[str, str], Plan] = {}

    def find(self, service: str, operation: str) -> Plan:
        """The plan of an operation. Raises NotSupported, naming both, when Bulb has no such service or operation.

        Its status is 501 because that is a server's failure no SDK tries again: botocore (legacy and standard modes)
        and the SDKs that share its rules retry 500, 502, 503 and 504, and no code that starts with NotImplemented.
        """
        plan = self._plans.get((service, operation))
        if plan is None:
            plan = self._plans[service, operation] = self._make(service, operation)
        return plan

    def _make(self, service: str, operation: str) -> Plan:
        is_s3 = service == "s3"
        code = "NotImplemented" if is_s3 else "NotImplementedException"
        if service not in self.services:
            raise NotSupported(f"the service {service} (operation {operation})", code=code)
        method = getattr(self.services[service], xform_name(operation), None)
        if method is None:
            raise NotSupported(f"the operation {operation} of the service {service}", code=code)
        model = self._catalog.service(service)
        if operation == POST_OBJECT:
            # Its signature is inside the form, where S3 verifies it.
            return Plan(model, operation, method, streams=True, checked_body=False, may_be_gzip=False, unsigned=True)
        described = model.operation(operation)
        streams = described.wants_stream
        return Plan(
            model,
            operation,
            method,
            streams,
            checked_body=is_s3 or streams,
            may_be_gzip="requestcompression" in described.document,
            unsigned=described.document.get("authtype") == "none" or (service, operation) in _LINKED,
        )


def bucket_of(request: Request) -> str:
    """The bucket a form is posted to: the first segment of the path, or in the host."""
    path = effective_path(request.path, request.headers.get("host", ""))
    return unquote(path.removeprefix("/").partition("/")[0])


def unknown_route(path: str) -> AwsError:
    """No route of ours has this path."""
    return AwsError("ResourceNotFoundException", f"There is nothing at {path}", status=404)
