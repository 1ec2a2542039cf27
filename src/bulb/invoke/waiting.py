"""What an event keeps of its last attempt while it waits for the next one, in the attributes of its row. Pure.

An event that is taken up too late tells how that attempt ended. One whose alias was deleted meanwhile ends by the
rules the alias had, and is told to those whom the alias named.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bulb.core.errors import AwsError
from bulb.invoke.model import AsyncRules, Outcome

# The row is written anew with each attempt; an answer that is longer is not kept.
ANSWER_BYTES = 65_536
_KEY = "last"


@dataclass(frozen=True, slots=True)
class LastAttempt:
    """`rules` and `dead_letter` are those that counted then. It ended with an `outcome` or with a `refusal`."""

    rules: AsyncRules
    dead_letter: str | None = None
    outcome: Outcome | None = None
    refusal: AwsError | None = None


def noted(attributes: Mapping[str, Any], last: LastAttempt) -> dict[str, Any]:
    """The attributes of a row with its last attempt, as JSON values."""
    kept: dict[str, Any] = {"rules": asdict(last.rules), "dead_letter": last.dead_letter}
    if last.refusal is not None:
        kept["refusal"] = {name: getattr(last.refusal, name) for name in ("code", "message", "status")}
    elif last.outcome is not None and (text := _text(last.outcome.payload)) is not None:
        outcome = last.outcome
        kept["outcome"] = {"payload": text, "version": outcome.executed_version, "error": outcome.function_error}
    return {**attributes, _KEY: kept}


def last_attempt(attributes: Mapping[str, Any]) -> LastAttempt | None:
    """The last attempt at the event of a row; None before the first."""
    kept = attributes.get(_KEY)
    if kept is None:
        return None
    refusal, outcome = kept.get("refusal"), kept.get("outcome")
    return LastAttempt(
        AsyncRules(**kept["rules"]),
        kept["dead_letter"],
        outcome and Outcome(outcome["payload"].encode(), outcome["version"], outcome["error"]),
        refusal and AwsError(refusal["code"], refusal["message"], status=refusal["status"]),
    )


def _text(payload: bytes) -> str | None:
    """None for what is too long, or no text."""
    if len(payload) > ANSWER_BYTES:
        return None
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None
