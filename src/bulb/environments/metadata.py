"""The metadata endpoint of an execution environment (2026-01-15): where it is, for whoever knows the token.

The address and the token are in every process's environment. There is one machine, so there is one zone: the first.
"""

import hmac

import orjson

from bulb.core.ids import hex_id
from bulb.environments.extensions_api import refusal
from bulb.http.message import Request, Response

PREFIX = "/2026-01-15/metadata/"
_PATH = PREFIX + "execution-environment"


class Metadata:
    """Answers for one generation of processes, which are told `token`."""

    def __init__(self, region: str) -> None:
        self.token = hex_id(64)
        self._document = orjson.dumps({"AvailabilityZoneID": f"{short_region(region)}-az1"})

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        if request.path != _PATH:
            return refusal(404, "NotFound", f"Unknown path: {request.path}")
        if request.method != "GET":
            return refusal(405, "MethodNotAllowed", f"Method {request.method} is not allowed")
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode("latin-1", "replace"), b"Bearer " + self.token.encode()):
            return refusal(401, "Unauthorized", "The token is missing or wrong")
        headers = [("content-type", "application/json"), ("cache-control", "private, max-age=43200, immutable")]
        return Response(200, headers, self._document)


def short_region(region: str) -> str:
    """A region as zone ids name it: `us-east-1` is `use1`, `ap-southeast-2` is `apse2`, `us-gov-west-1` is `usgw1`."""
    area, *directions, number = region.split("-")
    initials = "".join(_INITIALS.get(direction, direction[:1]) for direction in directions)
    return f"{area}{initials}{number}"


_INITIALS = {"northeast": "ne", "northwest": "nw", "southeast": "se", "southwest": "sw"}
