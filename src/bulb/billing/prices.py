"""List prices of Lambda in US East (N. Virginia), US dollars.

The structure is AWS's own documentation. Figures marked (t) come from third-party tables of 2024 to 2026 and those
marked (r) from memory; none was checked against the live price list. Other regions' prices differ; here all are equal.
"""

from decimal import Decimal

# Each request, whatever came of it; a throttled one is none. (t)
PER_REQUEST = Decimal("0.20") / 1_000_000

# Prices for each GB-second, by architecture: up to how many GB-seconds of a month in one region, and the price.
DURATION_TIERS: dict[str, tuple[tuple[Decimal, Decimal], ...]] = {
    "x86_64": (  # (t)
        (Decimal(6_000_000_000), Decimal("0.0000166667")),
        (Decimal(15_000_000_000), Decimal("0.0000150000")),
        (Decimal("Infinity"), Decimal("0.0000133334")),
    ),
    "arm64": (  # (t), the last (r)
        (Decimal(7_500_000_000), Decimal("0.0000133334")),
        (Decimal(18_750_000_000), Decimal("0.0000120001")),
        (Decimal("Infinity"), Decimal("0.0000106667")),
    ),
}

# Each GB-second of provisioned environments, by architecture: standing ready, and running besides. No tiers and nothing
# free. (arm64: r)
PER_PROVISIONED_GB_S = {"x86_64": Decimal("0.0000041667"), "arm64": Decimal("0.0000033334")}
PER_PROVISIONED_RUN_GB_S = {"x86_64": Decimal("0.0000097222"), "arm64": Decimal("0.0000077778")}

# Each GB-second of /tmp above the 512 MB that every function has. (r)
PER_EPHEMERAL_GB_S = Decimal("0.0000000309")
FREE_EPHEMERAL_MB = 512

# Each GB of a streamed response beyond its first 6 MB. (t)
PER_STREAMED_GB = Decimal("0.008")
FREE_STREAMED_BYTES = 6 * 1024**2

# The memory of a version whose snapshot is kept, each GB-second; and each GB of an environment restored from one. (t)
PER_SNAPSHOT_GB_S = Decimal("0.0000015046")
PER_RESTORED_GB = Decimal("0.0001397998")

# What an account does not pay for in a month, over all regions and architectures. (t)
FREE_REQUESTS = 1_000_000
FREE_GB_S = Decimal(400_000)
FREE_STREAMED_GB = Decimal(100)
