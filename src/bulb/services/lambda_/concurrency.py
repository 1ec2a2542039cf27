"""Reserved and provisioned concurrency: what may be asked for, and what it means for each version. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bulb.core.limits import UNRESERVED_CONCURRENCY
from bulb.environments.provisioned import Allocation
from bulb.services.lambda_ import errors
from bulb.services.lambda_.model import LATEST, Alias

NOT_PUBLISHED = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."


@dataclass(frozen=True, slots=True)
class Provision:
    """What is provisioned for one version or alias. `last_modified` is Unix seconds."""

    qualifier: str
    executions: int
    last_modified: float

    @property
    def is_for_alias(self) -> bool:
        """A number is a version, anything else an alias."""
        return not self.qualifier.isdecimal()


@dataclass(frozen=True, slots=True)
class Concurrency:
    """What one function has: `reserved` for all its versions (None: it shares the pool), and its provisions."""

    reserved: int | None
    provisions: tuple[Provision, ...]
    aliases: tuple[Alias, ...]

    @property
    def provisioned(self) -> int:
        """All its provisions together."""
        return sum(provision.executions for provision in self.provisions)

    def provision(self, qualifier: str) -> Provision | None:
        """The provision of exactly this version or alias."""
        return next((found for found in self.provisions if found.qualifier == qualifier), None)

    def alias(self, name: str) -> Alias | None:
        """One alias."""
        return next((found for found in self.aliases if found.name == name), None)

    def shares(self, provision: Provision) -> dict[str, int]:
        """How many environments of which version a provision stands for."""
        if not provision.is_for_alias:
            return {provision.qualifier: provision.executions}
        alias = self.alias(provision.qualifier)
        return {} if alias is None else split(alias, provision.executions)

    def wanted(self) -> dict[str, int]:
        """How many environments each version is to have. `$LATEST`, where an alias has moved to it, has none."""
        wanted: dict[str, int] = {}
        for provision in self.provisions:
            for version, count in self.shares(provision).items():
                wanted[version] = wanted.get(version, 0) + count
        return {version: count for version, count in wanted.items() if count and version != LATEST}


def split(alias: Alias, executions: int) -> dict[str, int]:
    """An alias with weights parts its environments by them."""
    shares = {version: round(executions * weight) for version, weight in alias.weights.items()}
    return {alias.version: executions - sum(shares.values()), **shares}


def check_reserved(executions: int, function: Concurrency, unreserved: int) -> None:
    """May a function reserve `executions`? `unreserved` is what the common pool would be without this function.

    Raises InvalidParameterValueException.
    """
    if unreserved - executions < UNRESERVED_CONCURRENCY:
        raise errors.invalid(
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
            f"below its minimum value of [{UNRESERVED_CONCURRENCY}]."
        )
    if executions < function.provisioned:
        raise errors.invalid(
            f" ReservedConcurrentExecutions  {executions} should not be lower than function's total provisioned "
            f"concurrency [{function.provisioned}]."
        )


def check_provision(qualifier: str, executions: int, function: Concurrency, unreserved: int) -> None:
    """May `executions` be provisioned? `unreserved` is what the common pool would be without this provision.

    Raises ResourceConflictException and InvalidParameterValueException.
    """
    alias = function.alias(qualifier)
    if alias is not None and LATEST in alias.versions:
        raise errors.invalid(NOT_PUBLISHED)
    others = [provision for provision in function.provisions if provision.qualifier != qualifier]
    _check_owner(qualifier, others, function)
    if function.reserved is not None:
        if sum(provision.executions for provision in others) + executions > function.reserved:
            raise errors.invalid(
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution "
                "for function"
            )
    elif executions > unreserved:
        raise errors.invalid(
            f"Specified ConcurrentExecutions for function is greater than account's unreserved concurrency "
            f"[{unreserved}]."
        )
    elif unreserved - executions < UNRESERVED_CONCURRENCY:
        raise errors.invalid(
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
            f"minimum value of [{UNRESERVED_CONCURRENCY}]."
        )


def _check_owner(qualifier: str, others: Iterable[Provision], function: Concurrency) -> None:
    """A version gets its environments from one provision: its own or that of one alias."""
    alias = function.alias(qualifier)
    mine = {qualifier} if alias is None else set(alias.versions)
    for other in others:
        if mine.isdisjoint(function.shares(other)):
            continue
        if alias is not None:
            raise errors.conflict(
                "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
            )
        raise errors.conflict("Version is pointed by a Provisioned Concurrency alias")


def check_qualifier(qualifier: str | None, latest_refused: str) -> str:
    """A version's number or an alias's name. Raises InvalidParameterValueException with `latest_refused`."""
    if qualifier is None or qualifier == LATEST:
        raise errors.invalid(latest_refused)
    return qualifier


def state(shares: Mapping[str, int], allocations: Mapping[str, Allocation]) -> dict[str, Any]:
    """What the API shows of a provision: `shares` are the environments it stands for, `allocations` what there is."""
    pairs = [(count, allocations[version]) for version, count in shares.items()]
    shown: dict[str, Any] = {
        "RequestedProvisionedConcurrentExecutions": sum(shares.values()),
        "AvailableProvisionedConcurrentExecutions": sum(min(count, has.available) for count, has in pairs),
        "AllocatedProvisionedConcurrentExecutions": sum(min(count, has.allocated) for count, has in pairs),
        "Status": "IN_PROGRESS",
    }
    failures = [has.failure for count, has in pairs if has.failure is not None and has.available < count]
    if all(has.available >= count for count, has in pairs):
        shown["Status"] = "READY"
    elif failures:
        shown |= {"Status": "FAILED", "StatusReason": failures[0]}
    return shown
