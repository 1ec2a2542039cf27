"""Whether a filter of an event source mapping is one; what a filter may say is `delivery/patterns`'s."""

from collections.abc import Mapping, Sequence
from typing import Any

from bulb.delivery.patterns import FILTERS, PatternError, compile_pattern
from bulb.services.lambda_ import errors

MAX_FILTERS = 5


def check_filters(criteria: Mapping[str, Any]) -> None:
    """The filters of a FilterCriteria. Raises InvalidParameterValueException."""
    filters: Sequence[Mapping[str, str]] = criteria.get("Filters") or ()
    if len(filters) > MAX_FILTERS:
        raise errors.invalid(f"A maximum of {MAX_FILTERS} filters is allowed in FilterCriteria.")
    for each in filters:
        try:
            compile_pattern(each.get("Pattern", ""), FILTERS)
        except PatternError:
            raise errors.invalid("Invalid filter pattern definition.") from None
