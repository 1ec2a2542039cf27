"""What an alias may be: pure decisions, with AWS's messages.

An alias points to one version, or to two with a weight. `lookup` finds a version of the same function by its number.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bulb.services.lambda_ import errors
from bulb.services.lambda_.model import LATEST, Alias, FunctionKey, FunctionRecord

Lookup = Callable[[str], FunctionRecord | None]

MAX_WEIGHTS = 1


def created(key: FunctionKey, params: Mapping[str, Any], lookup: Lookup, revision_id: str) -> Alias:
    """What CreateAlias asks for. Raises InvalidParameterValueException and ResourceNotFoundException."""
    alias = Alias(
        name=params["Name"],
        version=params["FunctionVersion"],
        revision_id=revision_id,
        description=params.get("Description", ""),
        weights=_weights(params),
    )
    check_routing(key, alias, lookup)
    return alias


def updated(key: FunctionKey, alias: Alias, params: Mapping[str, Any], lookup: Lookup, revision_id: str) -> Alias:
    """What UpdateAlias makes of `alias`: members that are absent stay as they are, empty weights clear them.

    Raises PreconditionFailedException, InvalidParameterValueException and ResourceNotFoundException.
    """
    check_revision(alias, params.get("RevisionId"))
    after = replace(
        alias,
        version=params.get("FunctionVersion", alias.version),
        revision_id=revision_id,
        description=params.get("Description", alias.description),
        weights=_weights(params) if "RoutingConfig" in params else alias.weights,
    )
    check_routing(key, after, lookup)
    return after


def check_revision(alias: Alias, expected: str | None) -> None:
    """Raises PreconditionFailedException when the caller saw another alias."""
    if expected is not None and expected != alias.revision_id:
        raise errors.stale_revision("GetFunction/GetAlias")


def check_routing(key: FunctionKey, alias: Alias, lookup: Lookup) -> None:
    """Every version is there, and two of them can share an alias."""
    own = _version(key, alias.version, lookup)
    if len(alias.weights) > MAX_WEIGHTS:
        raise errors.invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
    for version in alias.weights:
        if version == alias.version:
            raise errors.invalid(
                f"Invalid function version {version}. "
                f"Function version {version} is already included in routing configuration."
            )
        if alias.version == LATEST:
            raise errors.invalid_untyped("$LATEST is not supported for an alias pointing to more than 1 version")
        _check_alike(own, _version(key, version, lookup))


def _weights(params: Mapping[str, Any]) -> Mapping[str, float]:
    return params.get("RoutingConfig", {}).get("AdditionalVersionWeights") or {}


def _version(key: FunctionKey, version: str, lookup: Lookup) -> FunctionRecord:
    found = lookup(version)
    if found is None:
        raise errors.function_not_found(key, version)
    return found


def _check_alike(own: FunctionRecord, other: FunctionRecord) -> None:
    """Which of the two a caller got must make no difference to what the code may do and to where its failures go."""
    both = f"Function versions {own.ref.version} and {other.ref.version} must have the same"
    if own.definition.role != other.definition.role:
        raise errors.invalid(f"{both} execution role to share an alias.")
    if own.definition.dead_letter != other.definition.dead_letter:
        raise errors.invalid(f"{both} dead-letter queue, or none, to share an alias.")
