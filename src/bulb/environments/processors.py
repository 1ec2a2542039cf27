"""How busy the machine's processors are, from the kernel's own count."""

import os
import time
from pathlib import Path

_MOST_OFTEN_S = 0.5


class Processors:
    """`idle` is the share of time the processors had nothing to do, between the last two looks at them."""

    def __init__(self) -> None:
        self.count = os.cpu_count() or 1
        self._idle = 1.0
        self._looked_at = time.monotonic()
        self._times = _times()

    def idle(self) -> float:
        """0 to 1. Looks at most every half second; in between it repeats itself."""
        now = time.monotonic()
        if now - self._looked_at >= _MOST_OFTEN_S:
            idle, total = _times()
            before_idle, before_total = self._times
            if total > before_total:
                self._idle = (idle - before_idle) / (total - before_total)
            self._looked_at, self._times = now, (idle, total)
        return self._idle


def _times() -> tuple[int, int]:
    """Ticks idle (or waiting for a disk) and in all, since the machine started."""
    with Path("/proc/stat").open() as figures:
        ticks = [int(text) for text in figures.readline().split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)
