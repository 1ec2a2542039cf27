"""An event that a target of a rule is to get once more, as a request for a page. Pure."""

from urllib.parse import parse_qs

from bulb.pages.answers import check_names
from bulb.services.events.names import RuleName, rule_of_arn

# The most an event has, with what its letters may have grown by on their way through JSON.
MOST_BYTES = 8 * 1_048_576


def query(text: str) -> tuple[RuleName, str]:
    """Which rule, and the id of its target. Raises ValueError naming what cannot be."""
    given = parse_qs(text, keep_blank_values=True)
    check_names(given, {"rule", "target"})
    rule = rule_of_arn(given.get("rule", [""])[-1])
    if rule is None or not given.get("target", [""])[-1]:
        message = "rule says which rule, by its ARN, and target which of its targets, by its id"
        raise ValueError(message)
    return rule, given["target"][-1]
