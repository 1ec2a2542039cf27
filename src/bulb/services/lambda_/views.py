"""Records as the API shows them. Which members appear where is the contract: create, get and list differ."""

from typing import Any

from bulb.core.clock import lambda_timestamp
from bulb.runtimes.catalogue import RUNTIMES
from bulb.services.lambda_ import outside, snapstart
from bulb.services.lambda_.model import Definition, FunctionRecord, Logging, key_of

# AWS gives both the same words.
IN_PROGRESS_REASON = "The function is being created."
IN_PROGRESS_CODE = "Creating"
RESTORING_REASON = "The function is being restored."


def summary(record: FunctionRecord, qualifier: str | None = None) -> dict[str, Any]:
    """An item of ListFunctions: no State, no LastUpdateStatus, no RuntimeVersionConfig."""
    definition = record.definition
    shown: dict[str, Any] = {
        "FunctionName": record.ref.name,
        "FunctionArn": key_of(record.ref).qualified_arn(qualifier),
        "Runtime": definition.runtime,
        "Role": definition.role,
        "Handler": definition.handler,
        "CodeSize": definition.code.size,
        "Description": definition.description,
        "Timeout": definition.timeout_s,
        "MemorySize": definition.memory_mb,
        "LastModified": lambda_timestamp(record.last_modified),
        "CodeSha256": definition.code.sha256,
        "Version": record.ref.version,
        "TracingConfig": {"Mode": definition.tracing},
        "RevisionId": record.revision_id,
        "PackageType": "Zip",
        "Architectures": [definition.architecture],
        "EphemeralStorage": {"Size": definition.ephemeral_mb},
        "SnapStart": snapstart.view(record),
        "LoggingConfig": _logging(definition.logging),
    }
    shown.update(outside.shown(definition.vpc, definition.file_systems))
    if definition.layers:
        shown["Layers"] = [{"Arn": layer.arn, "CodeSize": layer.code.size} for layer in definition.layers]
    if definition.dead_letter is not None:
        shown["DeadLetterConfig"] = {"TargetArn": definition.dead_letter}
    if definition.variables is not None:
        shown["Environment"] = {"Variables": dict(definition.variables)}
    return shown


def configuration(record: FunctionRecord, qualifier: str | None = None) -> dict[str, Any]:
    """What create, get and update answer. The ARN ends with the qualifier where the caller gave one."""
    shown = summary(record, qualifier)
    shown["RuntimeVersionConfig"] = {"RuntimeVersionArn": _runtime_version_arn(record.definition, record.ref.region)}
    shown["State"] = record.state
    if record.is_restoring:
        shown["StateReason"] = RESTORING_REASON
        shown["StateReasonCode"] = "Restoring"
    elif record.state == "Pending":
        shown["StateReason"] = IN_PROGRESS_REASON
        shown["StateReasonCode"] = IN_PROGRESS_CODE
    elif record.state in ("Failed", "Inactive"):
        shown["StateReason"] = record.failure
        shown["StateReasonCode"] = "InternalError" if record.state == "Failed" else "InvalidConfiguration"
    if record.update_status is not None:
        shown["LastUpdateStatus"] = record.update_status
    if record.update_status == "InProgress":
        shown["LastUpdateStatusReason"] = IN_PROGRESS_REASON
        shown["LastUpdateStatusReasonCode"] = IN_PROGRESS_CODE
    elif record.update_status == "Failed":
        shown["LastUpdateStatusReason"] = record.failure
        shown["LastUpdateStatusReasonCode"] = "InternalError"
    return shown


def _logging(logging: Logging) -> dict[str, Any]:
    shown: dict[str, Any] = {"LogFormat": logging.log_format}
    if logging.application_log_level is not None:
        shown["ApplicationLogLevel"] = logging.application_log_level
    if logging.system_log_level is not None:
        shown["SystemLogLevel"] = logging.system_log_level
    shown["LogGroup"] = logging.log_group
    return shown


def _runtime_version_arn(definition: Definition, region: str) -> str:
    return RUNTIMES[definition.runtime].version_arn(region)
