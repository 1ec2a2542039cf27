"""The errors of EventBridge Scheduler, in its words."""

from bulb.core.errors import AwsError


def invalid(message: str) -> AwsError:
    """ValidationException."""
    return AwsError("ValidationException", message, status=400)


def conflict(message: str) -> AwsError:
    """ConflictException."""
    return AwsError("ConflictException", message, status=409)


def default_group() -> AwsError:
    """The group that is always there is neither made nor deleted."""
    return invalid("This operation cannot be performed on schedule group default.")


def no_schedule(name: str) -> AwsError:
    """There is no schedule of that name in the group."""
    return AwsError("ResourceNotFoundException", f"Schedule {name} does not exist.", status=404)


def no_group(name: str) -> AwsError:
    """There is no group of that name."""
    return AwsError("ResourceNotFoundException", f"Schedule group {name} does not exist.", status=404)
