"""Every runtime identifier Lambda knows, and what Bulb does with it.

The SDK's enum still lists every identifier there ever was; the service refuses retired ones on create and update. Three
states here: `RUN` (Bulb runs it, given an interpreter), `KNOWN` (functions can be created; invoking says that Bulb does
not run it yet), `DEPRECATED` (refused as AWS refuses it). Dates: November 2026; python3.10 is past its deprecation date
but not yet past the thirty days after which creating is blocked.
"""

import hashlib
from dataclasses import dataclass
from enum import Enum

from bulb.core.errors import AwsError, NotSupported


class State(Enum):
    """What becomes of a function that names the runtime."""

    RUN = "run"
    KNOWN = "known"
    DEPRECATED = "deprecated"


@dataclass(frozen=True, slots=True)
class Runtime:
    """One identifier (`python3.12`, `nodejs22.x`). `version` is the language's own (`3.12`, `22`)."""

    identifier: str
    family: str
    version: str
    state: State
    build: int = 1

    @property
    def label(self) -> str:
        """`python:3.12.v1`, as the INIT_START line names it."""
        return f"{self.family}:{self.version}.v{self.build}"

    @property
    def execution_env(self) -> str | None:
        """The value of AWS_EXECUTION_ENV; OS-only runtimes have none."""
        return None if self.family == "provided" else f"AWS_Lambda_{self.identifier}"

    def version_arn(self, region: str) -> str:
        """The runtime version ARN: always the same for one label."""
        return f"arn:aws:lambda:{region}::runtime:{hashlib.sha256(self.label.encode()).hexdigest()}"


def _family(family: str, suffix: str, state: State, *versions: str) -> list[Runtime]:
    return [Runtime(f"{family}{version}{suffix}", family, version, state) for version in versions]


# In the order of the service model's enum: the refusal of an unknown runtime prints it.
_ALL = (
    Runtime("nodejs", "nodejs", "0.10", State.DEPRECATED),
    *_family("nodejs", "", State.DEPRECATED, "4.3", "6.10", "8.10"),
    *_family("nodejs", ".x", State.DEPRECATED, "10", "12", "14", "16", "18"),
    *_family("nodejs", ".x", State.RUN, "20", "22", "24"),
    *_family("java", "", State.DEPRECATED, "8"),
    *_family("java", ".al2", State.KNOWN, "8"),
    *_family("java", "", State.RUN, "11", "17", "21", "25"),
    *_family("python", "", State.DEPRECATED, "2.7", "3.6", "3.7", "3.8", "3.9"),
    *_family("python", "", State.RUN, "3.10", "3.11", "3.12", "3.13", "3.14"),
    *_family("dotnetcore", "", State.DEPRECATED, "1.0", "2.0", "2.1", "3.1"),
    *_family("dotnet", "", State.DEPRECATED, "6"),
    *_family("dotnet", "", State.KNOWN, "8", "10"),
    *_family("nodejs", "-edge", State.DEPRECATED, "4.3"),
    *_family("go", ".x", State.DEPRECATED, "1"),
    *_family("ruby", "", State.DEPRECATED, "2.5", "2.7", "3.2"),
    *_family("ruby", "", State.KNOWN, "3.3", "3.4", "4.0"),
    Runtime("provided", "provided", "al1", State.DEPRECATED),
    Runtime("provided.al2", "provided", "al2", State.RUN),
    Runtime("provided.al2023", "provided", "al2023", State.RUN),
    *_family("nodejs", ".x", State.KNOWN, "26"),
    *_family("python", "", State.KNOWN, "3.15"),
    *_family("java", ".al2023", State.KNOWN, "8"),
    *_family("java", ".al2023", State.RUN, "11", "17"),
    Runtime("custom", "custom", "", State.KNOWN),
)
RUNTIMES = {runtime.identifier: runtime for runtime in _ALL}
_FAMILIES = list(dict.fromkeys(runtime.family for runtime in _ALL))
# What functions can be created with, a family after the other, as people read them.
CURRENT = tuple(
    sorted(
        (each for each in _ALL if each.state is not State.DEPRECATED and each.family != "custom"),
        key=lambda each: _FAMILIES.index(each.family),
    )
)
# Those that need an interpreter found on the machine; a function of an OS-only runtime brings its own program.
RUNNABLE = tuple(each for each in CURRENT if each.state is State.RUN and each.family != "provided")


def runtime(identifier: str) -> Runtime | None:
    """The runtime with this identifier, whatever its state."""
    return RUNTIMES.get(identifier)


def check_runtime(identifier: str) -> Runtime:
    """The runtime a function may be created with.

    Raises AwsError InvalidParameterValueException, in AWS's words, for an unknown or retired identifier, and
    NotSupported for customer-managed ones.
    """
    found = RUNTIMES.get(identifier)
    if found is None:
        names = ", ".join(RUNTIMES)
        raise AwsError(
            "InvalidParameterValueException",
            f"Value {identifier} at 'runtime' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{names}] or be a valid ARN",
        )
    if found.state is State.DEPRECATED:
        raise AwsError(
            "InvalidParameterValueException",
            f"The runtime parameter of {identifier} is no longer supported for creating or updating AWS Lambda "
            "functions. We recommend you use a supported runtime while creating or updating functions.",
        )
    if found.family == "custom":
        raise NotSupported("customer-managed runtimes (custom)")
    return found
