"""What environments need from rooms above or beside them, each no bigger than its use."""

from collections.abc import Callable
from typing import Protocol

from bulb.core.facts import EnvironmentRef
from bulb.environments.model import FunctionSpec
from bulb.telemetry.events import Entry


class EnvironmentLog(Protocol):
    """Where one environment's output goes."""

    @property
    def is_full(self) -> bool:
        """Too much is waiting to be stored: stop reading the pipe for a moment."""

    def feed(self, data: bytes) -> None:
        """Bytes as they came out of the environment's log pipe, split anywhere."""

    def feed_extensions(self, data: bytes) -> None:
        """The same for the pipe the extensions write to."""

    def follow(self, follower: Callable[[Entry], None] | None) -> None:
        """Tell `follower` every event and every line from now on, in order."""

    def flush(self) -> None:
        """The writer is gone or paused: what is left of a line is a line."""

    def tail(self) -> bytes:
        """The last 4 KB of the current invocation's log."""


class LogBook(Protocol):
    """Who keeps the logs (telemetry)."""

    def open(self, environment: EnvironmentRef, options: FunctionSpec) -> EnvironmentLog:
        """The log of a new environment; its lines go to the group and stream the reference names.

        Of the options only log format and system log level matter here.
        """


class Lease(Protocol):
    """The right to run one invocation (invoke/concurrency.py)."""

    def release(self) -> None:
        """The invocation is over."""


class RoleCredentials(Protocol):
    """Credentials of a role session."""

    @property
    def access_key(self) -> str:
        """Access key id."""

    @property
    def secret(self) -> str:
        """Secret access key."""

    @property
    def token(self) -> str:
        """Session token."""


class Roles(Protocol):
    """Who issues execution-role credentials (identity)."""

    def issue(self, role_arn: str, session_name: str, duration_s: float, now: float) -> RoleCredentials:
        """A session of `role_arn` that is good for `duration_s` seconds from `now`."""
