"""kill -9 at random moments: everything that was answered is there, and what was claimed is free again."""

import asyncio
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

from bulb.core.clock import SystemClock
from bulb.storage import outbox, queue
from bulb.storage.blobs import BlobStore
from bulb.storage.database import Database

REPOSITORY = Path(__file__).parents[2]


def run_and_kill(location: str, folder: Path, after_lines: int) -> list[tuple[str, str]]:
    """What the subject had been answered when it was killed, some moment after it had printed so many lines."""
    command = [sys.executable, "-m", "tests.storage.crash_subject", location, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY) as subject:
        watchdog = threading.Timer(60, subject.kill)
        watchdog.start()
        assert subject.stdout is not None
        lines = [subject.stdout.readline() for _ in range(after_lines)]
        subject.send_signal(signal.SIGKILL)
        lines += subject.stdout.readlines()
        watchdog.cancel()
    assert len(lines) >= after_lines and all(line.endswith(b"\n") for line in lines)
    return [tuple(line.decode().split()) for line in lines]


async def check(location: str, folder: Path, answered: list[tuple[str, str]]) -> None:
    database = await Database.open(location)
    blobs = await BlobStore.open(folder / "blobs", database, SystemClock())
    entries = {e.destination_arn: e for e in await database.read(lambda c: outbox.pending(c, 1_000_000))}
    claim_all = await database.write(lambda c: queue.claim(c, "q", database.generation, 1.0, 1_000_000))
    messages = {message.payload.decode() for message in claim_all}
    assert {name for kind, name in answered if kind == "outbox"} <= entries.keys()
    assert {name for kind, name in answered if kind == "queue"} <= messages
    for name, entry in entries.items():
        assert await blobs.read_all(entry.attributes["digest"]) == name.encode()
    blobs.close()
    await database.close()


def test_nothing_that_was_answered_is_lost(location: str | Path, tmp_path: Path) -> None:
    chance = random.Random(4)
    answered: list[tuple[str, str]] = []
    for _ in range(4):
        answered += run_and_kill(str(location), tmp_path, chance.randrange(1, 400))
        asyncio.run(check(str(location), tmp_path, answered))


def test_a_killed_server_frees_the_database_at_once(tmp_path: Path) -> None:
    run_and_kill(str(tmp_path / "bulb.db"), tmp_path, 1)
    assert (tmp_path / "bulb.db.lock").read_text() == "open\n"
    asyncio.run(check(str(tmp_path / "bulb.db"), tmp_path, []))
    assert (tmp_path / "bulb.db.lock").read_text() == "clean\n"
