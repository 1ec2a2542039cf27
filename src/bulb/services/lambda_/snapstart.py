"""SnapStart: for which functions it is to be had. Pure.

Source: SnapStart documentation, November 2026: published versions of Python 3.12 and later (Java and .NET there too),
up to 512 MB of /tmp, without file systems and provisioned concurrency.
"""

from collections.abc import Mapping
from typing import Any

from bulb.core.errors import NotSupported
from bulb.core.limits import MIN_TMP_MB
from bulb.runtimes.catalogue import RUNTIMES
from bulb.services.lambda_ import errors
from bulb.services.lambda_.model import LATEST, Definition, FunctionRecord

_FIRST_PYTHON = (3, 12)


def applies(config: Mapping[str, Any]) -> bool:
    """What a `SnapStart` of a request asks for."""
    return config.get("ApplyOn") == "PublishedVersions"


def check(definition: Definition, missing: str | None) -> None:
    """Refuse a definition that cannot start from a snapshot. `missing` is what this server lacks for it.

    Raises InvalidParameterValueException for what AWS refuses too, NotSupported for what only Bulb does.
    """
    if not definition.snap_start:
        return
    runtime = RUNTIMES[definition.runtime]
    if runtime.family in ("java", "dotnet"):
        raise NotSupported(f"SnapStart of {definition.runtime} functions")
    if runtime.family != "python" or tuple(map(int, runtime.version.split("."))) < _FIRST_PYTHON:
        raise errors.invalid(f"{definition.runtime} is not supported for SnapStart enabled functions.")
    if definition.ephemeral_mb > MIN_TMP_MB:
        raise errors.invalid(
            f"SnapStart is not supported for functions with ephemeral storage greater than {MIN_TMP_MB} MB."
        )
    if missing is not None:
        raise NotSupported(f"SnapStart without {missing}")


def starts_from_snapshot(record: FunctionRecord) -> bool:
    """Whether environments of this version are restored instead of initialised."""
    return record.definition.snap_start and record.ref.version != LATEST


def view(record: FunctionRecord) -> dict[str, str]:
    """`SnapStart` of a configuration."""
    optimised = starts_from_snapshot(record) and record.state == "Active"
    return {
        "ApplyOn": "PublishedVersions" if record.definition.snap_start else "None",
        "OptimizationStatus": "On" if optimised else "Off",
    }
