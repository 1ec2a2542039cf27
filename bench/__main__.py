"""The table: `python -m bench`, or `python -m bench cold warm` for some of it."""

import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import uvloop

from bench import edges, floor, functions, journal, mappings, memory, queues, schedules
from bench.client import Connection, invoke_request, percentile, rate, timed
from bench.server import Server, running

COLD_STARTS, WARM_CALLS, RATE_S, BURST = 60, 3_000, 3.0, 1_000


def row(what: str, figures: str) -> None:
    """One line of the table."""
    print(f"| {what:<68} | {figures:<28} |", flush=True)


def spread(values: list[float]) -> str:
    """p50 / p99 in milliseconds."""
    return f"{percentile(values, 0.5):.2f} / {percentile(values, 0.99):.2f} ms"


def node_runtime() -> str | None:
    """The Node runtime this machine can run."""
    node = shutil.which("node")
    if node is None:
        return None
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return f"nodejs{version.lstrip('v').split('.')[0]}.x"


async def cold(server: Server, label: str, runtime: str, source: str, pause: float) -> None:
    """First invokes of functions that were never invoked before."""
    aws = functions.client(server.port)
    names = [f"cold-{label.split(maxsplit=1)[0]}-{number}" for number in range(COLD_STARTS)]
    for name in names:
        functions.create(aws, name, runtime, source)
    client = await Connection.open(server.port)
    await client.send(invoke_request(names.pop()))  # the first use of a runtime also starts its zygote and stock
    await asyncio.sleep(1.0)
    waiting = iter(names)

    async def one() -> None:
        status, body = await client.send(invoke_request(next(waiting)))
        if (status, body) != (200, b"1"):
            raise RuntimeError(f"{status} {body!r}")

    row(f"{label} cold start, p50 / p99", spread(await timed(one, len(names), pause)))
    await client.close()


async def warm(server: Server, label: str, runtime: str, source: str) -> None:
    """One function, invoked again and again."""
    name = f"warm-{label.lower()}"
    functions.create(functions.client(server.port), name, runtime, source, MemorySize=1769)
    request = invoke_request(name)
    client = await Connection.open(server.port)
    await timed(lambda: client.send(request), 200)
    row(f"{label} warm, one after another, p50 / p99", spread(await timed(lambda: client.send(request), WARM_CALLS)))
    await client.close()
    for connections in (1, 10, 100):
        await rate(server.port, request, connections, 1.0, 200)
        row(
            f"{label} invokes/s, {connections} connections",
            f"{await rate(server.port, request, connections, RATE_S, 200):,.0f}",
        )


async def front(server: Server) -> None:
    """The floor of every answer: our own front with nothing behind it."""
    request = b"GET /_bulb/health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
    client = await Connection.open(server.port)
    await timed(lambda: client.send(request), 200)
    row("floor: empty HTTP answer, p50 / p99", spread(await timed(lambda: client.send(request), WARM_CALLS)))
    await client.close()
    row("floor: empty HTTP answers/s, 10 connections", f"{await rate(server.port, request, 10, RATE_S, 200):,.0f}")


async def burst(server: Server, label: str) -> None:
    """Executions that are all asleep at the same moment, from zero."""
    functions.create(functions.client(server.port), "burst", functions.PYTHON_RUNTIME, functions.SLEEPER, Timeout=60)
    first = await Connection.open(server.port)
    await first.send(invoke_request("burst", b'{"until": 0}'))  # the zygote runs; one environment is warm
    await asyncio.sleep(1.0)
    clients = [await Connection.open(server.port) for _ in range(BURST)]
    before = memory.available_mb()
    began = time.time()
    request = invoke_request("burst", json.dumps({"until": began + 18}).encode())
    calls = [asyncio.create_task(client.send(request)) for client in clients]
    await asyncio.sleep(16)
    used = before - memory.available_mb()
    private = [memory.private_mb(pid) for pid in memory.descendants(server.pid)]
    answers = [json.loads(body) for status, body in await asyncio.gather(*calls) if status == 200]
    together = max(start for start, _ in answers) < min(end for _, end in answers)
    row(f"{BURST:,} executions at once, {label}: answered / all asleep together", f"{len(answers):,} / {together}")
    row("  until the last handler ran", f"{max(start for start, _ in answers) - began:.2f} s")
    row("  memory of the machine per environment", f"{used / BURST:.2f} MB")
    row("  private memory per environment, median", f"{percentile(private, 0.5):.2f} MB")
    for client in [first, *clients]:
        await client.close()


async def accepts(server: Server) -> None:
    """Asynchronous invokes, each on disk before its 202."""
    functions.create(functions.client(server.port), "accept", functions.PYTHON_RUNTIME, functions.PYTHON)
    request = invoke_request("accept", b"{}", "Event")
    await rate(server.port, request, 32, 1.0, 202)
    row("async accepts/s, fsynced, 32 connections", f"{await rate(server.port, request, 32, RATE_S, 202):,.0f}")


async def mapped(server: Server) -> None:
    """Queues in front of functions."""
    row("SQS send to handler start, idle and warm, p50 / p99", spread(await mappings.latency(server)))
    for label, fifo in (("standard", False), ("FIFO, 500 groups", True)):
        speed = await mappings.drain(server, fifo=fifo)
        row(f"SQS messages/s worked off, batches of 10, {label}", f"{speed:,.0f}")


async def woken(server: Server) -> None:
    """From what happens elsewhere to the handler."""
    for source, times in (await edges.latencies(server)).items():
        row(f"{source} to handler start, idle and warm, p50 / p99", spread(times))


Part = Callable[[], None]


def _in_server(options: tuple[str, ...], *parts: Callable[[Server], Awaitable[None]]) -> None:
    with running(*options) as server:
        for part in parts:
            uvloop.run(part(server))


def main(wanted: list[str]) -> None:
    """Print the whole table, or the parts named."""
    python, node = functions.PYTHON_RUNTIME, node_runtime()
    runtimes = [("Python", python, functions.PYTHON)] + ([("Node", node, functions.NODE)] if node else [])

    def cold_parts(kind: str, pause: float) -> list[Callable[[Server], Awaitable[None]]]:
        return [lambda s, r=r: cold(s, f"{r[0]} {kind}", r[1], r[2], pause) for r in runtimes]

    def up() -> None:
        starts = []
        for _ in range(5):
            with running() as server:
                starts.append(server.start_ms)
        row("`bulb up` until it answers, median of 5", f"{percentile(starts, 0.5):.0f} ms")

    def bursts() -> None:
        # A virtual machine's first use of memory is slow, because its host must provide it: so once more, at once.
        for label in ("from zero", "again at once"):
            _in_server(("--stock", "0"), lambda server, label=label: burst(server, label))

    parts: dict[str, Part] = {
        "floor": lambda: row(
            "floor: python -m awslambdaric, no sandbox, p50 / p99", spread(floor.awslambdaric_start_ms(30))
        ),
        "up": up,
        "cold": lambda: _in_server(("--stock", "0"), *cold_parts("on demand", 0.05)),
        "stock": lambda: _in_server(("--stock", "4"), *cold_parts("from stock", 0.2)),
        "warm": lambda: _in_server((), front, *[lambda s, r=r: warm(s, r[0], r[1], r[2]) for r in runtimes]),
        "burst": bursts,
        "accepts": lambda: _in_server((), accepts),
        "queues": lambda: _in_server((), lambda server: queues.queues(server, row)),
        "mappings": lambda: _in_server((), mapped),
        "schedules": lambda: _in_server((), lambda server: schedules.schedules(server, row)),
        "edges": lambda: _in_server((), woken),
        "journal": lambda: journal.compare(row),
    }
    for name in wanted or list(parts):
        parts[name]()


main(sys.argv[1:])
