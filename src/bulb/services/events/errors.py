"""EventBridge's refusals, in its words."""

from bulb.core.errors import AwsError


def not_found(message: str) -> AwsError:
    """ResourceNotFoundException."""
    return AwsError("ResourceNotFoundException", message)


def no_such_bus(name: str) -> AwsError:
    """There is no bus of that name."""
    return not_found(f"Event bus {name} does not exist.")


def no_such_rule(rule: str, bus: str) -> AwsError:
    """The bus has no rule of that name."""
    return not_found(f"Rule {rule} does not exist on EventBus {bus}.")


def exists(what: str) -> AwsError:
    """ResourceAlreadyExistsException."""
    return AwsError("ResourceAlreadyExistsException", f"{what} already exists.")


def validation(message: str) -> AwsError:
    """ValidationException, which the model does not have."""
    return AwsError("ValidationException", message)


def not_valid(parameter: str, reason: str) -> AwsError:
    """ValidationException about one parameter."""
    return validation(f"Parameter {parameter} is not valid. Reason: {reason}")


def bad_pattern(reason: str) -> AwsError:
    """InvalidEventPatternException."""
    return AwsError("InvalidEventPatternException", f"Event pattern is not valid. Reason: {reason}")


def too_many() -> AwsError:
    """LimitExceededException."""
    return AwsError("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
