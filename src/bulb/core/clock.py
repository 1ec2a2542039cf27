"""Time comes in by argument.

Decisions take `now`; whoever waits takes a `Clock`. Tests hand in a clock they can move (tests/support/clock.py).
Durations that are measured (how long a handler ran) use `time.monotonic`/`perf_counter` directly: they are not
decisions.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

# Clocks are trimmed by seconds all the time; further ahead, or back, than this is another time.
TRIMMED_S = 60.0


class Clock(Protocol):
    """Wall-clock time in Unix seconds."""

    def now(self) -> float:
        """Unix time in seconds, with a fraction."""

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` of this clock have passed."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Unix time in seconds, with a fraction."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed."""
        await asyncio.sleep(seconds)


async def sleep_unless(woken: asyncio.Event, clock: Clock, seconds: float) -> None:
    """Return when `woken` is set, or `seconds` of the clock have passed."""
    waking = asyncio.ensure_future(woken.wait())
    timer = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait((waking, timer), return_when=asyncio.FIRST_COMPLETED)
    finally:
        waking.cancel()
        timer.cancel()


def iso_millis(unix_seconds: float) -> str:
    """`2025-11-24T23:11:08.123Z`."""
    moment = datetime.fromtimestamp(unix_seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def lambda_timestamp(unix_seconds: float) -> str:
    """`2025-11-24T23:11:08.123+0000`, the form of Lambda's `LastModified`."""
    return iso_millis(unix_seconds)[:-1] + "+0000"
