"""A server to be killed: writes rows, blobs and messages from many callers and prints each id once it was answered.

python -m tests.storage.crash_subject LOCATION FOLDER
"""

import asyncio
import os
import sys
from pathlib import Path

from bulb.core.clock import SystemClock
from bulb.storage import outbox, queue
from bulb.storage.blobs import BlobStore
from bulb.storage.database import Database
from bulb.storage.schema.storage import storage_queue


async def main(location: str, folder: Path) -> None:
    database = await Database.open(location)
    blobs = await BlobStore.open(folder / "blobs", database, SystemClock())
    generation = database.generation

    def answered(kind: str, name: str) -> None:
        os.write(1, f"{kind} {name}\n".encode())

    async def write(caller: int) -> None:
        for n in range(100_000):
            name = f"{generation}-{caller}-{n}"
            blob = await blobs.add(name.encode())

            def change(connection, name=name, blob=blob):
                blobs.reference(connection, blob.digest, blob.size)
                outbox.add(connection, name, b"", {"digest": blob.digest}, 0.0)

            await database.write(change)
            answered("outbox", name)
            row = queue.row("q", f"lane{caller}", name.encode(), {}, 0.0)
            await database.insert(storage_queue, row, channel="queue:q")
            answered("queue", name)

    async def take() -> None:
        while True:
            await database.write(lambda c: queue.claim(c, "q", generation, 1.0, 3))
            await asyncio.sleep(0.001)

    await asyncio.gather(take(), *(write(caller) for caller in range(8)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
