"""From facts to a statement."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from bulb.billing.ledger import Ledger, document
from bulb.billing.statements import Usage, statement, tiered
from bulb.core.facts import ConcurrencyProvisioned, InvocationThrottled, RestoreReported, SnapshotCached
from bulb.storage.database import Database
from bulb.storage.writebehind import WriteBehind
from tests.support.clock import MovableClock
from tests.telemetry.facts import AT, ENVIRONMENT, FUNCTION, finished

BIG = replace(ENVIRONMENT, memory_mb=1024, ephemeral_mb=1536)


def test_every_invocation_is_added_once_and_survives_a_restart(tmp_path: Path) -> None:
    async def run() -> None:
        for _ in range(2):
            database = await Database.open(tmp_path / "bulb.db")
            writebehind = WriteBehind(database, MovableClock())
            ledger = Ledger(database, writebehind)
            for _ in range(3):
                ledger.listen(finished(environment=BIG, billed_ms=1000, started_at=AT, status="timeout"))
            await writebehind.flush()
            ledger.listen(finished(environment=BIG, billed_ms=500, started_at=AT))
            ledger.listen(InvocationThrottled(FUNCTION, AT, "x"))
            made = await ledger.statement(None, AT)
            nobody = await ledger.statement("111122223333", AT)
            later = await ledger.statement(None, AT + 40 * 86_400)
            await writebehind.close()
            await database.close()
        (line,) = made.lines
        assert line.usage.requests == 8
        assert line.usage.gb_seconds == 7
        assert line.usage.ephemeral_gb_seconds == 7
        assert line.price_usd == 8 * Decimal("0.0000002") + 7 * (Decimal("0.0000166667") + Decimal("0.0000000309"))
        assert nobody.lines == later.lines == []
        shown = document(made)
        assert shown["month"] == "2026-02"
        assert shown["lines"][0]["function"] == "thumbnails"
        assert shown["total_usd"] == pytest.approx(0.0001184832)

    asyncio.run(run())


def test_december_ends(tmp_path: Path) -> None:
    async def run() -> None:
        database = await Database.open(tmp_path / "bulb.db")
        ledger = Ledger(database, WriteBehind(database, MovableClock()))
        ledger.listen(finished(started_at=1_798_761_599.0))  # the last second of 2026
        assert len((await ledger.statement(None, 1_798_761_599.0)).lines) == 1
        assert (await ledger.statement(None, 1_798_761_600.0)).lines == []
        await database.close()

    asyncio.run(run())


def test_tiers() -> None:
    assert tiered(Decimal(6_000_000_001), "x86_64") == 6_000_000_000 * Decimal("0.0000166667") + Decimal("0.0000150000")
    assert tiered(Decimal(1), "arm64") == Decimal("0.0000133334")


def test_discounts_are_told_beside_the_total() -> None:
    usage = Usage("1" * 12, "us-east-1", "f", "x86_64", 2_000_000, 1, 800_000 * 1024 * 1000, 0)
    made = statement("2026-02", [usage])
    assert made.total_usd == Decimal("0.4") + 800_000 * Decimal("0.0000166667")
    assert made.free_tier_usd == Decimal("0.2") + 400_000 * Decimal("0.0000166667")
    assert made.volume_discount_usd == 0


def test_provisioned_environments_cost_while_they_stand_ready_and_less_while_they_run(tmp_path: Path) -> None:
    async def run() -> None:
        database = await Database.open(tmp_path / "bulb.db")
        ledger = Ledger(database, WriteBehind(database, MovableClock()))
        ledger.listen(ConcurrencyProvisioned(FUNCTION, "x86_64", 1024, 2, AT, 300))
        provisioned = replace(ENVIRONMENT, memory_mb=1024, initialization="provisioned-concurrency")
        ledger.listen(finished(environment=provisioned, billed_ms=4000, started_at=AT))
        made = await ledger.statement(None, AT)
        (line,) = made.lines
        await database.close()
        assert line.usage.gb_seconds == 0
        assert (line.usage.provisioned_gb_seconds, line.usage.provisioned_run_gb_seconds) == (600, 4)
        assert line.provisioned_usd == 600 * Decimal("0.0000041667") + 4 * Decimal("0.0000097222")
        assert line.price_usd == line.provisioned_usd + Decimal("0.0000002")
        # What is provisioned has no free tier; the request has.
        assert made.free_tier_usd == Decimal("0.0000002")

    asyncio.run(run())


def test_a_streamed_response_costs_what_it_has_beyond_six_megabytes(tmp_path: Path) -> None:
    async def run() -> None:
        database = await Database.open(tmp_path / "bulb.db")
        ledger = Ledger(database, WriteBehind(database, MovableClock()))
        free, gb = 6 * 1024**2, 1024**3
        for produced, latency_ms in ((free + gb, 1.0), (free, 1.0), (free - 1, 1.0), (free + gb, None)):
            ledger.listen(finished(started_at=AT, produced_bytes=produced, response_latency_ms=latency_ms))
        made = await ledger.statement(None, AT)
        await database.close()
        (line,) = made.lines
        assert (line.usage.requests, line.usage.streamed_gb) == (4, 1)  # the last was buffered
        assert line.streamed_usd == Decimal("0.008")
        assert line.price_usd == line.requests_usd + line.duration_usd + Decimal("0.008")
        assert made.free_tier_usd == line.price_usd
        shown = document(made)["lines"][0]
        assert (shown["streamed_gb"], shown["streamed_usd"]) == (1.0, 0.008)

    asyncio.run(run())


def test_of_what_is_streamed_a_hundred_gigabytes_are_free() -> None:
    usage = Usage("1" * 12, "us-east-1", "f", "x86_64", 0, 0, 0, 0, streamed_bytes=150 * 1024**3)
    made = statement("2026-02", [usage])
    assert (made.total_usd, made.free_tier_usd) == (Decimal("1.2"), Decimal("0.8"))


def test_a_snapshot_costs_while_it_is_kept_and_when_it_is_restored(tmp_path: Path) -> None:
    async def run() -> None:
        database = await Database.open(tmp_path / "bulb.db")
        ledger = Ledger(database, WriteBehind(database, MovableClock()))
        ledger.listen(SnapshotCached(FUNCTION, "x86_64", 1024, AT, 10_800))
        ledger.listen(SnapshotCached(FUNCTION, "x86_64", 1024, AT, 300))
        for status in ("success", "error"):
            ledger.listen(RestoreReported(replace(ENVIRONMENT, memory_mb=1024), AT, 5.0, status, None))
        made = await ledger.statement(None, AT)
        await database.close()
        (line,) = made.lines
        assert (line.usage.snapshot_gb_seconds, line.usage.restored_gb) == (11_100, 2)
        assert line.price_usd == line.snap_start_usd == 11_100 * Decimal("0.0000015046") + 2 * Decimal("0.0001397998")
        assert made.free_tier_usd == 0

    asyncio.run(run())
