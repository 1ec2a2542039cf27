"""What is known so far about one request on its way through the chain."""

from dataclasses import dataclass, field

from bulb.core.calls import BodyStream, Call, Caller
from bulb.gateway.operations import Plan
from bulb.http.message import Request
from bulb.wire.sigv4 import Authorization


@dataclass(slots=True)
class Exchange:
    """Filled in by the steps in order: a field without a value is set by the step it names, and may be read after it.

    `request` is as sent, because that is what was signed; `plain` is the same with a compressed body unpacked.
    `service` and `operation` stay None until they are known, for the sake of errors that come before.
    """

    request: Request
    request_id: str
    now: float
    service: str | None = None
    operation: str | None = None
    at_site: bool = False
    authorization: Authorization | None = None
    secret: str | None = None
    plain: Request = field(init=False)  # identify
    protocol: str = field(init=False)  # identify
    plan: Plan = field(init=False)  # identify
    caller: Caller = field(init=False)  # authenticate
    region: str = field(init=False)  # authenticate
    body: BodyStream | bytes = field(init=False)  # open_body
    call: Call = field(init=False)  # parse
