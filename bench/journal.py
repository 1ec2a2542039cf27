"""What the journal costs: the same storm of asynchronous events, and the same warm calls, with it and without.

Time depends on who else is at work on the machine; the server's own processor time does not.
"""

import asyncio
import json
import os
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import uvloop

from bench import functions
from bench.client import Connection, invoke_request, rate
from bench.server import Server, running

EVENTS, SENDERS, CALLS_S, ROUNDS = 5_000, 16, 3.0, 3


def compare(row: Callable[[str, str], None]) -> None:
    """Rounds of both, one after the other, so that a slow minute meets both."""
    figures: dict[str, list[tuple[float, float, float]]] = {"with": [], "without": []}
    for _ in range(ROUNDS):
        for label, days in (("with", "7"), ("without", "0")):
            with running("--journal-days", days) as server:
                figures[label].append(uvloop.run(_round(server)))
    for label, rounds in figures.items():
        ended, storm_ms, call_ms = (min(values) for values in zip(*rounds, strict=True))
        row(f"{EVENTS:,} async events, {label} the journal: until all ended", f"{ended:.2f} s")
        row("  the server's processor time an event", f"{storm_ms:.3f} ms")
        row(f"warm calls, {label} the journal: server's processor time a call", f"{call_ms:.3f} ms")


async def _round(server: Server) -> tuple[float, float, float]:
    functions.create(functions.client(server.port), "storm", functions.PYTHON_RUNTIME, functions.PYTHON)
    client = await Connection.open(server.port)
    await client.send(invoke_request("storm"))
    await client.close()
    before, began = _processor_s(server.pid), time.perf_counter()
    numbers = iter(range(EVENTS))
    await asyncio.gather(*(_send(server.port, numbers) for _ in range(SENDERS)))
    while _ended(server.port) < EVENTS + 1:  # noqa: ASYNC110 - another process ends them
        await asyncio.sleep(0.1)
    ended = time.perf_counter() - began
    await asyncio.sleep(0.5)  # what is written behind is part of the price
    storm_ms = (_processor_s(server.pid) - before) / EVENTS * 1000
    before = _processor_s(server.pid)
    calls = await rate(server.port, invoke_request("storm"), 4, CALLS_S, 200)
    return ended, storm_ms, (_processor_s(server.pid) - before) / (calls * CALLS_S) * 1000


async def _send(port: int, numbers: Iterator[int]) -> None:
    client, request = await Connection.open(port), invoke_request("storm", b"{}", "Event")
    for _ in numbers:
        await client.send(request)
    await client.close()


def _ended(port: int) -> int:
    """How many invocations the bill has."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_bulb/bill", timeout=10) as answer:
        return sum(line["requests"] for line in json.load(answer)["lines"])


def _processor_s(pid: int) -> float:
    """User and system time of one process, not of its children."""
    with Path(f"/proc/{pid}/stat").open() as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
