"""SQS's refusals, in SQS's words. Codes are the model's; `wire/errors.py` knows how each protocol spells them."""

from bulb.core.errors import AwsError


def no_queue() -> AwsError:
    """Nobody has this queue."""
    return AwsError("QueueDoesNotExist", "The specified queue does not exist.")


def deleted_recently() -> AwsError:
    """The name rests for a minute."""
    return AwsError(
        "QueueDeletedRecently",
        "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
    )


def invalid(value: object, parameter: str, reason: str) -> AwsError:
    """A parameter's value is refused."""
    return AwsError("InvalidParameterValue", f"Value {value} for parameter {parameter} is invalid. Reason: {reason}")


def invalid_plainly(message: str) -> AwsError:
    """The same, in words of its own."""
    return AwsError("InvalidParameterValue", message)


def missing(parameter: str) -> AwsError:
    """A parameter that is needed in this case."""
    return AwsError("MissingParameter", f"The request must contain the parameter {parameter}.")


def bad_handle(handle: str) -> AwsError:
    """Not a receipt handle of this queue."""
    message = f'The input receipt handle "{handle[:1024]}" is not a valid receipt handle.'
    return AwsError("ReceiptHandleIsInvalid", message)


def expired_handle(handle: str) -> AwsError:
    """A FIFO message that is not in flight any more cannot be deleted."""
    return invalid(handle, "ReceiptHandle", "The receipt handle has expired.")


def over_limit(message: str) -> AwsError:
    """More than SQS allows."""
    return AwsError("OverLimit", message, status=403)


def unsupported(message: str) -> AwsError:
    """SQS does not do that."""
    return AwsError("UnsupportedOperation", message)


def unknown_attribute(name: str) -> AwsError:
    """There is no such attribute."""
    return AwsError("InvalidAttributeName", f"Unknown Attribute {name[:200]}.")
