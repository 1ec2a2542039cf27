"""What a function may be: pure decisions over the parameters of create and update, with AWS's messages.

The gateway has already held the parameters against the service model (types, lengths, patterns, enums). Here is what
the model does not say: limits of standard compute, which are tighter than the model's, reserved names, combinations.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bulb.core import limits
from bulb.core.errors import NotSupported
from bulb.runtimes.catalogue import check_runtime
from bulb.runtimes.variables import reserved_in
from bulb.services.lambda_ import errors, outside, snapstart
from bulb.services.lambda_.model import Code, Definition, FunctionRecord, Logging, key_of

MAX_TAGS = 50
MAX_TAG_KEY = 128
MAX_TAG_VALUE = 256
DEFAULT_LEVEL = "INFO"


@dataclass(frozen=True, slots=True)
class Draft:
    """A definition that lacks only its code."""

    name: str
    params: Mapping[str, Any]

    def with_code(self, code: Code, identity: str) -> Definition:
        """The definition of a new function, defaults filled in."""
        params = self.params
        return Definition(
            identity=identity,
            code=code,
            runtime=params["Runtime"],
            handler=params["Handler"],
            role=params["Role"],
            description=params.get("Description", ""),
            timeout_s=params.get("Timeout", 3),
            memory_mb=params.get("MemorySize", limits.MIN_MEMORY_MB),
            ephemeral_mb=params.get("EphemeralStorage", {}).get("Size", limits.MIN_TMP_MB),
            architecture=params.get("Architectures", ["x86_64"])[0],
            logging=logging(params.get("LoggingConfig", {}), Logging(log_group=f"/aws/lambda/{self.name}")),
            variables=variables(params.get("Environment")),
            snap_start=snapstart.applies(params.get("SnapStart", {})),
            tracing=params.get("TracingConfig", {}).get("Mode", "PassThrough"),
            vpc=outside.vpc(params.get("VpcConfig")),
            file_systems=outside.file_systems(params.get("FileSystemConfigs")),
            dead_letter=dead_letter(params),
        )


def draft(name: str, params: Mapping[str, Any], architectures: Sequence[str]) -> Draft:
    """What CreateFunction asks for, checked. `architectures` are those this machine runs.

    Raises InvalidParameterValueException and NotSupported.
    """
    if not params.get("Runtime") or not params.get("Handler"):
        raise errors.invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages."
        )
    check_limits(params)
    check_architecture(params, architectures)
    check_tags(params.get("Tags", {}))
    return Draft(name, params)


def merged(current: Definition, params: Mapping[str, Any], identity: str) -> Definition:
    """What UpdateFunctionConfiguration makes of `current`: members that are absent stay as they are.

    An Environment replaces the whole map; LoggingConfig is merged member by member.
    Raises InvalidParameterValueException and NotSupported.
    """
    check_limits(params)
    names = {
        "Runtime": "runtime",
        "Handler": "handler",
        "Role": "role",
        "Description": "description",
        "Timeout": "timeout_s",
        "MemorySize": "memory_mb",
    }
    changes: dict[str, Any] = {ours: params[name] for name, ours in names.items() if name in params}
    if "SnapStart" in params:
        changes["snap_start"] = snapstart.applies(params["SnapStart"])
    if "EphemeralStorage" in params:
        changes["ephemeral_mb"] = params["EphemeralStorage"]["Size"]
    if "Environment" in params:
        changes["variables"] = variables(params["Environment"])
    if "TracingConfig" in params:
        changes["tracing"] = params["TracingConfig"].get("Mode", current.tracing)
    if "VpcConfig" in params:
        changes["vpc"] = outside.vpc(params["VpcConfig"])
    if "FileSystemConfigs" in params:
        changes["file_systems"] = outside.file_systems(params["FileSystemConfigs"])
    if "DeadLetterConfig" in params:
        changes["dead_letter"] = dead_letter(params)
    if "LoggingConfig" in params:
        changes["logging"] = logging(params["LoggingConfig"], current.logging)
    return replace(current, identity=identity, **changes)


def check_limits(params: Mapping[str, Any]) -> None:
    """The limits of standard compute, where the model allows more."""
    if "Runtime" in params:
        check_runtime(params["Runtime"])
    _at_most("MemorySize", params.get("MemorySize"), limits.MAX_MEMORY_MB)
    _at_most("Timeout", params.get("Timeout"), limits.MAX_TIMEOUT_S)
    _at_most("EphemeralStorage", params.get("EphemeralStorage", {}).get("Size"), limits.MAX_TMP_MB)


def _at_most(member: str, value: int | None, limit: int) -> None:
    if value is not None and value > limit:
        raise errors.invalid(
            f"'{member}' value failed to satisfy constraint: Member must have value less than or equal to {limit}"
        )


def check_architecture(params: Mapping[str, Any], architectures: Sequence[str]) -> None:
    """Only what this machine can run. Raises NotSupported."""
    for wanted in params.get("Architectures", ()):
        if wanted not in architectures:
            raise NotSupported(f"Architectures {wanted} on this machine ({', '.join(architectures)})")


def variables(environment: Mapping[str, Any] | None) -> Mapping[str, str] | None:
    """The variables of an Environment: None when there is none, empty when it names none.

    Raises InvalidParameterValueException: reserved names, more than 4 KB.
    """
    if environment is None:
        return None
    values: Mapping[str, str] = environment.get("Variables") or {}
    if reserved := reserved_in(values):
        raise errors.invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    measured = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode()) > limits.ENVIRONMENT_BYTES:
        raise errors.invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided exceeded the 4KB limit. String measured: {measured}"
        )
    return dict(values)


def dead_letter(params: Mapping[str, Any]) -> str | None:
    """The target of the DeadLetterConfig; None when there is none or it is cleared with an empty one."""
    return (params.get("DeadLetterConfig") or {}).get("TargetArn") or None


def logging(config: Mapping[str, Any], current: Logging) -> Logging:
    """`current` with the members of a LoggingConfig. Levels default to INFO with JSON and do not exist with Text."""
    log_format = config.get("LogFormat", current.log_format)
    group = config.get("LogGroup", current.log_group)
    if log_format == "Text":
        if config.get("ApplicationLogLevel") or config.get("SystemLogLevel"):
            raise errors.invalid("ApplicationLogLevel and SystemLogLevel can only be set when LogFormat is JSON.")
        return Logging(group)
    return Logging(
        group,
        "JSON",
        config.get("ApplicationLogLevel") or current.application_log_level or DEFAULT_LEVEL,
        config.get("SystemLogLevel") or current.system_log_level or DEFAULT_LEVEL,
    )


def check_tags(tags: Mapping[str, str]) -> None:
    """Tags a function may carry. Raises InvalidParameterValueException."""
    if len(tags) > MAX_TAGS:
        raise errors.invalid("Number of tags exceeds resource tag limit.")
    for key, value in tags.items():
        if key.lower().startswith("aws:"):
            raise errors.invalid(f"Tag keys that begin with 'aws:' are reserved: {key}")
        if not 0 < len(key) <= MAX_TAG_KEY or len(value) > MAX_TAG_VALUE:
            raise errors.invalid(
                f"Tag keys have 1 to {MAX_TAG_KEY} characters, tag values at most {MAX_TAG_VALUE}: {key}"
            )


def check_publishable(latest: FunctionRecord, revision_id: str | None, code_sha256: str | None) -> None:
    """May `$LATEST` be published now, and is it what the caller thinks it is?

    Raises PreconditionFailedException, InvalidParameterValueException and ResourceConflictException.
    """
    check_updatable(latest, revision_id)
    if latest.state != "Active":
        raise errors.wrong_state(latest.state)
    current = latest.definition.code.sha256
    if code_sha256 and code_sha256 != current:
        raise errors.invalid(
            f"CodeSHA256 ({code_sha256}) is different from current CodeSHA256 in $LATEST ({current}). "
            "Please try again with the CodeSHA256 in $LATEST."
        )


def check_updatable(record: FunctionRecord, revision_id: str | None) -> None:
    """May this function be changed now? Raises PreconditionFailedException and ResourceConflictException."""
    if revision_id is not None and revision_id != record.revision_id:
        raise errors.stale_revision("GetFunction/GetAlias")
    if record.state == "Pending":
        raise errors.wrong_state(record.state)
    if record.update_status == "InProgress":
        raise errors.update_in_progress(key_of(record.ref))
