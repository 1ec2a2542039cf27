"""From a month's usage to what it would have cost. Pure.

A line is one function on one architecture at list price: the first tier, nothing free. What volume and the free tier
would take off is told beside the total, an account at a time, not spread over the lines.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from bulb.billing import prices

_MB_MS_IN_GB_S = 1024 * 1000
_BYTES_IN_GB = 1024**3


@dataclass(frozen=True, slots=True)
class Usage:
    """What one function used in a month on one architecture: exact integers, megabytes times milliseconds.

    `streamed_bytes` are those that are not free with their request.
    """

    account: str
    region: str
    function: str
    architecture: str
    requests: int
    billed_ms: int
    memory_mb_ms: int
    ephemeral_mb_ms: int
    provisioned_mb_ms: int = 0
    provisioned_run_mb_ms: int = 0
    streamed_bytes: int = 0
    snapshot_mb_ms: int = 0
    restored_mb: int = 0

    @property
    def gb_seconds(self) -> Decimal:
        """Memory times billed duration of what ran on demand."""
        return Decimal(self.memory_mb_ms) / _MB_MS_IN_GB_S

    @property
    def provisioned_gb_seconds(self) -> Decimal:
        """Memory of provisioned environments times how long they stood ready."""
        return Decimal(self.provisioned_mb_ms) / _MB_MS_IN_GB_S

    @property
    def provisioned_run_gb_seconds(self) -> Decimal:
        """Memory times billed duration of what ran in provisioned environments."""
        return Decimal(self.provisioned_run_mb_ms) / _MB_MS_IN_GB_S

    @property
    def streamed_gb(self) -> Decimal:
        """Streamed responses, without the first 6 MB of each."""
        return Decimal(self.streamed_bytes) / _BYTES_IN_GB

    @property
    def snapshot_gb_seconds(self) -> Decimal:
        """Memory of versions with a snapshot times how long that was kept."""
        return Decimal(self.snapshot_mb_ms) / _MB_MS_IN_GB_S

    @property
    def restored_gb(self) -> Decimal:
        """Memory of the environments that began as copies of a snapshot."""
        return Decimal(self.restored_mb) / 1024

    @property
    def ephemeral_gb_seconds(self) -> Decimal:
        """Space in /tmp above what is free, times billed duration."""
        return Decimal(self.ephemeral_mb_ms) / _MB_MS_IN_GB_S


@dataclass(frozen=True, slots=True)
class Line:
    """One function's usage and its list price in US dollars."""

    usage: Usage
    requests_usd: Decimal
    duration_usd: Decimal
    ephemeral_usd: Decimal
    provisioned_usd: Decimal
    streamed_usd: Decimal
    snap_start_usd: Decimal

    @property
    def price_usd(self) -> Decimal:
        """All of it."""
        on_demand = self.requests_usd + self.duration_usd + self.ephemeral_usd + self.streamed_usd
        return on_demand + self.provisioned_usd + self.snap_start_usd


@dataclass(frozen=True, slots=True)
class Statement:
    """A month of one account or of all. `total_usd` is the sum of the lines, the discounts are not taken off it."""

    month: str
    lines: list[Line]
    volume_discount_usd: Decimal
    free_tier_usd: Decimal

    @property
    def total_usd(self) -> Decimal:
        """The list price of everything."""
        return sum((line.price_usd for line in self.lines), Decimal(0))


def statement(month: str, usages: Iterable[Usage]) -> Statement:
    """The statement of `month` (`2026-11`), its lines by account, region and function."""
    ordered = sorted(usages, key=lambda usage: (usage.account, usage.region, usage.function, usage.architecture))
    by_account: dict[str, list[Usage]] = defaultdict(list)
    for usage in ordered:
        by_account[usage.account].append(usage)
    return Statement(
        month=month,
        lines=[_line(usage) for usage in ordered],
        volume_discount_usd=sum((_volume_discount(usages) for usages in by_account.values()), Decimal(0)),
        free_tier_usd=sum((_free_tier(usages) for usages in by_account.values()), Decimal(0)),
    )


def tiered(gb_seconds: Decimal, architecture: str) -> Decimal:
    """The price of a month's GB-seconds in one region, each tier at its own price."""
    price, below = Decimal(0), Decimal(0)
    for limit, each in prices.DURATION_TIERS[architecture]:
        price += max(min(gb_seconds, limit) - below, Decimal(0)) * each
        below = limit
        if gb_seconds <= limit:
            break
    return price


def _line(usage: Usage) -> Line:
    return Line(
        usage=usage,
        requests_usd=usage.requests * prices.PER_REQUEST,
        duration_usd=usage.gb_seconds * _list_price(usage.architecture),
        ephemeral_usd=usage.ephemeral_gb_seconds * prices.PER_EPHEMERAL_GB_S,
        provisioned_usd=usage.provisioned_gb_seconds * prices.PER_PROVISIONED_GB_S[usage.architecture]
        + usage.provisioned_run_gb_seconds * prices.PER_PROVISIONED_RUN_GB_S[usage.architecture],
        streamed_usd=usage.streamed_gb * prices.PER_STREAMED_GB,
        snap_start_usd=usage.snapshot_gb_seconds * prices.PER_SNAPSHOT_GB_S
        + usage.restored_gb * prices.PER_RESTORED_GB,
    )


def _list_price(architecture: str) -> Decimal:
    return prices.DURATION_TIERS[architecture][0][1]


def _volume_discount(usages: list[Usage]) -> Decimal:
    totals: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for usage in usages:
        totals[usage.region, usage.architecture] += usage.gb_seconds
    return sum(
        (
            total * _list_price(architecture) - tiered(total, architecture)
            for (_, architecture), total in totals.items()
        ),
        Decimal(0),
    )


def _free_tier(usages: list[Usage]) -> Decimal:
    """Free requests and streamed gigabytes, and free GB-seconds at the price of the architectures in the share they
    were used."""
    requests = min(sum(usage.requests for usage in usages), prices.FREE_REQUESTS) * prices.PER_REQUEST
    streamed = sum((usage.streamed_gb for usage in usages), Decimal(0))
    free = requests + min(streamed, prices.FREE_STREAMED_GB) * prices.PER_STREAMED_GB
    used = sum((usage.gb_seconds for usage in usages), Decimal(0))
    if not used:
        return free
    share = min(prices.FREE_GB_S / used, Decimal(1))
    duration = sum((usage.gb_seconds * _list_price(usage.architecture) for usage in usages), Decimal(0))
    return free + duration * share
