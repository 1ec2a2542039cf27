"""Lists in pages. A token is where the last page ended. Pure."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from bulb.core.calls import Answer, Call
from bulb.services.sqs import errors

_MOST = 1_000


def page(call: Call, member: str, found: Sequence[tuple[str, Any]]) -> Answer:
    """The part of `found` (name and value, by name) that MaxResults and NextToken ask for.

    Without MaxResults it is the first thousand, and no token tells of more. Raises InvalidParameterValue.
    """
    size: int | None = call.params.get("MaxResults")
    token: str | None = call.params.get("NextToken") or None
    if size is not None and not 1 <= size <= _MOST:
        raise errors.invalid_plainly(
            f"Value for parameter MaxResults is invalid. Reason: Must be between 1 and {_MOST}, if provided."
        )
    after = "" if token is None else _after(token)
    left = [pair for pair in found if pair[0] > after]
    shown = left[: size or _MOST]
    answer: Answer = {member: [value for _, value in shown]}
    if size is not None and len(left) > size:
        answer["NextToken"] = base64.urlsafe_b64encode(shown[-1][0].encode()).decode()
    return answer


def _after(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise errors.invalid_plainly("Invalid or expired next token.") from None
