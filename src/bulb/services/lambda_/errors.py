"""Lambda's refusals, each with AWS's own text. Names follow the exceptions of the service model."""

from collections.abc import Sequence

from bulb.core.errors import AwsError
from bulb.core.facts import FunctionRef
from bulb.services.lambda_.model import FunctionKey


def invalid(message: str) -> AwsError:
    """InvalidParameterValueException."""
    return AwsError("InvalidParameterValueException", message)


def invalid_untyped(message: str) -> AwsError:
    """InvalidParameterValueException as a few refusals about aliases have it: without `Type`."""
    return AwsError("InvalidParameterValueException", message, members={"Type": None})


def validation(message: str) -> AwsError:
    """ValidationException, the front end's own."""
    return AwsError("ValidationException", f"1 validation error detected: {message}")


def invalid_content(message: str) -> AwsError:
    """InvalidRequestContentException."""
    return AwsError("InvalidRequestContentException", message)


def not_found(message: str) -> AwsError:
    """ResourceNotFoundException."""
    return AwsError("ResourceNotFoundException", message, status=404)


def function_not_found(key: FunctionKey, qualifier: str | None = None) -> AwsError:
    """The function, or the version or alias of it that was asked for, does not exist."""
    return not_found(f"Function not found: {key.qualified_arn(qualifier)}")


def alias_not_found(key: FunctionKey, alias: str) -> AwsError:
    """An alias where only an alias will do."""
    return not_found(f"Cannot find alias arn: {key.qualified_arn(alias)}")


def no_such_resource() -> AwsError:
    """The text of GetPolicy for anything that is missing."""
    return not_found("The resource you requested does not exist.")


def conflict(message: str) -> AwsError:
    """ResourceConflictException."""
    return AwsError("ResourceConflictException", message, status=409)


def already_exists(key: FunctionKey) -> AwsError:
    """CreateFunction with a name in use."""
    return conflict(f"Function already exist: {key.name}")


def update_in_progress(key: FunctionKey) -> AwsError:
    """An update while the last one has not finished."""
    return conflict(f"The operation cannot be performed at this time. An update is in progress for resource: {key.arn}")


def wrong_state(state: str) -> AwsError:
    """Invoking or changing a function that is not Active."""
    return conflict(
        f"The operation cannot be performed at this time. The function is currently in the following state: {state}"
    )


def snapshot_not_ready(ref: FunctionRef) -> AwsError:
    """Invoking a version whose snapshot is still being made."""
    return AwsError(
        "SnapStartNotReadyException",
        f"Lambda is initializing your function. It will be ready to invoke once your function state becomes ACTIVE: "
        f"{ref.arn}:{ref.version}",
        status=409,
    )


def stale_revision(read_with: str) -> AwsError:
    """PreconditionFailedException; `read_with` names the operation that tells the latest revision."""
    return AwsError(
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. "
        f"Call the {read_with} API to retrieve the latest Revision Id",
        status=412,
    )


def version_in_use(aliases: Sequence[str]) -> AwsError:
    """A version that aliases point to cannot be deleted."""
    named = ", ".join(aliases)
    return conflict(f"Unable to delete version because the following aliases reference it: [{named}]")


def invalid_token() -> AwsError:
    """A Marker that no list of ours gave out."""
    return invalid("The pagination token is invalid.")


def provision_not_found() -> AwsError:
    """Nothing is provisioned for this version or alias."""
    return AwsError(
        "ProvisionedConcurrencyConfigNotFoundException",
        "No Provisioned Concurrency Config found for this function",
        status=404,
    )


def entity_too_large(message: str) -> AwsError:
    """RequestEntityTooLargeException, the front end's own 413."""
    return AwsError("RequestEntityTooLargeException", message, status=413)


def payload_too_large(size: int, invocation_type: str, limit: int) -> AwsError:
    """An event over the limit of its invocation type."""
    return AwsError(
        "RequestTooLargeException",
        f"{size} byte payload is too large for the {invocation_type} invocation type (limit {limit} bytes)",
        status=413,
    )


def code_storage_exceeded() -> AwsError:
    """The account's code storage is used up."""
    return AwsError("CodeStorageExceededException", "Code storage limit exceeded.")


def access_denied() -> AwsError:
    """A function of another account; the service says nothing more."""
    return AwsError("AccessDeniedException", "", status=403)


def policy_too_long(size: int, limit: int) -> AwsError:
    """A resource policy over its limit."""
    return AwsError(
        "PolicyLengthExceededException", f"The final policy size ({size}) is bigger than the limit ({limit})."
    )
