"""The ledger: what every function used, hour by hour, from the same facts as its REPORT lines.

An invocation only adds to a sum in memory; the sums of a moment are written together with the log lines that tell of
them, in one transaction. A crash loses at most that moment.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, select

from bulb.billing.prices import FREE_EPHEMERAL_MB, FREE_STREAMED_BYTES
from bulb.billing.statements import Statement, Usage, statement
from bulb.core.facts import (
    ConcurrencyProvisioned,
    Fact,
    FunctionRef,
    InvocationFinished,
    RestoreReported,
    SnapshotCached,
)
from bulb.storage.database import Database
from bulb.storage.schema.billing import billing_ledger as ledger
from bulb.storage.writebehind import WriteBehind

_KEYS = ("account", "region", "function", "version", "architecture", "hour")
_AMOUNTS = (
    "requests",
    "billed_ms",
    "memory_mb_ms",
    "ephemeral_mb_ms",
    "provisioned_mb_ms",
    "provisioned_run_mb_ms",
    "streamed_bytes",
    "snapshot_mb_ms",
    "restored_mb",
)
Key = tuple[str, str, str, str, str, int]


class Ledger:
    """Adds up invocations. `listen` is a listener of `Facts`. Register it with the write-behind after the log store."""

    def __init__(self, database: Database, writebehind: WriteBehind) -> None:
        self._database = database
        self._writebehind = writebehind
        self._sums: dict[Key, list[int]] = {}
        writebehind.register(self._collect)

    def listen(self, fact: Fact) -> None:
        """Add an invocation, time of provisioned environments or snapshots, a restore; other facts cost nothing."""
        if isinstance(fact, InvocationFinished):
            self._invoked(fact)
        elif isinstance(fact, ConcurrencyProvisioned):
            sums = self._of(fact.function, fact.architecture, fact.at)
            sums[4] += fact.environments * fact.memory_mb * fact.seconds * 1000
        elif isinstance(fact, SnapshotCached):
            self._of(fact.function, fact.architecture, fact.at)[7] += fact.memory_mb * fact.seconds * 1000
        elif isinstance(fact, RestoreReported):
            environment = fact.environment
            self._of(environment.function, environment.architecture, fact.at)[8] += environment.memory_mb

    def _invoked(self, fact: InvocationFinished) -> None:
        environment = fact.environment
        sums = self._of(environment.function, environment.architecture, fact.started_at)
        sums[0] += 1
        sums[1] += fact.billed_ms
        provisioned = environment.initialization == "provisioned-concurrency"
        sums[5 if provisioned else 2] += fact.billed_ms * environment.memory_mb
        sums[3] += fact.billed_ms * max(environment.ephemeral_mb - FREE_EPHEMERAL_MB, 0)
        if fact.response_latency_ms is not None:
            sums[6] += max(fact.produced_bytes - FREE_STREAMED_BYTES, 0)

    def _of(self, function: FunctionRef, architecture: str, at: float) -> list[int]:
        """The sums of an hour, in the order of `_AMOUNTS`."""
        key = (function.account, function.region, function.name, function.version, architecture, int(at // 3600))
        sums = self._sums.get(key)
        if sums is None:
            sums = self._sums[key] = [0] * len(_AMOUNTS)
        return sums

    async def statement(self, account: str | None, now: float) -> Statement:
        """What this month (UTC) has cost `account`, or everybody, so far."""
        await self._writebehind.flush()
        today = datetime.fromtimestamp(now, UTC)
        first = datetime(today.year, today.month, 1, tzinfo=UTC)
        following = datetime(today.year + today.month // 12, today.month % 12 + 1, 1, tzinfo=UTC)
        hours = int(first.timestamp() // 3600), int(following.timestamp() // 3600)
        usages = await self._database.read(lambda connection: _usages(connection, account, *hours))
        return statement(f"{today:%Y-%m}", usages)

    def _collect(self) -> Callable[[Connection], None] | None:
        if not self._sums:
            return None
        sums, self._sums = self._sums, {}
        rows = [dict(zip(_KEYS + _AMOUNTS, (*key, *amounts), strict=True)) for key, amounts in sums.items()]
        return lambda connection: _add(connection, rows)


def document(statement: Statement) -> dict[str, Any]:
    """A statement as JSON-able values, amounts in US dollars."""
    return {
        "month": statement.month,
        "lines": [
            {
                "account": line.usage.account,
                "region": line.usage.region,
                "function": line.usage.function,
                "architecture": line.usage.architecture,
                "requests": line.usage.requests,
                "billed_ms": line.usage.billed_ms,
                "gb_seconds": float(line.usage.gb_seconds),
                "ephemeral_gb_seconds": float(line.usage.ephemeral_gb_seconds),
                "requests_usd": float(line.requests_usd),
                "duration_usd": float(line.duration_usd),
                "ephemeral_usd": float(line.ephemeral_usd),
                "provisioned_gb_seconds": float(line.usage.provisioned_gb_seconds),
                "provisioned_run_gb_seconds": float(line.usage.provisioned_run_gb_seconds),
                "provisioned_usd": float(line.provisioned_usd),
                "streamed_gb": float(line.usage.streamed_gb),
                "streamed_usd": float(line.streamed_usd),
                "snapshot_gb_seconds": float(line.usage.snapshot_gb_seconds),
                "restored_gb": float(line.usage.restored_gb),
                "snap_start_usd": float(line.snap_start_usd),
                "price_usd": float(line.price_usd),
            }
            for line in statement.lines
        ],
        "total_usd": float(statement.total_usd),
        "volume_discount_usd": float(statement.volume_discount_usd),
        "free_tier_usd": float(statement.free_tier_usd),
    }


def _add(connection: Connection, rows: list[dict[str, Any]]) -> None:
    fresh = _insert(connection)
    added = {name: ledger.c[name] + fresh.excluded[name] for name in _AMOUNTS}
    connection.execute(fresh.on_conflict_do_update(index_elements=list(_KEYS), set_=added), rows)


def _insert(connection: Connection) -> Any:
    """The one statement the engines spell alike and SQLAlchemy does not: insert, or add to what is there."""
    # Not on top: the start of a server should not wait for the dialect of an engine it does not use.
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415

        return postgresql.insert(ledger)
    from sqlalchemy.dialects import sqlite  # noqa: PLC0415

    return sqlite.insert(ledger)


def _usages(connection: Connection, account: str | None, first_hour: int, end_hour: int) -> list[Usage]:
    keys = [ledger.c[name] for name in ("account", "region", "function", "architecture")]
    query = (
        select(*keys, *(func.sum(ledger.c[name]).label(name) for name in _AMOUNTS))
        .where(ledger.c.hour >= first_hour, ledger.c.hour < end_hour)
        .group_by(*keys)
    )
    if account is not None:
        query = query.where(ledger.c.account == account)
    return [
        Usage(
            account=row.account,
            region=row.region,
            function=row.function,
            architecture=row.architecture,
            requests=int(row.requests),
            billed_ms=int(row.billed_ms),
            memory_mb_ms=int(row.memory_mb_ms),
            ephemeral_mb_ms=int(row.ephemeral_mb_ms),
            provisioned_mb_ms=int(row.provisioned_mb_ms),
            provisioned_run_mb_ms=int(row.provisioned_run_mb_ms),
            streamed_bytes=int(row.streamed_bytes),
            snapshot_mb_ms=int(row.snapshot_mb_ms),
            restored_mb=int(row.restored_mb),
        )
        for row in connection.execute(query)
    ]
