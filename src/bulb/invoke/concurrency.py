"""How much may run at once and how fast it may come: the account's limit, reserved and provisioned concurrency, rates.

An account has its limit in each region. What a function reserves is taken out of the common pool and is both its
ceiling and its guarantee, for all its versions together; what is provisioned for a version counts from when it is
there. Whoever finds no room is refused at once and never waits, so a function that calls itself cannot deadlock.

Numbers in memory only, and every step a few comparisons: this is on the warm path. Nothing here knows the time, a
database or an environment. Used from the event loop.
"""

from dataclasses import dataclass
from typing import Literal

from bulb.core.facts import FunctionRef
from bulb.core.limits import ACCOUNT_CONCURRENCY

Reason = Literal[
    "ConcurrentInvocationLimitExceeded",
    "ReservedFunctionConcurrentInvocationLimitExceeded",
    "FunctionInvocationRateLimitExceeded",
    "ReservedFunctionInvocationRateLimitExceeded",
]
# Account, region, name.
FunctionName = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Limits:
    """`account`: invocations at once in one region of an account. `request_rate`: invocations a second for each unit of
    concurrency. `scaling_rate`: new environments of one function in ten seconds. Of the rates, 0 means any.
    """

    account: int = ACCOUNT_CONCURRENCY
    request_rate: float = 10.0
    scaling_rate: float = 1000.0


class ThrottledError(Exception):
    """There is no room; `reason` is the `Reason` of the 429."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class Bucket:
    """Tokens that come back evenly, `rate` in a second, and never are more than `most`. A rate of 0 has no end."""

    __slots__ = ("_at", "_most", "_rate", "_tokens")

    def __init__(self, rate: float, most: float) -> None:
        self._rate, self._most = rate, most
        self._tokens, self._at = most, 0.0

    def take(self, now: float) -> bool:
        """One token, if there is one. A clock that was set back only costs what would have come meanwhile."""
        if not self._rate:
            return True
        tokens = min(self._most, self._tokens + max(now - self._at, 0.0) * self._rate)
        self._at = now
        self._tokens = tokens - 1.0 if tokens >= 1.0 else tokens
        return tokens >= 1.0


class _Account:
    """One account in one region. `running` are invocations out of the common pool."""

    __slots__ = ("claimed", "limit", "requests", "reserved", "running")

    def __init__(self, limits: Limits) -> None:
        self.limit = limits.account
        self.reserved = 0
        self.claimed = 0
        self.running = 0
        self.requests = _requests(limits, limits.account)

    @property
    def pool(self) -> int:
        """What functions without a reservation share."""
        return self.limit - self.reserved - self.claimed


class _Function:
    """All versions of one function. `on_demand` and `provisioned` are invocations, `allocated` are environments."""

    __slots__ = ("account", "allocated", "leases", "on_demand", "provisioned", "requests", "reserved", "starts")

    def __init__(self, account: _Account, limits: Limits) -> None:
        self.account = account
        self.reserved: int | None = None
        self.requests = account.requests
        self.starts = Bucket(limits.scaling_rate / 10, limits.scaling_rate)
        self.on_demand = 0
        self.provisioned = 0
        self.allocated = 0
        self.leases = Lease(self, provisioned=False), Lease(self, provisioned=True)

    def full(self, provisioned: bool) -> Reason | None:
        """Why another invocation may not begin now."""
        if self.reserved is not None:
            spare = self.reserved - self.allocated
            if self.on_demand + self.provisioned >= self.reserved or (not provisioned and self.on_demand >= spare):
                return "ReservedFunctionConcurrentInvocationLimitExceeded"
        elif not provisioned and self.account.running >= self.account.pool:
            return "ConcurrentInvocationLimitExceeded"
        return None


class Lease:
    """The right to run one invocation. It is its function's, and as good as its count: release it exactly once."""

    __slots__ = ("_function", "_provisioned")

    def __init__(self, function: _Function, *, provisioned: bool) -> None:
        self._function, self._provisioned = function, provisioned

    def take(self) -> None:
        """One more runs."""
        function = self._function
        if self._provisioned:
            function.provisioned += 1
        else:
            function.on_demand += 1
            if function.reserved is None:
                function.account.running += 1

    def release(self) -> None:
        """One less runs."""
        function = self._function
        if self._provisioned:
            function.provisioned -= 1
        else:
            function.on_demand -= 1
            if function.reserved is None:
                function.account.running -= 1


class _Version:
    """One version of a function; `requests` is set where concurrency is provisioned for it."""

    __slots__ = ("allocated", "function", "requests")

    def __init__(self, function: _Function) -> None:
        self.function = function
        self.allocated = 0
        self.requests: Bucket | None = None


class Concurrency:
    """The books of every account."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._accounts: dict[tuple[str, str], _Account] = {}
        self._functions: dict[FunctionName, _Function] = {}
        self._versions: dict[FunctionRef, _Version] = {}

    def enter(self, ref: FunctionRef, now: float, *, provisioned: bool = False) -> Lease:
        """The right to run one invocation; `provisioned` says that an environment provisioned for it is free.

        Raises ThrottledError.
        """
        version = self._versions.get(ref) or self._version(ref)
        function = version.function
        if (reason := function.full(provisioned)) is not None:
            raise ThrottledError(reason)
        if not (version.requests or function.requests).take(now):
            reserved = version.requests is None and function.reserved is not None
            raise ThrottledError(
                "ReservedFunctionInvocationRateLimitExceeded" if reserved else "FunctionInvocationRateLimitExceeded"
            )
        lease = function.leases[provisioned]
        lease.take()
        return lease

    def start(self, ref: FunctionRef, now: float) -> None:
        """An invocation that was let in needs a new environment. Raises ThrottledError when they come too fast."""
        if not self._function(ref).starts.take(now):
            raise ThrottledError("FunctionInvocationRateLimitExceeded")

    def reserve(self, name: FunctionName, reserved: int | None) -> None:
        """From now on the function has `reserved`, or shares the common pool. What runs goes on."""
        function = self._function(FunctionRef(*name, ""))
        account = function.account
        self._leave_pool(function, -1)
        account.reserved += (reserved or 0) - (function.reserved or 0)
        function.reserved = reserved
        self._leave_pool(function, 1)
        function.requests = account.requests if reserved is None else _requests(self._limits, reserved)

    def allocate(self, ref: FunctionRef, allocated: int) -> None:
        """So many environments are now provisioned for a version."""
        version = self._versions.get(ref) or self._version(ref)
        if allocated == version.allocated:
            return
        function, more = version.function, allocated - version.allocated
        version.allocated = allocated
        function.allocated += more
        if function.reserved is None:
            function.account.claimed += more
        version.requests = _requests(self._limits, allocated) if allocated else None

    def forget(self, name: FunctionName) -> None:
        """The function is gone. What still runs counts until it ends; another of the same name begins anew."""
        if name not in self._functions:
            return
        self.reserve(name, None)
        function = self._functions.pop(name)
        function.account.claimed -= function.allocated
        for ref in [ref for ref, version in self._versions.items() if version.function is function]:
            del self._versions[ref]

    def reserved(self, name: FunctionName) -> int | None:
        """What the function reserves; None when it shares the common pool."""
        function = self._functions.get(name)
        return None if function is None else function.reserved

    def unreserved(self, account: str, region: str) -> int:
        """The size of the common pool."""
        return self._account(account, region).pool

    def _leave_pool(self, function: _Function, sign: int) -> None:
        """A function without a reservation counts in its account: take its numbers out of there, or put them back."""
        if function.reserved is None:
            function.account.running += sign * function.on_demand
            function.account.claimed += sign * function.allocated

    def _account(self, account: str, region: str) -> _Account:
        found = self._accounts.get((account, region))
        if found is None:
            found = self._accounts[account, region] = _Account(self._limits)
        return found

    def _function(self, ref: FunctionRef) -> _Function:
        name = (ref.account, ref.region, ref.name)
        found = self._functions.get(name)
        if found is None:
            found = self._functions[name] = _Function(self._account(ref.account, ref.region), self._limits)
        return found

    def _version(self, ref: FunctionRef) -> _Version:
        found = self._versions[ref] = _Version(self._function(ref))
        return found


def _requests(limits: Limits, concurrency: int) -> Bucket:
    """A second's worth may come at once."""
    rate = limits.request_rate * concurrency
    return Bucket(rate, max(rate, 1.0))
