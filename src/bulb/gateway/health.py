"""Routes of the gateway itself: is it up, and what does it serve."""

from collections.abc import Mapping

import orjson

from bulb import __version__
from bulb.http.message import Handler, Request, Response

_JSON = [("content-type", "application/json")]


def health_routes(services: Mapping[str, object]) -> dict[str, Handler]:
    """`/_bulb/health`, and the same under the path that tools written for LocalStack poll until it answers."""

    async def health(request: Request) -> Response:
        if request.method not in {"GET", "HEAD"}:
            return Response(405, [("allow", "GET, HEAD")])
        state = {"services": dict.fromkeys(sorted(services), "running"), "edition": "bulb", "version": __version__}
        return Response(200, list(_JSON), orjson.dumps(state))

    return {"/_bulb/health": health, "/_localstack/health": health}
