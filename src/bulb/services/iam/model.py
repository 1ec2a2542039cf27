"""What IAM tells other rooms."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RoleRef:
    """A role that exists. `max_session_s` is the longest session."""

    id: str
    max_session_s: int
