"""Frozen values of the Lambda room: a version of a function, what it is made of, its aliases and its policy."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, NamedTuple

from bulb.core.arn import arn
from bulb.core.facts import FunctionRef
from bulb.environments.model import LogFormat
from bulb.services.lambda_.outside import FileSystem, Vpc

LATEST = "$LATEST"

State = Literal["Pending", "Active", "Inactive", "Failed"]
UpdateStatus = Literal["InProgress", "Successful", "Failed"]


class FunctionKey(NamedTuple):
    """Which function, whatever the version."""

    account: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        """The unqualified ARN."""
        return arn("lambda", self.region, self.account, f"function:{self.name}")

    def qualified_arn(self, qualifier: str | None) -> str:
        """The ARN as a caller named it."""
        return self.arn if qualifier is None else f"{self.arn}:{qualifier}"

    def version(self, version: str) -> FunctionRef:
        """One version of it."""
        return FunctionRef(self.account, self.region, self.name, version)


def key_of(ref: FunctionRef) -> FunctionKey:
    """The function a version belongs to."""
    return FunctionKey(ref.account, ref.region, ref.name)


@dataclass(frozen=True, slots=True)
class Source:
    """A version of an object in S3, read on behalf of `account`."""

    account: str
    bucket: str
    key: str
    version: str


@dataclass(frozen=True, slots=True)
class Code:
    """A deployment package: the SHA-256 of the zip in hex and its size in bytes.

    The zip is a blob; with a `source` nothing is kept of it, and it is read from there.
    """

    digest: str
    size: int
    source: Source | None = None

    @property
    def kept_bytes(self) -> int:
        """What counts as code storage."""
        return self.size if self.source is None else 0

    @property
    def sha256(self) -> str:
        """Base64, as `CodeSha256` has it."""
        return base64.b64encode(bytes.fromhex(self.digest)).decode()


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer version as a function keeps it: it stays when the version is deleted."""

    arn: str
    code: Code


@dataclass(frozen=True, slots=True)
class Logging:
    """`LoggingConfig`. The levels are None with the Text format."""

    log_group: str
    log_format: LogFormat = "Text"
    application_log_level: str | None = None
    system_log_level: str | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """Code and configuration: what an environment is made from.

    `identity` is new with every definition, also when nothing differs: environments of another one are not reused.
    `variables` is None when the caller never sent an Environment. `runtime_pin` is the ARN of the only build of the
    runtime that will do.
    """

    identity: str
    code: Code
    runtime: str
    handler: str
    role: str
    logging: Logging
    description: str = ""
    timeout_s: int = 3
    memory_mb: int = 128
    ephemeral_mb: int = 512
    architecture: str = "x86_64"
    variables: Mapping[str, str] | None = None
    snap_start: bool = False
    dead_letter: str | None = None
    layers: tuple[Layer, ...] = ()
    tracing: str = "PassThrough"
    vpc: Vpc | None = None
    file_systems: tuple[FileSystem, ...] = ()
    update_runtime_on: str = "Auto"
    runtime_pin: str | None = None

    @property
    def codes(self) -> tuple[Code, ...]:
        """Every package it needs."""
        return (self.code, *(layer.code for layer in self.layers))

    @property
    def fingerprint(self) -> str:
        """Equal for definitions that differ in nothing a caller can see."""
        members = json.dumps(asdict(replace(self, identity="", update_runtime_on="", runtime_pin=None)), sort_keys=True)
        return hashlib.sha256(members.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class FunctionRecord:
    """One version of one function.

    `definition` is what the API shows, `running` what invocations use: None until the function is first Active, and
    the old one while an update is in progress. `failure` says why `state` is Failed or Inactive, or `update_status`
    Failed. Pending with something `running` is one that was Inactive and may be Active again.
    `published_from` of a numbered version is the fingerprint of the `$LATEST` it is a copy of.
    """

    ref: FunctionRef
    revision_id: str
    last_modified: float
    definition: Definition
    running: Definition | None = None
    state: State = "Pending"
    update_status: UpdateStatus | None = None
    failure: str | None = None
    published_from: str | None = None

    @property
    def is_settled(self) -> bool:
        """No background work is due."""
        return self.state != "Pending" and self.update_status != "InProgress"

    def updated(self, definition: Definition, revision_id: str, now: float) -> "FunctionRecord":
        """An update begins: the API shows `definition`, invocations keep the old one."""
        return replace(
            self, definition=definition, revision_id=revision_id, last_modified=now, update_status="InProgress"
        )

    def activated(self, revision_id: str) -> "FunctionRecord":
        """The definition is ready: invocations use it from now on."""
        return replace(
            self,
            running=self.definition,
            state="Active",
            update_status="Successful",
            failure=None,
            revision_id=revision_id,
        )

    def failed(self, failure: str, revision_id: str) -> "FunctionRecord":
        """The definition cannot be made ready. A function that ran before keeps running what it ran."""
        if self.running is None:
            return replace(self, state="Failed", update_status=None, failure=failure, revision_id=revision_id)
        if self.is_restoring:
            return replace(self, state="Inactive", failure=failure, revision_id=revision_id)
        return replace(self, update_status="Failed", failure=failure, revision_id=revision_id)

    @property
    def is_restoring(self) -> bool:
        """It was Inactive, and is being made ready again."""
        return self.state == "Pending" and self.running is not None

    def deactivated(self, lost: Code, failure: str, revision_id: str) -> "FunctionRecord":
        """Invocations cannot have `lost` any more; nothing changes when they use something else by now."""
        if self.state != "Active" or self.running is None or self.running.code != lost:
            return self
        return replace(self, state="Inactive", failure=failure, revision_id=revision_id)

    def restoring(self, revision_id: str) -> "FunctionRecord":
        """Somebody wants to invoke it: if it is Inactive, it may have become ready again."""
        return self if self.state != "Inactive" else replace(self, state="Pending", revision_id=revision_id)

    def published(self, number: str, description: str | None, revision_id: str, now: float) -> "FunctionRecord":
        """A version with this number, made from `$LATEST`.

        Active at once unless the code is still being made ready, or a snapshot has to be.

        An update of `$LATEST` that is under way does not hold it up: its code was unpacked when it was accepted.
        """
        definition = self.definition if description is None else replace(self.definition, description=description)
        ready = self.state == "Active" and self.update_status != "Failed" and not definition.snap_start
        return FunctionRecord(
            ref=key_of(self.ref).version(number),
            revision_id=revision_id,
            last_modified=now,
            definition=definition,
            running=definition if ready else None,
            state="Active" if ready else "Pending",
            update_status="Successful" if ready else None,
            published_from=self.definition.fingerprint,
        )


@dataclass(frozen=True, slots=True)
class Alias:
    """A name for a version. `weights` gives other versions their share of the invocations, each 0.0 to 1.0."""

    name: str
    version: str
    revision_id: str
    description: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)

    @property
    def versions(self) -> tuple[str, ...]:
        """Every version it may invoke, its own first."""
        return (self.version, *self.weights)


# What surrounds the statements AddPermission writes.
POLICY_HEAD: Mapping[str, Any] = {"Version": "2012-10-17", "Id": "default"}


@dataclass(frozen=True, slots=True)
class Policy:
    """A resource policy: its statements in order, and the other members of its document, as they appear there."""

    revision_id: str
    statements: tuple[Mapping[str, Any], ...]
    head: Mapping[str, Any] = field(default_factory=lambda: POLICY_HEAD)


@dataclass(frozen=True, slots=True)
class Usage:
    """What an account has in one region."""

    function_count: int
    code_bytes: int
