"""Credentials on demand: how a process asks for its execution role's, where it cannot be given them at its start.

Every AWS SDK knows the two variables and the document; it asks again before a session ends.
"""

import hmac
import secrets
from datetime import UTC, datetime

import orjson

from bulb.core.clock import Clock
from bulb.environments.incarnation import CREDENTIALS_PATH
from bulb.environments.model import FunctionSpec
from bulb.environments.ports import Roles
from bulb.http.message import Request, Response

_SESSION_S = 6 * 3600.0


class ContainerCredentials:
    """Answers for one process and its copies, which know the token."""

    def __init__(self, spec: FunctionSpec, roles: Roles, clock: Clock) -> None:
        self._spec = spec
        self._roles = roles
        self._clock = clock
        self._token = secrets.token_urlsafe(32)

    def variables(self, runtime_api: str) -> dict[str, str]:
        """What the process is told."""
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{runtime_api}{CREDENTIALS_PATH}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": self._token,
        }

    async def handle(self, request: Request) -> Response:
        """A fresh session of the role, to who has the token."""
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), self._token.encode()):
            return Response(403)
        now = self._clock.now()
        session = self._roles.issue(self._spec.role, self._spec.ref.name, _SESSION_S, now)
        document = {
            "AccessKeyId": session.access_key,
            "SecretAccessKey": session.secret,
            "Token": session.token,
            "Expiration": datetime.fromtimestamp(now + _SESSION_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return Response(200, [("content-type", "application/json")], orjson.dumps(document))
