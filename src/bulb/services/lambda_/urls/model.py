"""A function URL, and a request that came to one."""

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from bulb.core.calls import Caller
from bulb.http.message import Request
from bulb.services.lambda_.model import FunctionKey

AuthType = Literal["NONE", "AWS_IAM"]
InvokeMode = Literal["BUFFERED", "RESPONSE_STREAM"]

ID_LENGTH = 32
_ID_CHARACTERS = string.ascii_lowercase + string.digits


def new_id() -> str:
    """32 letters and digits that nobody guesses."""
    return "".join(secrets.choice(_ID_CHARACTERS) for _ in range(ID_LENGTH))


@dataclass(frozen=True, slots=True)
class FunctionUrl:
    """The URL of a function, or of one of its aliases.

    `cors` is the API's `Cors`, None where there is none. `invoke_mode` is None until somebody names one.
    """

    key: FunctionKey
    alias: str | None
    url_id: str
    auth_type: AuthType
    created_at: float
    last_modified: float
    cors: Mapping[str, Any] | None = None
    invoke_mode: InvokeMode | None = None

    @property
    def arn(self) -> str:
        """What the URL invokes."""
        return self.key.qualified_arn(self.alias)

    def updated(self, params: Mapping[str, Any], now: float) -> "FunctionUrl":
        """What UpdateFunctionUrlConfig makes of it: absent members stay, an empty Cors is none."""
        return replace(
            self,
            auth_type=params.get("AuthType", self.auth_type),
            cors=(params["Cors"] or None) if "Cors" in params else self.cors,
            invoke_mode=params.get("InvokeMode", self.invoke_mode),
            last_modified=now,
        )


class Visit(Protocol):
    """A request for a URL, as the front door hands it over."""

    @property
    def request(self) -> Request:
        """As it was sent; `body` is replaced once it is read, because a signature covers it."""

    @property
    def path(self) -> str:
        """The path below the URL, percent-encoded as it was sent."""

    @property
    def name(self) -> str:
        """The URL's id, as the client wrote it."""

    @property
    def request_id(self) -> str:
        """Ours, for this request."""

    @property
    def now(self) -> float:
        """When it came."""

    @property
    def is_foreign(self) -> bool:
        """A page of another site made it, where nobody checks signatures."""

    async def authenticate(self, region: str) -> Caller | None:
        """Who signed it for Lambda in a region; None when nobody did. Its body must be read. Raises AwsError 4xx."""
