"""The values of the sandbox room: what is isolated, how tightly, and how it ended.

A sandbox only isolates, mounts, limits, watches and kills. What a function is told (its variables, its handler) goes
to the process through the sandbox's API socket and is nobody's business here.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from bulb.core.errors import BulbError
from bulb.core.limits import OPEN_FILES, PROCESSES

# Inside every private network namespace, so that both are constants a zygote may already know.
RUNTIME_PORT = 9001
ENDPOINT_PORT = 4566
# What a sandbox without a function is allowed, until it is claimed.
BLANK_MEMORY_MB = 128
BLANK_TMP_MB = 512


class SandboxError(BulbError):
    """A sandbox could not be made or changed; the text names the step that failed."""


class LaunchError(SandboxError):
    """A program could not be started inside. `number` is the errno; `program` what was tried, None if none exists."""

    def __init__(self, number: int, program: str | None) -> None:
        super().__init__(f"{program or 'no program'} could not be started: {os.strerror(number)}")
        self.number = number
        self.program = program


class Rung(StrEnum):
    """How well this machine lets us isolate, best first."""

    FULL = "full"
    USERNS = "userns"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Image:
    """What the root of one runtime contains, and what runs in it.

    `language` appears at /var/lang and `runtime` at /var/runtime, read-only. `command` is the argument vector inside.
    With `forks` it is a Python interpreter that is started once: it calls `prepare` ("module:function", found in
    /var/runtime), and each sandbox is a fork of it that calls `run(api_fd)`, which never returns. Without `forks` every
    sandbox executes `command`, its API socket being descriptor 3. `environment` is the whole environment of both:
    nothing of the server's own leaks in. With `supervised` nothing runs in any of its sandboxes until the supervisor is
    told to start it (`Sandbox.spawn`).
    """

    name: str
    language: Path
    runtime: Path
    command: tuple[str, ...]
    prepare: str | None
    run: str | None
    forks: bool
    environment: Mapping[str, str]
    supervised: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What one sandbox may use. Megabytes are 1,048,576 bytes. `processes` counts threads too."""

    memory_mb: int
    tmp_mb: int
    processes: int = PROCESSES
    open_files: int = OPEN_FILES


BLANK_LIMITS = Limits(memory_mb=BLANK_MEMORY_MB, tmp_mb=BLANK_TMP_MB)


@dataclass(frozen=True, slots=True)
class Code:
    """What a function brings: `task` for /var/task, `opt` (merged layers) for /opt; host directories."""

    task: Path
    opt: Path | None = None


@dataclass(frozen=True, slots=True)
class Exit:
    """How a sandbox's first process ended: `status` (its exit code) or `signal`, never both.

    `oom`: it was killed for using more memory than its limit. `failure`: the sandbox itself could not be completed, and
    why; the process never ran any code of the function. Times are seconds of CPU of everything inside, `max_rss` bytes.
    """

    status: int | None
    signal: int | None
    oom: bool = False
    max_rss: int = 0
    cpu_s: float = 0.0
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class RungReport:
    """What this machine gives, for `bulb status`: the rung, what it has, what it lacks, and why none better was taken.

    `cgroups` is the version that limits resources (1 or 2), None without limits. `egress` says whether functions reach
    other networks, `egress_reason` why (not).
    """

    rung: Rung
    has: tuple[str, ...]
    lacks: tuple[str, ...]
    reasons: Mapping[str, str] = field(default_factory=dict)
    cgroups: int | None = None
    egress: bool = False
    egress_reason: str = ""
