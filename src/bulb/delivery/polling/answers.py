"""Which messages of a batch failed, from what the function answered. Pure.

A function that may report (`ReportBatchItemFailures`) names failures in `batchItemFailures`. It names none where that
is missing, null or empty, nor with an answer that is empty itself: null, or an object, a list or a text with nothing in
it. Where it cannot be understood, or names what was not in the batch, the whole batch failed.
"""

from collections.abc import Collection
from typing import Any

import orjson

from bulb.invoke.model import Outcome

_ERROR_TEXT = 1024
_AS_REPORTED = "reported by the function"
_NOT_UNDERSTOOD = "batchItemFailures does not name messages of the batch"


def failed(outcome: Outcome, ids: Collection[str], *, reports: bool) -> Collection[str]:
    """The message ids that failed; `ids` itself when all did. `reports`: the mapping has ReportBatchItemFailures."""
    if outcome.function_error is not None:
        return ids
    if not reports:
        return ()
    named = _reported(outcome.payload, ids)
    return ids if named is None else named


def reason(outcome: Outcome, ids: Collection[str]) -> str:
    """Why messages of a batch failed, for people."""
    if outcome.function_error is not None:
        return _error_text(outcome)
    return _NOT_UNDERSTOOD if _reported(outcome.payload, ids) is None else _AS_REPORTED


def _error_text(outcome: Outcome) -> str:
    """What went wrong in a function that failed, in its own words."""
    try:
        document = orjson.loads(outcome.payload)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return outcome.function_error or ""
    words = [str(document[name]) for name in ("errorType", "errorMessage") if document.get(name)]
    return ": ".join(words)[:_ERROR_TEXT] or outcome.function_error or ""


def _reported(payload: bytes, ids: Collection[str]) -> Collection[str] | None:
    """The ids that the answer names; None for an answer that cannot be understood."""
    try:
        answer = orjson.loads(payload or b"null")
    except ValueError:
        return None
    if answer in (None, "", []):
        return ()
    if not isinstance(answer, dict):
        return None
    entries = answer.get("batchItemFailures")
    if entries is None:
        return ()
    if not isinstance(entries, list):
        return None
    named = [_identifier(entry) for entry in entries]
    return named if set(named) <= set(ids) else None


def _identifier(entry: Any) -> str:
    """No message's id is empty."""
    found = entry.get("itemIdentifier") if isinstance(entry, dict) else None
    return found if isinstance(found, str) else ""
