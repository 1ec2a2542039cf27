"""How many events of one function run at the same time, when they come faster than they end. Pure.

A function starts with a few at once; as long as more are waiting the number doubles every second, up to the account's
limit. Short handlers drain a backlog with few environments, slow ones soon get many: neither floods the machine.
"""

from bulb.core.limits import ACCOUNT_CONCURRENCY

START = 16
_MOST_DOUBLINGS = 16


def allowed(waiting_since: float | None, now: float) -> int:
    """Executions at once for a function whose events have been waiting since `waiting_since` (Unix seconds)."""
    if waiting_since is None:
        return START
    doublings = min(int(max(now - waiting_since, 0.0)), _MOST_DOUBLINGS)
    return min(START << doublings, ACCOUNT_CONCURRENCY)
