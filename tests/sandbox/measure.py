"""How fast sandboxes are made here: `python -m tests.sandbox.measure [how many in the burst]`. Needs root.

Cold: from `start` to the first byte of the runtime loop. Claim: `claim` of a blank. Idle pauses lie between the
samples.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from bulb.sandbox.host import SandboxHost
from bulb.sandbox.model import Code, Rung
from tests.sandbox.support import SMALL, code_at, greet, python_image

_SAMPLES, _PAUSE_S = 40, 0.05


async def _timed(name: str, once: Callable[[], Awaitable[float]]) -> None:
    taken = []
    for _ in range(_SAMPLES):
        await asyncio.sleep(_PAUSE_S)
        taken.append(await once() * 1000)
    cuts = statistics.quantiles(taken, n=20)
    print(f"{name}: p50 {statistics.median(taken):.2f} ms, p95 {cuts[-1]:.2f} ms, N {_SAMPLES}")


async def main(burst: int) -> None:
    """Measure everything once."""
    place = Path(tempfile.mkdtemp())
    host = await SandboxHost.open(place, Rung.FULL)
    image, code = python_image(), Code(code_at(place / "code"))
    await host.prepare(image)

    async def cold() -> float:
        began = time.perf_counter()
        sandbox = await host.start(image, SMALL, code)
        asked = time.perf_counter()
        await greet(sandbox)
        taken = time.perf_counter() - began
        starts.append((asked - began) * 1000)
        await sandbox.close()
        return taken

    async def claim() -> float:
        sandbox = await host.start_blank(image)
        await greet(sandbox)
        await asyncio.sleep(_PAUSE_S)
        began = time.perf_counter()
        await sandbox.claim(SMALL, code)
        taken = time.perf_counter() - began
        await sandbox.close()
        return taken

    starts: list[float] = []
    await _timed("cold", cold)
    print(f"  of it start(): p50 {statistics.median(starts):.2f} ms")
    await _timed("claim", claim)
    began = time.perf_counter()
    sandboxes = await asyncio.gather(*(host.start(image, SMALL, code) for _ in range(burst)))
    await asyncio.gather(*(greet(sandbox, 60) for sandbox in sandboxes))
    print(f"burst of {burst}: all running after {time.perf_counter() - began:.2f} s")
    began = time.perf_counter()
    await asyncio.gather(*(sandbox.close() for sandbox in sandboxes))
    print(f"all closed after {time.perf_counter() - began:.2f} s")
    await host.close()


uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
